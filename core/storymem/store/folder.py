"""The run folder on disk: its lock, its temporary folder, and refusing folders that are somebody else's."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

from filelock import FileLock, Timeout

from storymem.errors import RunStoreError, StoryMemError, os_error
from storymem.store.sidecars import FOLDER as TAKES
from storymem.store.sidecars import GENERATION

DATABASE = "run.sqlite"
OBJECTS = "objects"
QUARANTINE = "quarantine"
TEMPORARY = "tmp"
JOBS = "jobs"
_LOCK = "lock"
HOLDER = "lock.pid"  #: Names the process that has the folder locked.
#: What a run folder holds and is written to by name; a link there would lead writes and deletions elsewhere.
_OURS = (DATABASE, "memory.sqlite", OBJECTS, QUARANTINE, TEMPORARY, JOBS, TAKES, GENERATION, _LOCK, HOLDER, "run.log",
         "film.mp4", "shots", "keyframes")  # fmt: skip

_FILLED = (TEMPORARY, OBJECTS, "film.mp4", "shots", "keyframes")


class RunFolder:
    """A run folder, locked for as long as this object is open.

    Args:
        path: The folder; made if it does not exist.
        repairing: Take it although its database or its objects are gone.

    Raises:
        RunStoreError: In use, not writable, or holding files that are not a run's.
    """

    def __init__(self, path: Path, repairing: bool = False) -> None:
        self.path = path
        refuse_links(path)
        if not repairing:
            self._refuse_foreign()
        try:
            for folder in (path, path / TEMPORARY):
                folder.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(path / _LOCK)
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise RunStoreError(f"{path}: is in use by {self._holder()}") from error
        except (OSError, NotImplementedError) as error:
            raise self._refused(error) from error
        try:
            (path / HOLDER).write_text(f"{os.getpid()}\n", "ascii")
        except OSError as error:
            self._lock.release()
            raise self._refused(error) from error

    def new_temporary(self) -> Path:
        """Return an empty folder for the files of this run alone, after removing those of killed ones.

        Each run has its own: a worker that outlived its engine must not meet the next one's files.
        """
        shutil.rmtree(self.path / TEMPORARY, ignore_errors=True)  # an orphan may still write; its files go next time
        temporary = self.path / TEMPORARY / secrets.token_hex(4)
        try:
            temporary.mkdir(parents=True)
        except OSError as error:
            raise self._refused(error) from error
        return temporary

    def close(self) -> None:
        """Release the lock."""
        try:
            (self.path / HOLDER).unlink(missing_ok=True)
        except OSError:
            pass  # it only names the holder in a message; the lock itself decides
        finally:
            self._lock.release()

    def _refused(self, error: Exception) -> StoryMemError:
        if isinstance(error, OSError):
            return os_error(f"{self.path}: cannot be written", error, RunStoreError)
        return RunStoreError(f"{self.path}: cannot be locked: {error}")

    def _refuse_foreign(self) -> None:
        """Raise where a folder has lost its database, or is no run and has files that one would meet."""
        if (self.path / DATABASE).exists():
            return
        if (self.path / TAKES).is_dir() or (self.path / GENERATION).exists():
            raise RunStoreError(
                f"{self.path}: has lost its {DATABASE}; storymem repair {self.path} rebuilds it from the files that "
                "are there"
            )
        for name in in_the_way(self.path):
            what = f"files in {name}/" if (self.path / name).is_dir() else f"a file {name}"
            raise RunStoreError(
                f"{self.path}: is not a run folder, but has {what}, which would be in the way; choose another folder "
                f"with --out, or --force moves them to {QUARANTINE}/"
            )

    def _holder(self) -> str:
        try:
            pid = (self.path / HOLDER).read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            return "another process (unknown pid)"
        if pid == str(os.getpid()):
            return "this process: another render or an open run store of it"
        return f"another process (pid {pid})"


def in_the_way(path: Path) -> list[str]:
    """Return what a folder that is no run has under the names that a run would fill, replace or empty."""
    try:
        return [name for name in _FILLED if not _is_free(path / name)]
    except OSError as error:
        raise os_error(f"{path}: cannot be read", error, RunStoreError) from error


def _is_free(path: Path) -> bool:
    return not (any(path.iterdir()) if path.is_dir() else path.exists())


def refuse_links(path: Path) -> None:
    """Raise where a part of a run folder is a symbolic link: it would lead out of the folder."""
    for name in _OURS:
        try:
            linked = (path / name).is_symlink()
        except OSError as error:
            raise os_error(f"{path / name}: cannot be read", error, RunStoreError) from error
        if linked:
            raise RunStoreError(f"{path / name}: is a symbolic link, which a run folder must not have; put the "
                                "file or folder itself there")  # fmt: skip
