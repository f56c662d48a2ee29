"""Content-addressed files: written aside, synced, renamed into place, checked when read.

Nothing here deletes a file: what is damaged or belongs to nobody is moved to a quarantine, with the reason beside it.
Knows nothing about what the files mean.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from storymem.errors import DamagedFile, RunStoreError
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


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
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
    try:
        actual = file_digest(file.path)
    except FileNotFoundError as error:
        raise DamagedFile(f"{file.path}: is gone", file.digest) from error
    except OSError as error:
        raise RunStoreError(f"{file.path}: cannot be read: {error.strerror}; nothing was changed, try again") from error
    if actual != file.digest:
        raise DamagedFile(f"{file.path}: does not have its recorded content", file.digest)
    return file.path


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
        for new in files:
            target = self.path(new.digest, new.path.suffix)
            new.path.replace(target)
            stat = target.stat()
            records.append(FileRecord(new.digest, target.suffix, stat.st_size, stat.st_mtime_ns))
        if records:
            sync_folder(self.folder)
        return records

    def intact(self, record: FileRecord) -> bool:
        """Whether a file is what was recorded: by size and time, and by content where the time differs.

        Raises:
            RunStoreError: The file cannot be read now, which says nothing about its content.
        """
        path = self.path(record.digest, record.suffix)
        try:
            stat = path.stat()
            if (stat.st_size, stat.st_mtime_ns) == (record.size, record.mtime_ns):
                return True
            return stat.st_size == record.size and file_digest(path) == record.digest
        except FileNotFoundError:
            return False
        except OSError as error:
            raise RunStoreError(f"{path}: cannot be read: {error.strerror}; nothing was changed, try again") from error

    def strays(self, known: set[str]) -> list[Path]:
        """Return files whose digest is not in ``known``. Folders are not ours."""
        return sorted(p for p in self.folder.iterdir() if p.stem not in known and not p.is_dir())

    def named(self, digest: str) -> Iterator[Path]:
        """Yield the files of this digest, whatever their suffix."""
        if not _DIGEST.fullmatch(digest):
            raise RunStoreError(f"{self.folder}: {digest!r} is no name of a stored file; the run is damaged")
        return self.folder.glob(f"{digest}.*")

    def set_aside(self, paths: Iterable[Path], reason: str) -> None:
        """Move files to the quarantine, with the reason beside each."""
        for path in paths:
            self.quarantine.mkdir(exist_ok=True)
            target = self.quarantine / path.name
            number = 1
            while target.exists():  # an earlier version of the same file is there already
                target = self.quarantine / f"{path.stem}~{number}{path.suffix}"
                number += 1
            target.with_name(target.name + REASON).write_text(reason + "\n", "utf-8")
            path.replace(target)

    def delete(self, paths: Iterable[Path]) -> None:
        """Delete files for good. Only for what the user asked to be deleted (``storymem prune``)."""
        for path in paths:
            path.unlink()
