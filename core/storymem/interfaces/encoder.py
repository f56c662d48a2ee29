"""A model that puts pictures and sentences into one space, such as CLIP."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from storymem.interfaces.plugin import Plugin, SettingsT
from storymem.values.clip import Frames


class ImageTextEncoder(Plugin[SettingsT]):
    """Embeds pictures and sentences so that a dot product is their cosine.

    Its fingerprint must cover the weights: stored embeddings are looked up by it.
    """

    @property
    @abstractmethod
    def dimension(self) -> int:
        """Length D of every embedding."""

    @abstractmethod
    def encode_images(self, frames: Frames) -> NDArray[np.float32]:
        """Embed uint8 RGB (N, H, W, 3) as float32 (N, D) with rows of length 1."""

    @abstractmethod
    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed N sentences as float32 (N, D) with rows of length 1."""
