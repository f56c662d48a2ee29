"""Keyframes and embeddings in one SQLite file beside the run; nearest neighbours by one matrix product.

Knows no encoder: embeddings are kept by the fingerprint they come with.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storymem.errors import RunStoreError
from storymem.interfaces import Keyframe, MemoryStore
from storymem.interfaces.memory import picture_path
from storymem.values.files import FileRef
from storymem_plugins.stores.matrix import EmbeddingMatrix, check_dimension

FILE = "memory.sqlite"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS keyframes (
  owner TEXT NOT NULL, ordinal INTEGER NOT NULL, id TEXT NOT NULL, shot TEXT NOT NULL, position INTEGER NOT NULL,
  frame INTEGER NOT NULL, digest TEXT NOT NULL, entities TEXT NOT NULL, scores TEXT NOT NULL,
  PRIMARY KEY (owner, ordinal)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS owners (owner TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS embeddings (
  encoder TEXT NOT NULL, id TEXT NOT NULL, vector BLOB NOT NULL, PRIMARY KEY (encoder, id)
) STRICT, WITHOUT ROWID;
"""


_COLUMNS = "keyframes.id, shot, position, frame, digest, entities, scores"


class SqliteStore(MemoryStore):
    """Keep keyframes and embeddings in ``memory.sqlite`` (the default).

    The embeddings of an encoder are read once, when they are first asked for, and kept as one matrix.
    """

    def open(self, folder: Path, write: bool = True) -> None:
        """Open ``memory.sqlite`` in ``folder``, or create it."""
        self.close()
        self._folder = folder
        self._matrices: dict[str, EmbeddingMatrix] = {}
        with self._errors():
            if not write:
                self._db = _read_only(folder / FILE)
                return
            self._db = sqlite3.connect(folder / FILE, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            # Everything here can be chosen again from the run store, so a lost last write costs little.
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute("PRAGMA cache_size=-256")  # KiB; see the run store's schema
            self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        if hasattr(self, "_db"):
            self._db.close()
            del self._db

    def add(self, owner: str, keyframes: Sequence[Keyframe]) -> None:
        """Keep an owner's keyframes."""
        rows = [
            (owner, i, k.id, k.shot, k.position, k.frame, k.file.digest if k.file else "", json.dumps(k.entities),
             json.dumps(dict(k.scores), sort_keys=True))
            for i, k in enumerate(keyframes)
        ]  # fmt: skip
        with self._transaction():
            self._db.execute("INSERT OR IGNORE INTO owners VALUES (?)", (owner,))
            self._db.execute("DELETE FROM keyframes WHERE owner = ?", (owner,))
            self._db.executemany("INSERT INTO keyframes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def of(self, owner: str) -> tuple[Keyframe, ...]:
        """Return an owner's keyframes."""
        rows = self._rows(f"SELECT {_COLUMNS} FROM keyframes WHERE owner = ? ORDER BY ordinal", owner)
        return tuple(map(self._keyframe, rows))

    def view(self, owners: Sequence[str]) -> tuple[Keyframe, ...]:
        """Return the keyframes of these owners, in one query."""
        query = (
            f"SELECT {_COLUMNS} FROM json_each(?) AS wanted JOIN keyframes ON owner = wanted.value "
            "ORDER BY wanted.key, ordinal"
        )
        return tuple(map(self._keyframe, self._rows(query, json.dumps(list(owners)))))

    def _keyframe(self, row: Sequence[Any]) -> Keyframe:
        id_, shot, position, frame, digest, entities, scores = row
        file = FileRef(picture_path(self._folder, digest), digest) if digest else None
        return Keyframe(id_, shot, position, frame, tuple(json.loads(entities)), json.loads(scores), file)

    def owners(self) -> frozenset[str]:
        """Return all owners."""
        return frozenset(row[0] for row in self._rows("SELECT owner FROM owners"))

    def forget(self, owners: Collection[str]) -> None:
        """Remove owners, and the embeddings nobody needs any more."""
        names = [(owner,) for owner in owners]
        with self._transaction():
            self._db.executemany("DELETE FROM owners WHERE owner = ?", names)
            self._db.executemany("DELETE FROM keyframes WHERE owner = ?", names)
            self._db.execute("DELETE FROM embeddings WHERE id NOT IN (SELECT id FROM keyframes)")
        self._matrices.clear()

    def put_embeddings(self, encoder: str, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        """Keep embeddings."""
        if not vectors:
            return
        check_dimension(self._dimension(encoder), {len(vector) for vector in vectors.values()})
        rows = [(encoder, id_, np.asarray(vector, dtype="<f4").tobytes()) for id_, vector in vectors.items()]
        with self._transaction():
            self._db.executemany("INSERT OR REPLACE INTO embeddings VALUES (?, ?, ?)", rows)
        if encoder in self._matrices:
            self._matrices[encoder].put(vectors)

    def embeddings(self, encoder: str, ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Return the stored embeddings among ``ids``."""
        return self._matrix(encoder).get(ids)

    def nearest(
        self, encoder: str, vector: NDArray[np.float32], count: int, within: Collection[str] | None = None
    ) -> list[tuple[str, float]]:
        """Return the nearest keyframes by cosine.

        Raises:
            SettingsError: ``vector`` is not of the stored dimension.
        """
        stored = self._dimension(encoder)
        if stored is None:
            return []
        check_dimension(stored, {len(vector)})
        return self._matrix(encoder).nearest(vector, count, within)

    def _matrix(self, encoder: str) -> EmbeddingMatrix:
        if encoder not in self._matrices:
            rows = self._rows("SELECT id, vector FROM embeddings WHERE encoder = ?", encoder)
            joined = np.frombuffer(bytearray().join(blob for _, blob in rows), dtype="<f4")
            vectors = joined.reshape(len(rows), -1) if rows else np.empty((0, 0), dtype=np.float32)
            self._matrices[encoder] = EmbeddingMatrix([id_ for id_, _ in rows], vectors)
        return self._matrices[encoder]

    def _dimension(self, encoder: str) -> int | None:
        rows = self._rows("SELECT length(vector) / 4 FROM embeddings WHERE encoder = ? LIMIT 1", encoder)
        return int(rows[0][0]) if rows else None

    def _rows(self, query: str, *args: str) -> list[Any]:
        with self._errors():
            return self._db.execute(query, args).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """One transaction, rolled back on an error."""
        with self._errors():
            self._db.execute("BEGIN IMMEDIATE")
            with self._db:
                yield

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise RunStoreError(f"{self._folder / FILE}: cannot be used: {error}") from error


def _read_only(path: Path) -> sqlite3.Connection:
    """Return a connection that changes nothing; an empty database where there is no file."""
    if not path.is_file():
        empty = sqlite3.connect(":memory:", isolation_level=None)
        empty.executescript(_SCHEMA)
        return empty
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)
