"""The contract of image-text encoders."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray

from storymem.interfaces import ImageTextEncoder
from storymem.testing.contract import PluginContract, examples, not_given
from storymem.testing.strategies import frames
from storymem.values.clip import Frames


class EncoderContract(PluginContract):
    """Subclass it and override :meth:`encoder`.

    Attributes:
        tolerance: Largest difference between embedding in a batch and one by one.
    """

    tolerance: float = 1e-4

    @pytest.fixture
    def encoder(self) -> ImageTextEncoder[Any]:
        """Return the encoder under test."""
        not_given(self, "encoder")

    def test_has_a_fingerprint(self, encoder: ImageTextEncoder[Any]) -> None:
        self.check_plugin(encoder)

    @settings(examples, max_examples=8)
    @given(pictures=frames(count=3))
    def test_pictures_become_unit_rows_in_any_batch(self, encoder: ImageTextEncoder[Any], pictures: Frames) -> None:
        before = pictures.copy()
        together = encoder.encode_images(pictures)
        self._check(together, 3, encoder.dimension)
        alone = np.concatenate([encoder.encode_images(picture[None]) for picture in pictures])
        assert np.abs(together - alone).max() <= self.tolerance, "batching changes embeddings"
        assert np.array_equal(before, pictures), "the encoder changed its input"

    def test_texts_become_unit_rows_in_any_batch(self, encoder: ImageTextEncoder[Any]) -> None:
        texts = ["a red kite", "a quiet harbour in the evening, two boats", "x"]
        together = encoder.encode_texts(texts)
        self._check(together, 3, encoder.dimension)
        alone = np.concatenate([encoder.encode_texts([text]) for text in texts])
        assert np.abs(together - alone).max() <= self.tolerance, "batching changes embeddings"

    def test_long_texts_are_embedded(self, encoder: ImageTextEncoder[Any]) -> None:
        self._check(encoder.encode_texts(["a kite over the sea " * 200]), 1, encoder.dimension)

    def _check(self, rows: NDArray[np.float32], count: int, dimension: int) -> None:
        assert rows.shape == (count, dimension), f"expected {(count, dimension)}, got {rows.shape}"
        assert rows.dtype == np.float32, f"expected float32, got {rows.dtype}"
        assert np.allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-3), "rows must have length 1"
