"""Models that look at pictures and clips: embeddings, scores, boxes.

All are plugins of the kind ``encoder``. A run's own encoder is an :class:`ImageTextEncoder`; the others serve the
metrics of ``storymem evaluate``.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from storymem.interfaces.plugin import Plugin, SettingsT
from storymem.values.clip import Frames


class Encoder(Plugin[SettingsT]):
    """Base of all models that look at pictures.

    Its fingerprint must cover the weights and the preprocessing: what it computed is stored and looked up by it.
    """

    def weights(self) -> Mapping[str, str]:
        """Return the SHA-256 (hex) of what the model was loaded from, by file or folder name; loads no model."""
        return {}


class ImageEncoder(Encoder[SettingsT]):
    """Embeds pictures so that a dot product is their cosine."""

    @property
    @abstractmethod
    def dimension(self) -> int:
        """Length D of every embedding."""

    @abstractmethod
    def encode_images(self, frames: Frames) -> NDArray[np.float32]:
        """Embed uint8 RGB (N, H, W, 3) as float32 (N, D) with rows of length 1."""


class ImageTextEncoder(ImageEncoder[SettingsT]):
    """A model that puts pictures and sentences into one space, such as CLIP."""

    @abstractmethod
    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed N sentences as float32 (N, D) with rows of length 1."""


class VideoTextEncoder(Encoder[SettingsT]):
    """A model that puts clips and sentences into one space, such as ViCLIP."""

    #: How many frames of a clip the model sees.
    clip_frames: int = 8

    @abstractmethod
    def encode_clip(self, frames: Frames) -> NDArray[np.float32]:
        """Embed exactly :attr:`clip_frames` frames, uint8 RGB (T, H, W, 3), as one float32 (D,) of length 1."""

    @abstractmethod
    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed N sentences as float32 (N, D) with rows of length 1."""


class ImageScorer(Encoder[SettingsT]):
    """Gives each picture one number, such as its technical quality."""

    @abstractmethod
    def score_images(self, frames: Frames) -> NDArray[np.float64]:
        """Score uint8 RGB (N, H, W, 3) as (N,); the class says in which range and direction."""


class MotionEstimator(Encoder[SettingsT]):
    """Says how far things move from one picture to the next, such as RAFT."""

    @abstractmethod
    def motion(self, first: Frames, second: Frames) -> float:
        """Return the mean flow, in pixels, of the twentieth that moves most; two uint8 RGB (H, W, 3) of one size."""


class EmbeddingScorer(Encoder[SettingsT]):
    """Gives each embedding of one certain encoder one number, such as a LAION aesthetic head."""

    @abstractmethod
    def score_embeddings(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Score unit embeddings (N, D) as (N,).

        Raises:
            SettingsError: The embeddings are not of the encoder it was trained for.
        """


class ImageTextScorer(Encoder[SettingsT]):
    """Says how well a picture shows what a text describes, such as a vision-language judge."""

    @abstractmethod
    def agreement(self, frame: Frames, text: str) -> float:
        """Return 0 (something else) to 1 (exactly that) for uint8 RGB (H, W, 3) and a description."""


@dataclass(frozen=True, slots=True)
class Box:
    """Something found in a picture.

    Attributes:
        left: Pixels, 0 at the left border; may lie outside the picture.
        top: Pixels, 0 at the upper border.
        right: Pixels, exclusive.
        bottom: Pixels, exclusive.
        confidence: 0..1.
    """

    left: float
    top: float
    right: float
    bottom: float
    confidence: float


class Detector(Encoder[SettingsT]):
    """Finds what a phrase names, such as GroundingDINO."""

    @abstractmethod
    def detect(self, frame: Frames, phrase: str, threshold: float) -> list[Box]:
        """Return the boxes in uint8 RGB (H, W, 3) with a confidence above ``threshold``, best first."""


class FaceEncoder(Encoder[SettingsT]):
    """Finds faces and embeds each so that a dot product is their cosine."""

    @abstractmethod
    def faces(self, frame: Frames) -> list[tuple[Box, NDArray[np.float32]]]:
        """Return each face of uint8 RGB (H, W, 3) with its unit embedding (D,), the most confident first."""
