"""Jobs on disk: what was ordered, how far it is, what came of it. They outlive the server.

jobs/<id>/job.json                 the record, replaced whole at every change of state
jobs/<id>/memory-*.png  handover-*.png
jobs/<id>/lossless.mkv  video.mp4  the result
"""

from __future__ import annotations

import json
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from storymem.errors import StoryMemError, os_error
from storymem.media.images import write_png
from storymem.script.writing import write_text
from storymem.values.clip import Frames, pixel_hash
from storymem.values.keyframe import Keyframe
from storymem.values.picture import read_png
from storymem.values.request import Handover, ShotRequest, Subject
from storymem_server.errors import ApiError
from storymem_server.orders import Order

_RECORD = "job.json"
#: Contents by the name of their variant.
VARIANTS = {"video": "video.mp4", "lossless": "lossless.mkv"}


class Status(StrEnum):
    """How far a job is, in OpenAI's words."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"


OPEN = (Status.QUEUED, Status.IN_PROGRESS)


@dataclass(frozen=True, slots=True)
class Job:
    """One job.

    Attributes:
        id: Its name, in addresses and folders.
        number: Order of arrival.
        order: Hash of what was ordered.
        token: The client's ``Idempotency-Key``.
        request: What was ordered, as plain data; the pictures are files.
        status: How far it is.
        created_at: Seconds since 1970.
        completed_at: The same, of its end.
        error: ``code`` and ``message`` of a failure.
        fps: Frames per second of the result.
    """

    id: str
    number: int
    order: str
    token: str
    request: dict[str, Any]
    fps: int
    status: Status = Status.QUEUED
    created_at: int = field(default_factory=lambda: int(time.time()))
    completed_at: int | None = None
    error: dict[str, str] | None = None

    def to_json(self, model: str, progress: int) -> dict[str, Any]:
        """Return OpenAI's object."""
        return {
            "id": self.id,
            "object": "video",
            "model": model,
            "status": str(self.status),
            "progress": 100 if self.status is Status.COMPLETED else progress,
            "created_at": self.created_at,
            "completed_at": self.completed_at,
            "expires_at": None,
            "error": self.error,
            "prompt": self.request["prompt"],
            "size": f"{self.request['width']}x{self.request['height']}",
            "seconds": f"{self.request['frames'] / self.fps:g}",
            "num_frames": self.request["frames"],
            "fps": self.fps,
            "seed": self.request["seed"],
            "remixed_from_video_id": None,
        }


