"""A local plugin file: filters, an encoder and a metric whose answers a test can foresee."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from storymem.errors import MediaError
from storymem.interfaces import (
    ClipContext,
    FilmView,
    FrameFilter,
    ImageTextEncoder,
    Metric,
    NotInFingerprint,
    PluginSettings,
    Verdict,
)
from storymem.plugin import Register, hookimpl
from storymem.values.clip import Frames

#: What every judgement is told to, set by a test.
ON_JUDGE: list[Callable[[], None]] = []


class LuckSettings(PluginSettings):
    """Settings of :class:`Luck`.

    Attributes:
        threshold: Least score.
        fault: What goes wrong: ``raise`` or ``refuse``.
    """

    threshold: float = 0.5
    fault: Annotated[str, NotInFingerprint()] = ""


class Luck(FrameFilter[LuckSettings]):
    """Scores a frame by :func:`luck`, as good as random, the same for equal pixels."""

    def judge(self, indices: Sequence[int], context: ClipContext) -> list[Verdict]:
        for told in ON_JUDGE:
            told()
        if self.settings.fault == "raise":
            raise RuntimeError("no memory left")
        if self.settings.fault == "refuse":
            raise MediaError("head.bin: cannot be read")
        needed = self.settings.threshold
        scores = [luck(context.clip.frames[index]) for index in indices]
        return [Verdict(score >= needed, score, needed, "" if score >= needed else "unlucky") for score in scores]


def luck(frame: Frames) -> float:
    """Return a number of 0..1 that depends on the pixels alone."""
    return hashlib.sha256(frame.tobytes()).digest()[0] / 255


class Tinted(FrameFilter):
    """Keeps frames whose embedding's first number is positive, which all are; needs an encoder."""

    needs_encoder = True

    def judge(self, indices: Sequence[int], context: ClipContext) -> list[Verdict]:
        scores = context.embeddings[list(indices), 0]
        return [Verdict(bool(score > 0), float(score), 0.0) for score in scores]


class Colours(ImageTextEncoder):
    """Mean colours, of length 1."""

    @property
    def dimension(self) -> int:
        return 3

    def encode_images(self, frames: Frames) -> NDArray[np.float32]:
        means = frames.mean(axis=(1, 2), dtype=np.float32) + 1
        return np.asarray(means / np.linalg.norm(means, axis=1, keepdims=True), dtype=np.float32)

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.full((len(texts), 3), 3**-0.5, dtype=np.float32)


class Looks(Metric):
    """Frames in the film, mean of each shot, and what the shots recalled."""

    closed = 0

    def measure(self, film: FilmView) -> Mapping[str, float]:
        found: dict[str, float] = {"shots": len(film.board)}
        for finished in film.shots():
            shot = finished.shot.id
            found[f"{shot}.frames"] = len(finished.clip)
            found[f"{shot}.mean"] = float(finished.clip.frames.mean())
            found[f"{shot}.recalled"] = len(finished.recalled)
            # Reading a keyframe checks that its file holds the recorded picture.
            found[f"{shot}.references"] = sum(k.is_reference and k.load().size > 0 for k in finished.recalled)
            found[f"{shot}.from_first"] = sum(k.shot == "1.1" and k.load().size > 0 for k in finished.recalled)
        return found

    def close(self) -> None:
        type(self).closed += 1


@hookimpl
def storymem_frame_filters(register: Register) -> None:
    register("luck", Luck)
    register("tinted", Tinted)


@hookimpl
def storymem_encoders(register: Register) -> None:
    register("colours", Colours)


@hookimpl
def storymem_metrics(register: Register) -> None:
    register("looks", Looks)
