"""Content hashes of model files, so that an encoder's fingerprint changes exactly when its weights do."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path


def content_hash(files: Iterable[Path]) -> str:
    """Return one SHA-256, in hex, of the names and contents of ``files``; their folders do not matter."""
    digest = hashlib.sha256()
    for file in sorted(files, key=lambda path: path.name):
        stat = file.stat()
        digest.update(f"{file.name}\n{_file_hash(file, stat.st_size, stat.st_mtime_ns)}\n".encode())
    return digest.hexdigest()


@lru_cache(maxsize=256)
def _file_hash(file: Path, size: int, modified: int) -> str:  # size and time make a changed file a new key
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
