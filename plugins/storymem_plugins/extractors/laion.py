"""LAION's aesthetic heads on CLIP embeddings."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from storymem.errors import SettingsError
from storymem.interfaces import EmbeddingScorer
from storymem_plugins.extractors.settings import HeadSettings
from storymem_plugins.selection.heads import read_head


class LaionHead(EmbeddingScorer[HeadSettings]):
    """An aesthetic head, linear or a chain of linear layers; scores are usually 1..10, higher is better."""

    def __init__(self, settings: HeadSettings) -> None:
        super().__init__(settings)
        self._head = read_head(settings.head)
        self._hash = hashlib.sha256(settings.head.read_bytes()).hexdigest()

    def fingerprint(self) -> str:
        """See :meth:`Plugin.fingerprint`."""
        return f"laion_head/{self.version}/{self._hash}"

    def weights(self) -> Mapping[str, str]:
        """See :meth:`Encoder.weights`."""
        return {self.settings.head.name: self._hash}

    def score_embeddings(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """See :meth:`EmbeddingScorer.score_embeddings`."""
        if rows.shape[1] != len(self._head.weight):
            raise SettingsError(
                f"laion_head: {self.settings.head} takes embeddings of {len(self._head.weight)} numbers, not "
                f"{rows.shape[1]}; use the encoder it was trained for"
            )
        return self._head(rows)