class JobStore:
    """All jobs of a folder, which no other server may use meanwhile. Threads may share it.

    Args:
        folder: The folder; made if it does not exist.
        limit: Most jobs that wait or run.
        keep: Finished jobs that are kept.

    Raises:
        StoryMemError: The folder is in use, or cannot be written.
    """

    def __init__(self, folder: Path, limit: int, keep: int) -> None:
        self._folder, self._limit, self._keep = folder / "jobs", limit, keep
        self._changed = threading.Condition()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(folder / "lock")
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise StoryMemError(f"{folder}: is in use by another server; choose another --folder") from error
        except OSError as error:
            raise os_error(f"{folder}: cannot be written", error, StoryMemError) from error
        self._jobs: dict[str, Job] = {job.id: job for job in self._load()}

    def close(self) -> None:
        """Let another server use the folder."""
        self._lock.release()

    # -- clients --------------------------------------------------------------------------------------------

    def add(self, order: Order, token: str, fps: int) -> Job:
        """Queue an order, or return the job that was queued for the same token.

        Raises:
            ApiError: The queue is full, or the token was used for another order.
        """
        with self._changed:
            if token and (known := [job for job in self._jobs.values() if job.token == token]):
                return _same(known[0], order)
            if sum(job.status in OPEN for job in self._jobs.values()) >= self._limit:
                raise ApiError(429, "queue_full", f"the queue is full ({self._limit} jobs); try again later", after=5)
            number = max((job.number for job in self._jobs.values()), default=0) + 1
            job = Job(f"video_{secrets.token_hex(12)}", number, order.key, token, _plain(order.request), fps)
            self._write_pictures(job, order.request)
            self._put(job)
            return job

    def get(self, job_id: str) -> Job:
        """Return a job; raises :class:`ApiError` if there is none."""
        job = self._jobs.get(job_id)
        if job is None:
            raise ApiError(404, "not_found", f"there is no video {job_id[:60]!r}")
        return job

    def newest_first(self) -> list[Job]:
        """Return all jobs."""
        return sorted(self._jobs.values(), key=lambda job: -job.number)

    def remove(self, job_id: str) -> None:
        """Delete a job; one that is running stops at its next step."""
        with self._changed:
            job = self.get(job_id)
            del self._jobs[job.id]
            # The record goes first: without it, what a killed server leaves is not taken for a job.
            (self.path(job) / _RECORD).unlink(missing_ok=True)
            shutil.rmtree(self.path(job), ignore_errors=True)

    def path(self, job: Job) -> Path:
        """Return a job's folder."""
        return self._folder / job.id

    def content(self, job: Job, variant: str) -> Path:
        """Return the file of a finished job's content.

        Raises:
            ApiError: It is not finished, or there is no such variant.
        """
        if variant not in VARIANTS:
            raise ApiError(400, "invalid_request", f"variant must be one of {', '.join(VARIANTS)}")
        if job.status is not Status.COMPLETED:
            raise ApiError(409, "not_ready", f"video {job.id} is {job.status}, not completed")
        return self.path(job) / VARIANTS[variant]

    # -- the worker -----------------------------------------------------------------------------------------

    def next(self, seconds: float) -> Job | None:
        """Return the oldest queued job, marked as running; wait for one so long."""
        with self._changed:
            self._changed.wait_for(lambda: any(j.status is Status.QUEUED for j in self._jobs.values()), seconds)
            queued = [job for job in self._jobs.values() if job.status is Status.QUEUED]
            if not queued:
                return None
            return self._put(replace(min(queued, key=lambda job: job.number), status=Status.IN_PROGRESS))

    def is_wanted(self, job: Job) -> bool:
        """Whether a job has not been deleted."""
        return job.id in self._jobs

    def finish(self, job: Job, error: dict[str, str] | None) -> None:
        """Note the end of a job, unless it was deleted meanwhile; let go of the oldest finished ones."""
        with self._changed:
            if not self.is_wanted(job):
                shutil.rmtree(self.path(job), ignore_errors=True)
                return
            status = Status.FAILED if error else Status.COMPLETED
            self._put(replace(job, status=status, error=error, completed_at=int(time.time())))
            finished = [j for j in self.newest_first() if j.status not in OPEN]
            for old in finished[self._keep :]:
                self.remove(old.id)

    def request(self, job: Job) -> ShotRequest:
        """Return what a job orders, pictures in memory."""
        plain = job.request
        handed = [read_png(path) for path in self._pictures(job, "handover")]
        memory = [
            Keyframe.of_picture(read_png(path), "memory", 0, index, tuple(entities))
            for index, (path, entities) in enumerate(zip(self._pictures(job, "memory"), plain["memory"], strict=True))
        ]
        return ShotRequest(
            shot="1.1",
            prompt=plain["prompt"],
            negative_prompt=plain["negative_prompt"],
            width=plain["width"],
            height=plain["height"],
            frames=plain["frames"],
            seed=plain["seed"],
            subjects=tuple(Subject(**subject) for subject in plain["subjects"]),
            memory=tuple(memory),
            handover=_handover(handed),
            jobs=self.path(job) / "jobs",
        )

    # -- files ----------------------------------------------------------------------------------------------

    def _put(self, job: Job) -> Job:
        write_text(self.path(job) / _RECORD, json.dumps(asdict(job), indent=1) + "\n")
        self._jobs[job.id] = job
        self._changed.notify_all()
        return job

    def _write_pictures(self, job: Job, request: ShotRequest) -> None:
        self.path(job).mkdir(parents=True)
        handed = [] if request.handover_frames is None else list(request.handover_frames)
        for name, pictures in (("memory", request.pictures), ("handover", handed)):
            for index, picture in enumerate(pictures):
                write_png(self.path(job) / f"{name}-{index:03}.png", picture)

    def _pictures(self, job: Job, name: str) -> list[Path]:
        return sorted(self.path(job).glob(f"{name}-*.png"))

    def _load(self) -> Iterator[Job]:
        """Yield the jobs that are there; what was running when the server died is queued again, in its old place."""
        for path in self._folder.glob(f"*/{_RECORD}"):
            try:
                data = json.loads(path.read_text("utf-8"))
                job = Job(**{**data, "status": Status(data["status"])})
            except (OSError, ValueError, TypeError, KeyError) as error:
                raise StoryMemError(f"{path}: is damaged ({error}); move its folder away and start again") from error
            yield replace(job, status=Status.QUEUED) if job.status is Status.IN_PROGRESS else job


def _same(job: Job, order: Order) -> Job:
    if job.order != order.key:
        raise ApiError(409, "idempotency_conflict", "this Idempotency-Key was used for another request")
    return job


def _plain(request: ShotRequest) -> dict[str, Any]:
    return {
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        "width": request.width,
        "height": request.height,
        "frames": request.frames,
        "seed": request.seed,
        "subjects": [asdict(subject) for subject in request.subjects],
        "memory": [list(keyframe.entities) for keyframe in request.memory],
    }


def _handover(frames: list[Frames]) -> Handover | None:
    if not frames:
        return None
    stacked = np.stack(frames)
    return Handover(len(frames), pixel_hash(stacked), frames=stacked)
