"""The embeddings of one encoder in memory, and exact nearest neighbours. Knows neither files nor keyframes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence, Set

import numpy as np
from numpy.typing import NDArray

from storymem.errors import SettingsError


class EmbeddingMatrix:
    """Unit vectors by keyframe id, as one matrix that grows in place: 100,000 of 512 numbers are 200 MB.

    Args:
        ids: Keyframe ids.
        vectors: Their embeddings, float32 (n, D); taken over and written to.
    """

    def __init__(self, ids: Sequence[str], vectors: NDArray[np.float32]) -> None:
        self._ids = list(ids)
        self._rows = {id_: row for row, id_ in enumerate(self._ids)}
        self._vectors = vectors

    def put(self, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        """Add vectors (D,), or replace the ones of known ids."""
        for id_, vector in vectors.items():
            if id_ not in self._rows:
                self._rows[id_] = len(self._ids)
                self._ids.append(id_)
                self._make_room(len(vector))
            self._vectors[self._rows[id_]] = vector

    def get(self, ids: Iterable[str]) -> dict[str, NDArray[np.float32]]:
        """Return copies of the vectors among ``ids``; a missing one is left out."""
        found = [id_ for id_ in dict.fromkeys(ids) if id_ in self._rows]
        return dict(zip(found, self._vectors[[self._rows[id_] for id_ in found]], strict=True)) if found else {}

    def nearest(
        self, vector: NDArray[np.float32], count: int, within: Collection[str] | None = None
    ) -> list[tuple[str, float]]:
        """Return up to ``count`` (id, cosine), best first, ties by id; only among ``within`` if given."""
        rows = self._rows_of(within)
        if count < 1 or not len(rows):
            return []
        # Not `@`: matrix libraries share this one small product among threads, and on a busy machine waiting for
        # them takes a hundred times as long as the product.
        scores = np.einsum("ij,j->i", self._vectors[: len(self._ids)], np.asarray(vector, dtype=np.float32))[rows]
        # Enough of the best for ties at the edge to be settled by id, then an exact order.
        edge = np.partition(scores, -min(count, len(scores)))[-min(count, len(scores))]
        best = [(self._ids[rows[i]], float(scores[i])) for i in np.flatnonzero(scores >= edge)]
        return sorted(best, key=lambda pair: (-pair[1], pair[0]))[:count]

    def _rows_of(self, within: Collection[str] | None) -> NDArray[np.int64]:
        if within is None:
            return np.arange(len(self._ids))
        wanted = within if isinstance(within, Set) else set(within)
        if len(wanted) * 4 < len(self._ids):
            return np.asarray([self._rows[id_] for id_ in wanted if id_ in self._rows], dtype=np.int64)
        # Asked in the order of the rows, which lie beside each other in memory: twice as quick for many.
        return np.flatnonzero(np.fromiter(map(wanted.__contains__, self._ids), dtype=bool, count=len(self._ids)))

    def _make_room(self, dimension: int) -> None:
        if len(self._ids) <= len(self._vectors):
            return
        # Doubled, so that adding one by one copies each row twice on average and not once per addition.
        larger = np.empty((max(64, 2 * len(self._vectors)), dimension), dtype=np.float32)
        larger[: len(self._vectors)] = self._vectors if len(self._vectors) else 0
        self._vectors = larger


def check_dimension(expected: int | None, dimensions: Collection[int]) -> None:
    """Compare the lengths of embeddings with the stored ones; with each other if none are stored.

    Raises:
        SettingsError: They differ.
    """
    needed = min(dimensions) if expected is None else expected
    if set(dimensions) != {needed}:
        raise SettingsError(
            f"encoder: gives {', '.join(map(str, sorted(dimensions)))} numbers a picture, "
            f"the store has {needed}; use the encoder this run was made with, or another run folder"
        )


def check_finite(vectors: Mapping[str, NDArray[np.float32]]) -> None:
    """Raise :class:`SettingsError` if an embedding has NaN or infinite numbers: it would be near to everything."""
    for id_, vector in vectors.items():
        if not np.isfinite(vector).all():
            raise SettingsError(f"encoder: gives NaN or infinite numbers for picture {id_[:12]}...")
