"""Features by the content they were computed from, so that nothing is computed twice.

The key of an entry is a hash of who computed it (the model's fingerprint, which covers its weights), what was asked,
and the pixels or text. After a redo of one shot, only that shot's pixels are new.
"""

from __future__ import annotations

import hashlib
import io
import sqlite3
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from storymem.errors import MediaError

_SCHEMA = "CREATE TABLE IF NOT EXISTS features (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID"
#: Seconds to wait for another process that writes to the same cache.
_PATIENCE = 60.0


def feature_key(*parts: str) -> bytes:
    """Return the key for a sequence of texts; no two sequences share one."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.digest()


class FeatureCache:
    """Arrays by key, in one SQLite file that several processes may share.

    Args:
        file: The file, made if it does not exist; None keeps everything in memory, for one evaluation.

    Raises:
        MediaError: The file cannot be opened or is no cache.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        try:
            if file is not None:
                file.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(file or ":memory:", timeout=_PATIENCE, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise self._failed(error) from error
        try:
            self._db.execute(_SCHEMA)
        except sqlite3.Error as error:
            self._db.close()
            raise self._failed(error) from error

    def get(self, key: bytes) -> NDArray[np.generic] | None:
        """Return the array kept under ``key``, or None."""
        try:
            found = self._db.execute("SELECT value FROM features WHERE key = ?", (key,)).fetchone()
        except sqlite3.Error as error:
            raise self._failed(error) from error
        return None if found is None else np.load(io.BytesIO(found[0]), allow_pickle=False)

    def put(self, key: bytes, value: NDArray[np.generic]) -> None:
        """Keep an array."""
        data = io.BytesIO()
        np.save(data, value, allow_pickle=False)
        try:
            self._db.execute("INSERT OR REPLACE INTO features VALUES (?, ?)", (key, data.getvalue()))
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _failed(self, error: Exception) -> MediaError:
        return MediaError(f"{self._file}: cannot be used as a cache of features ({error}); delete it or use --no-cache")
