"""A finished file and what its bytes must be."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class FileRef:
    """A finished file: where it is, and the SHA-256 of its bytes in hex.

    The digest stays when the file is moved, copied or shipped to another machine; the path does not.
    """

    path: Path
    digest: str
