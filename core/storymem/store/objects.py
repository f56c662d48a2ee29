"""Content-addressed files: written aside, synced, renamed into place, checked when read.

Nothing here deletes a file: what is damaged or belongs to nobody is moved to a quarantine, with the reason beside it.
Knows nothing about what the files mean.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from storymem.errors import DamagedFile, RunStoreError, os_error
from storymem.values.files import FileRef

_CHUNK = 1 << 20
_DIGEST = re.compile(r"[0-9a-f]{64}")
_SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")
#: Suffix of the text beside a quarantined file that says why it is there.
REASON = ".why.txt"


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A finished file: SHA-256 of its bytes (hex), suffix with the dot, size in bytes and modification time."""

    digest: str
    suffix: str
    size: int
    mtime_ns: int


#: What network file systems and scanners of other programs cause for a moment.
_PASSING = frozenset({errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.ESTALE})
_TRIES, _PAUSE = 3, 0.05  #: seconds


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex; tried again where the file system is busy for a moment."""
    for _ in range(_TRIES - 1):
        try:
            return _digest_once(path)
        except OSError as error:
            if error.errno not in _PASSING:
                raise
            time.sleep(_PAUSE)
    return _digest_once(path)


def _digest_once(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def verified(file: FileRef) -> Path:
    """Return the path of a file after checking its bytes.

    Raises:
        DamagedFile: It is gone, or its bytes are not what was recorded.
        RunStoreError: It cannot be read now. That says nothing about its content, so nothing is to be made again.
    """
    with reading(file.path):
        try:
            actual = file_digest(file.path)
        except FileNotFoundError as error:
            _require_folder(file.path.parent)
            raise DamagedFile(f"{file.path}: is gone", file.digest) from error
    if actual != file.digest:
        raise DamagedFile(f"{file.path}: does not have its recorded content", file.digest)
    return file.path


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Raise :class:`RunStoreError` where the file system refuses: that says nothing about the content."""
    try:
        yield
    except OSError as error:
        raise os_error(f"{path}: cannot be read now, and nothing was changed", error, RunStoreError) from error


def _require_folder(folder: Path) -> None:
    """Raise where a whole folder is gone: moved or unmounted, and so no file of it is known to be lost."""
    if not folder.is_dir():
        raise RunStoreError(f"{folder}: is gone; nothing was changed, put it back and try again")


