"""Files between the engine's machine and workers: by their content through Ray, or in a file system all nodes share."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from uuid import uuid4

import ray

from storymem.store.objects import verified
from storymem.values.files import FileRef
from storymem.values.work import ShotOutcome, ShotTask

#: Bytes of inputs kept in Ray's object store for the next shots that see them.
_MOST = 1 << 30


class LostOnTheWayError(Exception):
    """What came is not what the worker sent."""


class Inputs:
    """Inputs in Ray's object store, each put there once while there is room. Used by several threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[ray.ObjectRef[bytes], int]] = OrderedDict()
        self._lock = Lock()

    def of(self, task: ShotTask) -> dict[str, list[ray.ObjectRef[bytes]]]:
        """Return a task's inputs by digest.

        Raises:
            DamagedFile: One is not what was recorded.
        """
        return {file.digest: [self._put(file)] for file in task.inputs()}

    def _put(self, file: FileRef) -> ray.ObjectRef[bytes]:
        with self._lock:
            if file.digest in self._kept:
                self._kept.move_to_end(file.digest)
                return self._kept[file.digest][0]
            content = verified(file).read_bytes()
            self._kept[file.digest] = ray.put(content), len(content)
            reference = self._kept[file.digest][0]
            while len(self._kept) > 1 and sum(size for _, size in self._kept.values()) > _MOST:
                self._kept.popitem(last=False)
            return reference


def written(task: ShotTask, outcome: ShotOutcome, contents: Mapping[str, bytes]) -> ShotOutcome:
    """Write what a worker sent into the task's folder, durably; return the outcome with its files there.

    Raises:
        LostOnTheWayError: A file is missing, or is not what the outcome says.
    """

    def write(file: FileRef) -> FileRef:
        content = contents.get(file.digest)
        if content is None or hashlib.sha256(content).hexdigest() != file.digest:
            raise LostOnTheWayError(f"{file.path.name}: did not arrive as it was sent")
        place = task.folder / file.path.name
        with place.open("wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        return FileRef(place, file.digest)

    return outcome.moved(write)


def own_folder(task: ShotTask) -> ShotTask:
    """Return a task that writes into a folder of this attempt alone, in a shared file system."""
    return task.moved(lambda file: file, task.folder / f"attempt-{uuid4().hex}")


def taken_over(task: ShotTask, attempt: ShotTask, outcome: ShotOutcome) -> ShotOutcome:
    """Move an attempt's files to where the task's belong; a worker given up on still writes into its own folder."""

    def move(file: FileRef) -> FileRef:
        return FileRef(file.path.replace(task.folder / file.path.name), file.digest)

    moved = outcome.moved(move)
    shutil.rmtree(attempt.folder, ignore_errors=True)
    return moved


def probe(folder: Path) -> FileRef:
    """Write a small file that a node must see, to check that the file system is shared."""
    content = uuid4().bytes
    place = folder / f"probe-{uuid4().hex}"
    place.write_bytes(content)
    return FileRef(place, hashlib.sha256(content).hexdigest())
