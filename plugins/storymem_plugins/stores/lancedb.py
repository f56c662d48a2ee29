"""Keyframes and embeddings as Lance tables beside the run, for asset libraries that other tools read too.

Nearest neighbours are exact and the same as the sqlite store's; knows no approximate index.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import lancedb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from storymem.errors import RunStoreError
from storymem.interfaces import Keyframe, MemoryStore
from storymem.interfaces.memory import picture_path
from storymem.values.files import FileRef
from storymem_plugins.stores.matrix import EmbeddingMatrix, check_dimension, check_finite

FOLDER = "memory.lancedb"
#: Every addition is a file of its own; more of them than this are merged when the store is closed.
_MOST_FRAGMENTS = 32
#: Older versions of a table are removed when it is merged; younger ones may still be read by another program.
_KEPT = timedelta(hours=1)
#: Ids in one condition; longer ones take longer to parse than several short ones.
_BATCH = 1000
_OWNERS = pa.schema([("owner", pa.string()), ("ids", pa.list_(pa.string())), ("keyframes", pa.string())])


class LanceStore(MemoryStore):
    """Keep keyframes and embeddings in ``memory.lancedb``: a table of owners, and one of vectors per encoder.

    The embeddings of an encoder are read once, when they are first asked for, and kept as one matrix. A process
    killed within :meth:`forget` may leave embeddings that nobody needs; the next call removes them.
    """

    def open(self, folder: Path, write: bool = True) -> None:
        """Open ``memory.lancedb`` in ``folder``, or create it; where nothing may be written, a new one is temporary."""
        self.close()
        self._folder = folder
        self._tables: dict[str, Any] = {}
        self._matrices: dict[str, EmbeddingMatrix] = {}
        self._wrote = False
        # The library always opens for writing; a table in memory keeps a folder without one as it is.
        there = write or (folder / FOLDER).is_dir()
        with self._errors():
            self._db = lancedb.connect(str(folder / FOLDER) if there else "memory://")
            self._owners = self._db.create_table("owners", schema=_OWNERS, exist_ok=True)
            for path in (folder / FOLDER).glob("vectors_*.lance"):
                self._tables[path.stem] = self._db.open_table(path.stem)

    def close(self) -> None:
        """Merge what was written piece by piece."""
        if not hasattr(self, "_db"):
            return
        with self._errors():
            for table in (self._owners, *self._tables.values()) if self._wrote else ():
                if table.stats()["fragment_stats"]["num_fragments"] > _MOST_FRAGMENTS:
                    table.optimize(cleanup_older_than=_KEPT)
        del self._db, self._owners
        self._tables, self._matrices = {}, {}

    def add(self, owner: str, keyframes: Sequence[Keyframe]) -> None:
        """Keep an owner's keyframes, in one row, so that replacing them is one step."""
        row = {"owner": owner, "ids": [k.id for k in keyframes], "keyframes": self._dump(keyframes)}
        self._wrote = True
        with self._errors():
            merge = self._owners.merge_insert("owner").when_matched_update_all().when_not_matched_insert_all()
            merge.execute(pa.Table.from_pylist([row], schema=_OWNERS))

    def of(self, owner: str) -> tuple[Keyframe, ...]:
        """Return an owner's keyframes."""
        with self._errors():
            found = self._owners.search().where(f"owner = {_quoted(owner)}").select(["keyframes"]).limit(1).to_list()
        return self._load(found[0]["keyframes"]) if found else ()

    def owners(self) -> frozenset[str]:
        """Return all owners."""
        with self._errors():
            return frozenset(self._owners.to_arrow().column("owner").to_pylist())

    def forget(self, owners: Collection[str]) -> None:
        """Remove owners, and the embeddings nobody needs any more."""
        with self._errors():
            _delete(self._owners, "owner", owners)
            needed = {id_ for ids in self._owners.to_arrow().column("ids").to_pylist() for id_ in ids}
            for table in self._tables.values():
                _delete(table, "id", set(table.to_arrow().column("id").to_pylist()) - needed)
        self._matrices.clear()

    def put_embeddings(self, encoder: str, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        """Keep embeddings."""
        if not vectors:
            return
        check_dimension(self._dimension(encoder), {len(vector) for vector in vectors.values()})
        check_finite(vectors)
        rows, matrix, table = _arrow(vectors), self._matrix(encoder), self._tables.get(_name(encoder))
        self._wrote = True
        with self._errors():
            if table is None:
                self._tables[_name(encoder)] = self._db.create_table(_name(encoder), data=rows)
            elif matrix.get(vectors):
                table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all().execute(rows)
            else:
                table.add(rows)  # ten times as quick as merging
        matrix.put(vectors)

    def embeddings(self, encoder: str, ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Return the stored embeddings among ``ids``."""
        return self._matrix(encoder).get(ids)

    def nearest(
        self, encoder: str, vector: NDArray[np.float32], count: int, within: Collection[str] | None = None
    ) -> list[tuple[str, float]]:
        """Return the nearest keyframes by cosine, compared with all of them.

        Raises:
            SettingsError: ``vector`` is not of the stored dimension.
        """
        check_dimension(self._dimension(encoder), {len(vector)})
        return self._matrix(encoder).nearest(vector, count, within)

    def _matrix(self, encoder: str) -> EmbeddingMatrix:
        if encoder not in self._matrices:
            table = self._tables.get(_name(encoder))
            with self._errors():
                self._matrices[encoder] = _no_vectors() if table is None else _vectors_of(table)
        return self._matrices[encoder]

    def _dimension(self, encoder: str) -> int | None:
        table = self._tables.get(_name(encoder))
        return None if table is None else int(table.schema.field("vector").type.list_size)

    def _dump(self, keyframes: Sequence[Keyframe]) -> str:
        return json.dumps(
            [
                [k.id, k.shot, k.position, k.frame, k.file.digest if k.file else "", list(k.entities), dict(k.scores)]
                for k in keyframes
            ]
        )

    def _load(self, text: str) -> tuple[Keyframe, ...]:
        return tuple(
            Keyframe(id_, shot, position, frame, tuple(entities), scores, self._file(digest))
            for id_, shot, position, frame, digest, entities, scores in json.loads(text)
        )

    def _file(self, digest: str) -> FileRef | None:
        return FileRef(picture_path(self._folder, digest), digest) if digest else None

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn the library's errors, which have many lines, into one that names the folder."""
        try:
            yield
        except (OSError, RuntimeError, ValueError) as error:
            message = " ".join(str(error).split())[:300]
            raise RunStoreError(f"{self._folder / FOLDER}: cannot be used: {message}") from error


def _name(encoder: str) -> str:
    """Return the table of an encoder; fingerprints hold characters that names must not."""
    return f"vectors_{hashlib.sha256(encoder.encode()).hexdigest()[:32]}"


def _no_vectors() -> EmbeddingMatrix:
    return EmbeddingMatrix([], np.empty((0, 0), dtype=np.float32))


def _vectors_of(table: Any) -> EmbeddingMatrix:
    stored = table.to_arrow()
    if not len(stored):
        return _no_vectors()
    flat = np.concatenate([chunk.flatten().to_numpy() for chunk in stored.column("vector").chunks])
    return EmbeddingMatrix(stored.column("id").to_pylist(), flat.reshape(len(stored), -1))


def _arrow(vectors: Mapping[str, NDArray[np.float32]]) -> Any:
    flat = np.concatenate([np.asarray(vector, dtype=np.float32) for vector in vectors.values()])
    column = pa.FixedSizeListArray.from_arrays(pa.array(flat), len(flat) // len(vectors))
    return pa.table({"id": pa.array(list(vectors), pa.string()), "vector": column})


def _delete(table: Any, column: str, values: Collection[str]) -> None:
    listed = sorted(values)
    for start in range(0, len(listed), _BATCH):
        table.delete(f"{column} IN ({', '.join(map(_quoted, listed[start : start + _BATCH]))})")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