def sync_folder(folder: Path) -> None:
    """Make renames in ``folder`` durable, where the platform can."""
    if os.name == "nt":  # Windows has no directory handles to sync
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class ObjectStore:
    """Files named by their content.

    Args:
        folder: Where they are.
        quarantine: Where damaged and stray files are moved.
    """

    def __init__(self, folder: Path, quarantine: Path) -> None:
        self.folder = folder
        self.quarantine = quarantine

    def path(self, digest: str, suffix: str) -> Path:
        """Return where a file with this digest belongs.

        Raises:
            RunStoreError: Digest or suffix are not of their form, as in a database that somebody changed.
        """
        if not (_DIGEST.fullmatch(digest) and _SUFFIX.fullmatch(suffix)):
            raise RunStoreError(f"{self.folder}: {digest + suffix!r} is no name of a stored file; the run is damaged")
        return self.folder / f"{digest}{suffix}"

    def adopt(self, files: Sequence[FileRef]) -> list[FileRecord]:
        """Move finished, synced files into place, durably."""
        records = []
        try:
            for new in files:
                target = self.path(new.digest, new.path.suffix)
                new.path.replace(target)
                stat = target.stat()
                records.append(FileRecord(new.digest, target.suffix, stat.st_size, stat.st_mtime_ns))
            if records:
                sync_folder(self.folder)
        except OSError as error:
            raise os_error(f"{self.folder}: cannot be written", error, RunStoreError) from error
        return records

    def intact(self, record: FileRecord) -> bool:
        """Whether a file is what was recorded: by size and time, and by content where the time differs.

        Raises:
            RunStoreError: The file cannot be read now, which says nothing about its content.
        """
        path = self.path(record.digest, record.suffix)
        with reading(path):
            try:
                stat = path.stat()
            except FileNotFoundError:
                _require_folder(self.folder)
                return False
            if (stat.st_size, stat.st_mtime_ns) == (record.size, record.mtime_ns):
                return True
            return stat.st_size == record.size and self.has_content(record)

    def has_content(self, record: FileRecord) -> bool:
        """Whether the bytes of a file are what was recorded, whatever its time; raises as :meth:`intact` does."""
        path = self.path(record.digest, record.suffix)
        with reading(path):
            try:
                return file_digest(path) == record.digest
            except FileNotFoundError:
                _require_folder(self.folder)
                return False

    def prepare(self, expected: bool) -> None:
        """Make the folder, unless files are ``expected`` in it and it is gone.

        Raises:
            RunStoreError: It is gone, or cannot be made.
        """
        if expected:
            _require_folder(self.folder)
        try:
            self.folder.mkdir(exist_ok=True)
        except OSError as error:
            raise os_error(f"{self.folder}: cannot be made", error, RunStoreError) from error

    def any(self) -> bool:
        """Whether there are files at all. Folders are not ours."""
        with reading(self.folder):
            return self.folder.is_dir() and any(not path.is_dir() for path in self.folder.iterdir())

    def stems(self) -> set[str]:
        """Return the names of all files there, without suffixes: their digests, if they are whole."""
        with reading(self.folder):
            return {path.stem for path in self.folder.iterdir() if not path.is_dir()}

    def strays(self, known: set[str]) -> list[Path]:
        """Return files whose digest is not in ``known``. Folders are not ours."""
        with reading(self.folder):
            return sorted(p for p in self.folder.iterdir() if p.stem not in known and not p.is_dir())

    def named(self, digest: str) -> Iterator[Path]:
        """Yield the files of this digest, whatever their suffix."""
        if not _DIGEST.fullmatch(digest):
            raise RunStoreError(f"{self.folder}: {digest!r} is no name of a stored file; the run is damaged")
        return self.folder.glob(f"{digest}.*")

    def take_back(self, digest: str, suffix: str) -> bool:
        """Move a file out of the quarantine if one with this content is there; return whether it was."""
        target = self.path(digest, suffix)
        for path in sorted(self.quarantine.glob(f"{digest}*{suffix}")) if self.quarantine.is_dir() else ():
            with reading(path):
                if file_digest(path) == digest:
                    path.replace(target)
                    path.with_name(path.name + REASON).unlink(missing_ok=True)
                    return True
        return False

    def set_aside(self, paths: Iterable[Path], reason: str) -> None:
        """Move files to the quarantine, with the reason beside each.

        Raises:
            RunStoreError: One cannot be moved; it is where it was.
        """
        for path in paths:
            move_aside(path, self.quarantine, reason)

    def empty_quarantine(self) -> list[Path]:
        """Delete what was set aside and the reasons beside it, for good; return the files and folders."""
        with reading(self.quarantine):
            found = sorted(self.quarantine.iterdir()) if self.quarantine.is_dir() else []
        folders = [path for path in found if path.is_dir() and not path.is_symlink()]
        self.delete(path for path in found if path not in folders)
        for folder in folders:
            try:
                shutil.rmtree(folder)
            except OSError as error:
                raise os_error(f"{folder}: cannot be deleted", error, RunStoreError) from error
        return [path for path in found if not path.name.endswith(REASON)]

    def delete(self, paths: Iterable[Path]) -> None:
        """Delete files for good. Only for what the user asked to be deleted (``storymem prune``)."""
        for path in paths:
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise os_error(f"{path}: cannot be deleted", error, RunStoreError) from error


def move_aside(path: Path, quarantine: Path, reason: str) -> None:
    """Move a file or folder to a quarantine, under a name that is free there, with the reason beside it."""
    try:
        quarantine.mkdir(exist_ok=True)
        target, number = quarantine / path.name, 1
        while target.exists() or target.with_name(target.name + REASON).exists():  # an earlier one of that name
            target = quarantine / f"{path.stem}~{number}{path.suffix}"
            number += 1
        target.with_name(target.name + REASON).write_text(reason + "\n", "utf-8")
        path.replace(target)
    except OSError as error:
        raise os_error(f"{path}: cannot be moved to {quarantine}", error, RunStoreError) from error
