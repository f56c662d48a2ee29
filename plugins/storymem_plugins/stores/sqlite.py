"""Keyframes and embeddings in one SQLite file beside the run; nearest neighbours by one matrix product.

Every row has a checksum: one that a disk fault or another program changed is never used. Its owner counts as unknown
then, and a damaged embedding as missing, so that the engine chooses or computes it again. Knows no encoder: embeddings
are kept by the fingerprint they come with.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storymem.errors import DamagedDatabase, RunStoreError
from storymem.interfaces import Keyframe, MemoryStore
from storymem.interfaces.memory import picture_path
from storymem.store.database import patiently, sqlite_error
from storymem.store.schema import BUSY, SQL_ERRORS, open_for_reading, read_error
from storymem.store.seals import row_sum
from storymem.values.files import FileRef
from storymem_plugins.stores.matrix import EmbeddingMatrix, check_dimension, check_finite

FILE = "memory.sqlite"
_VERSION = 2
_SCHEMA = f"""
BEGIN;
CREATE TABLE keyframes (
  owner TEXT NOT NULL, ordinal INTEGER NOT NULL, id TEXT NOT NULL, shot TEXT NOT NULL, position INTEGER NOT NULL,
  frame INTEGER NOT NULL, digest TEXT NOT NULL, entities TEXT NOT NULL, scores TEXT NOT NULL, sum INTEGER NOT NULL,
  PRIMARY KEY (owner, ordinal)
) STRICT, WITHOUT ROWID;
CREATE TABLE owners (
  owner TEXT PRIMARY KEY, count INTEGER NOT NULL, sum INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE embeddings (
  encoder TEXT NOT NULL, id TEXT NOT NULL, vector BLOB NOT NULL, sum INTEGER NOT NULL, PRIMARY KEY (encoder, id)
) STRICT, WITHOUT ROWID;
PRAGMA user_version={_VERSION};
COMMIT;
"""
_COLUMNS = "owner, ordinal, id, shot, position, frame, digest, entities, scores, sum"


class SqliteStore(MemoryStore):
    """Keep keyframes and embeddings in ``memory.sqlite`` (the default).

    The embeddings of an encoder are read once, when they are first asked for, and kept as one matrix.
    """

    def open(self, folder: Path, write: bool = True) -> None:
        """Open ``memory.sqlite`` in ``folder``, or create it."""
        self.close()
        self._folder = folder
        self._matrices: dict[str, EmbeddingMatrix] = {}
        path = folder / FILE
        if write:
            self._db = self._open(path)
        elif path.is_file():
            self._db = open_for_reading(path)
        else:
            self._db = sqlite3.connect(":memory:", isolation_level=None)
            self._db.executescript(_SCHEMA)
        # Bytes that are no text must not stop a query before the checksum has shown that they are damaged.
        self._db.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
        if self._rows("PRAGMA user_version") != [(_VERSION,)]:
            self.close()
            raise RunStoreError(f"{path}: was made by another version of storymem; move it elsewhere and resume")

    def _open(self, path: Path) -> sqlite3.Connection:
        with self._errors():
            connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY)
            try:
                connection.execute("PRAGMA journal_mode=WAL")
                # Everything here can be chosen again from the run store, so a lost last write costs little.
                connection.execute("PRAGMA synchronous=NORMAL")
                connection.execute("PRAGMA cache_size=-256")  # KiB; see the run store's schema
                if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                    connection.executescript(_SCHEMA)
            except SQL_ERRORS:
                connection.close()
                raise
        return connection

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
        whole = (owner, len(rows), row_sum(owner, len(rows)))
        with self._transaction():
            self._db.execute("INSERT OR REPLACE INTO owners VALUES (?, ?, ?)", whole)
            self._db.execute("DELETE FROM keyframes WHERE owner = ?", (owner,))
            summed = [(*row, row_sum(*row)) for row in rows]
            self._db.executemany("INSERT INTO keyframes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", summed)

    def of(self, owner: str) -> tuple[Keyframe, ...]:
        """Return an owner's keyframes.

        Raises:
            RunStoreError: They are not what was kept.
        """
        whole = self._rows("SELECT owner, count, sum FROM owners WHERE owner = ?", owner)
        rows = self._rows(f"SELECT {_COLUMNS} FROM keyframes WHERE owner = ? ORDER BY ordinal", owner)
        if (whole or rows) and not _intact(whole, rows):
            raise RunStoreError(
                f"{self._folder / FILE}: the keyframes of {owner[:12]}... are damaged; storymem repair {self._folder} "
                "lets them be chosen again"
            )
        return tuple(map(self._keyframe, rows))

    def _keyframe(self, row: Sequence[Any]) -> Keyframe:
        _, _, id_, shot, position, frame, digest, entities, scores, _ = row
        file = FileRef(picture_path(self._folder, digest), digest) if digest else None
        return Keyframe(id_, shot, position, frame, tuple(json.loads(entities)), json.loads(scores), file)

    def owners(self) -> frozenset[str]:
        """Return all owners whose keyframes are what was kept."""
        return frozenset(owner for owner, intact in self._owners() if intact)

    def _owners(self) -> Iterator[tuple[str, bool]]:
        """Yield every owner, and whether its keyframes are what was kept."""
        ordered = self._rows(f"SELECT {_COLUMNS} FROM keyframes ORDER BY owner, ordinal")
        keyframes = {owner: list(rows) for owner, rows in groupby(ordered, itemgetter(0))}
        wholes = {row[0]: [row] for row in self._rows("SELECT owner, count, sum FROM owners")}
        for owner in keyframes.keys() | wholes.keys():
            yield owner, _intact(wholes.get(owner, []), keyframes.get(owner, []))

    def discard_damaged(self) -> tuple[str, ...]:
        """Remove damaged rows and say of what they were; their owners are unknown and their embeddings missing then.

        Raises:
            DamagedDatabase: Pages are damaged, not rows alone.
        """
        problems = self._rows("PRAGMA integrity_check(1)")
        if problems != [("ok",)]:  # rows out of their order cannot be found, and so not removed
            why = " ".join(str(problems[0][0]).split())
            raise DamagedDatabase(f"{self._folder / FILE}: cannot be used: {why}; storymem repair {self._folder}")
        owners = sorted(owner for owner, intact in self._owners() if not intact)
        rows = self._rows("SELECT encoder, id, vector, sum FROM embeddings")
        vectors = [(row[0], row[1]) for row in rows if not _vector_intact(row)]
        with self._transaction():
            for table in ("owners", "keyframes"):
                same = f"DELETE FROM {table} WHERE owner = CAST(? AS TEXT)"
                self._db.executemany(same, [(_bytes(owner),) for owner in owners])
            same = "DELETE FROM embeddings WHERE encoder = CAST(? AS TEXT) AND id = CAST(? AS TEXT)"
            self._db.executemany(same, [(_bytes(encoder), _bytes(id_)) for encoder, id_ in vectors])
        self._matrices.clear()
        return (*(f"keyframes of {o[:12]}..." for o in owners), *(f"embedding of {id_[:12]}..." for _, id_ in vectors))

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
        check_finite(vectors)
        rows = [(encoder, id_, np.asarray(vector, dtype="<f4").tobytes()) for id_, vector in vectors.items()]
        with self._transaction():
            summed = [(*row, row_sum(*row)) for row in rows]
            self._db.executemany("INSERT OR REPLACE INTO embeddings VALUES (?, ?, ?, ?)", summed)
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
            found = self._rows("SELECT encoder, id, vector, sum FROM embeddings WHERE encoder = ?", encoder)
            rows = [row for row in found if _vector_intact(row)]  # a damaged one counts as missing
            joined = np.frombuffer(bytearray().join(vector for _, _, vector, _ in rows), dtype="<f4")
            vectors = joined.reshape(len(rows), -1) if rows else np.empty((0, 0), dtype=np.float32)
            self._matrices[encoder] = EmbeddingMatrix([id_ for _, id_, _, _ in rows], vectors)
        return self._matrices[encoder]

    def _dimension(self, encoder: str) -> int | None:
        query = "SELECT encoder, id, vector, sum FROM embeddings WHERE encoder = ?"
        with self._errors():
            row = next(filter(_vector_intact, patiently(self._db, self._folder / FILE, query, (encoder,))), None)
        return len(row[2]) // 4 if row else None

    def _rows(self, query: str, *args: str) -> list[Any]:
        with self._errors():
            return patiently(self._db, self._folder / FILE, query, args).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """One transaction, rolled back on an error."""
        path = self._folder / FILE
        try:
            patiently(self._db, path, "BEGIN IMMEDIATE")
            with self._db:
                yield
        except sqlite3.Error as error:
            raise sqlite_error(error, path) from error

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except SQL_ERRORS as error:
            raise read_error(error, self._folder / FILE) from error


def _intact(whole: Sequence[Sequence[Any]], rows: Sequence[Sequence[Any]]) -> bool:
    """Whether an owner's row and its keyframes' rows, each with its checksum last, are what was kept."""
    return bool(whole) and whole[0][1] == len(rows) and all(row_sum(*row[:-1]) == row[-1] for row in (*whole, *rows))


def _vector_intact(row: Sequence[Any]) -> bool:
    return row_sum(*row[:-1]) == int(row[-1])


def _bytes(text: str) -> bytes:
    """Return text as it is in the file; damaged text need not be text."""
    return text.encode("utf-8", "surrogateescape")
