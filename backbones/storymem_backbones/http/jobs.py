"""Notes of jobs at servers, one small file each in the run folder, so that a job is found again and not paid twice.

A note is written before its job is created, with a token of ours: a server that takes such a token (an idempotency
key, or an id chosen by the client) gives the same job for it, even if we were killed before its answer came.
"""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from storymem.keys import digest
from storymem.script.writing import write_text
from storymem.values.clip import pixel_hash
from storymem.values.request import ShotRequest


@dataclass(frozen=True, slots=True)
class JobNote:
    """What is known of a job.

    Attributes:
        key: Hash of backbone and request: which work this is.
        server: Its address.
        token: Ours, made for this job alone.
        job: The server's id; empty until it has answered.
        created: Seconds since 1970.
        seen: Whether the server has shown the job at least once.
    """

    key: str
    server: str
    token: str
    job: str = ""
    created: float = 0.0
    seen: bool = False


class JobNotes:
    """The note of one request's job.

    Args:
        folder: Where notes are kept; None keeps them in memory alone.
        shot: Shot id, for people who look into the folder.
        key: See :func:`request_key`.
        server: The server's address.
    """

    def __init__(self, folder: Path | None, shot: str, key: str, server: str) -> None:
        self._path = folder / f"{shot}-{key[:16]}.json" if folder is not None else None
        self._key, self._server = key, server
        self.note = self._read()

    def start(self) -> JobNote:
        """Note that a job is about to be created, unless one is noted already."""
        if not self.note.created:
            self._keep(replace(self.note, created=time.time()))
        return self.note

    def created(self, job: str) -> None:
        """Note the server's id."""
        self._keep(replace(self.note, job=job))

    def seen(self) -> None:
        """Note that the server has shown the job."""
        if not self.note.seen:
            self._keep(replace(self.note, seen=True))

    def forget(self) -> None:
        """Remove the note: the next job for this request is a new one."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)
        self.note = self._new()

    def _keep(self, note: JobNote) -> None:
        self.note = note
        if self._path is not None:
            write_text(self._path, json.dumps(asdict(note), indent=1) + "\n")

    def _new(self) -> JobNote:
        return JobNote(self._key, self._server, str(uuid.uuid4()))

    def _read(self) -> JobNote:
        """Return the note that is there; one that is damaged, or of other work, counts as absent."""
        try:
            found = JobNote(**json.loads(self._path.read_text("utf-8"))) if self._path is not None else self._new()
        except (OSError, ValueError, TypeError):
            return self._new()
        return found if (found.key, found.server) == (self._key, self._server) else self._new()


def request_key(fingerprint: str, request: ShotRequest) -> str:
    """Return the hash of everything that decides what a server is asked for."""
    handed = request.handover_frames
    return digest(
        "job",
        {
            "backbone": fingerprint,
            **request.readable(),
            "memory": [keyframe.id for keyframe in request.memory],
            "handover": None if handed is None else pixel_hash(handed),
        },
    )
