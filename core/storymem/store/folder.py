"""The run folder on disk: its lock, its temporary folder, and refusing folders that are somebody else's."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

from filelock import FileLock, Timeout

from storymem.errors import RunStoreError

DATABASE = "run.sqlite"
OBJECTS = "objects"
QUARANTINE = "quarantine"
TEMPORARY = "tmp"
_LOCK, _HOLDER = "lock", "lock.pid"


class RunFolder:
    """A run folder, locked for as long as this object is open.

    Args:
        path: The folder; made if it does not exist.

    Raises:
        RunStoreError: In use, not writable, or holding files that are not a run's.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not (path / DATABASE).exists():
            self._refuse_foreign()
        try:
            for folder in (path, path / TEMPORARY, path / OBJECTS):
                folder.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(path / _LOCK)
            self._lock.acquire(timeout=0)
            (path / _HOLDER).write_text(f"{os.getpid()}\n", "ascii")
        except Timeout as error:
            raise RunStoreError(f"{path}: is in use by {self._holder()}") from error
        except OSError as error:
            raise RunStoreError(f"{path}: cannot be written: {error.strerror}") from error

    def new_temporary(self) -> Path:
        """Return an empty folder for the files of this run alone, after removing those of killed ones.

        Each run has its own: a worker that outlived its engine must not meet the next one's files.
        """
        shutil.rmtree(self.path / TEMPORARY, ignore_errors=True)  # an orphan may still write; its files go next time
        temporary = self.path / TEMPORARY / secrets.token_hex(4)
        try:
            temporary.mkdir(parents=True)
        except OSError as error:
            raise RunStoreError(f"{self.path}: cannot be written: {error.strerror}") from error
        return temporary

    def close(self) -> None:
        """Release the lock."""
        (self.path / _HOLDER).unlink(missing_ok=True)
        self._lock.release()

    def _refuse_foreign(self) -> None:
        """Raise where a folder that is no run has files in the two folders that a run empties and fills."""
        for ours in (self.path / TEMPORARY, self.path / OBJECTS):
            if ours.is_dir() and any(ours.iterdir()):
                raise RunStoreError(
                    f"{self.path}: is not a run folder, but has files in {ours.name}/, which would be in the way; "
                    "choose another folder with --out"
                )

    def _holder(self) -> str:
        try:
            pid = (self.path / _HOLDER).read_text("ascii").strip()
        except OSError:
            return "another process (unknown pid)"
        if pid == str(os.getpid()):
            return "this process: another render or an open run store of it"
        return f"another process (pid {pid})"
