"""Content-addressed files: written aside, synced, renamed into place, checked when read.

Knows nothing about what the files mean.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from storymem.errors import DamagedFile

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A finished file: SHA-256 of its bytes (hex), suffix with the dot, size in bytes and modification time."""

    digest: str
    suffix: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class NewFile:
    """A finished file that is still in the temporary folder."""

    path: Path
    digest: str


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def file_digest_or_none(path: Path) -> str | None:
    """Return the SHA-256 of a file's bytes, or None if it cannot be read."""
    try:
        return file_digest(path)
    except OSError:
        return None


def verified(path: Path, digest: str) -> Path:
    """Return ``path`` after checking its bytes.

    Raises:
        DamagedFile: It is missing or its bytes are not what was recorded.
    """
    try:
        actual = file_digest(path)
    except OSError as error:
        raise DamagedFile(f"{path}: cannot be read: {error.strerror}", digest) from error
    if actual != digest:
        raise DamagedFile(f"{path}: does not have its recorded content", digest)
    return path


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
    """Files named by their content, under ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, digest: str, suffix: str) -> Path:
        """Return where a file with this digest belongs."""
        return self.folder / f"{digest}{suffix}"

    def adopt(self, files: Sequence[NewFile]) -> list[FileRecord]:
        """Move finished, synced files into place, durably."""
        records = []
        for new in files:
            target = self.path(new.digest, new.path.suffix)
            new.path.replace(target)
            stat = target.stat()
            records.append(FileRecord(new.digest, target.suffix, stat.st_size, stat.st_mtime_ns))
        if records:
            sync_folder(self.folder)
        return records

    def intact(self, record: FileRecord) -> bool:
        """Whether a file is what was recorded: by size and time, and by content where those differ."""
        path = self.path(record.digest, record.suffix)
        try:
            stat = path.stat()
        except OSError:
            return False
        if (stat.st_size, stat.st_mtime_ns) == (record.size, record.mtime_ns):
            return True
        return stat.st_size == record.size and file_digest(path) == record.digest

    def sweep(self, known: set[str]) -> list[Path]:
        """Delete files whose digest is not in ``known``; return them. Folders are not ours and stay."""
        strays = [p for p in self.folder.iterdir() if p.stem not in known and not p.is_dir()]
        for stray in strays:
            stray.unlink()
        return strays
