"""Content digests of weight files, so that a take's fingerprint names the weights that made it.

Small files are hashed whole. Of large ones, evenly spaced blocks are hashed with the size: other training
changes all of them, and 126 GB are digested in a second or two. Digests are remembered by path, size and time
of change.
"""

import hashlib
from functools import lru_cache
from pathlib import Path

WHOLE = 64 * 2**20
_BLOCK = 2**18
_BLOCKS = 32
_SUFFIXES = (".safetensors", ".json", ".model", ".pth", ".bin", ".txt")


def weights_identity(weights: str, revision: str | None) -> str:
    """Content digest of a folder, or repository and commit."""
    folder = Path(weights).expanduser()
    return f"sha256:{folder_digest(folder)}" if folder.is_dir() else f"{weights}@{revision}"


def folder_digest(folder: Path) -> str:
    """Digest of a model folder: names and contents of its weight and configuration files."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix in _SUFFIXES):
        relative = path.relative_to(folder)
        if not any(part.startswith(".") for part in relative.parts):
            digest.update(f"{relative.as_posix()}\0{file_digest(path)}\n".encode())
    return digest.hexdigest()


def file_digest(path: Path) -> str:
    """Digest of one file."""
    stat = path.stat()
    return _digest(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=4096)
def _digest(path: Path, size: int, changed: int) -> str:
    digest = hashlib.sha256(f"{size}\0".encode())
    with path.open("rb") as file:
        if size <= WHOLE:
            digest.update(file.read())
        else:
            for index in range(_BLOCKS):
                file.seek((size - _BLOCK) * index // (_BLOCKS - 1))
                digest.update(file.read(_BLOCK))
    return digest.hexdigest()
