"""What suites share: means over shots, pairs and gaps, chains of shots, and common readers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storymem.errors import MediaError, ScriptError
from storymem.interfaces import FeatureSource, Film, FinishedShot, Measurement, Scope
from storymem.interfaces.metric import Reader
from storymem.values.storyboard import BoardShot, Storyboard
from storymem_plugins.metrics.formulas import gap_label, middle_frames


def at_least(shot: FinishedShot, count: int) -> None:
    """Raise :class:`MediaError` for a clip of fewer than ``count`` frames."""
    if len(shot.clip) < count:
        raise MediaError(f"its clip has {len(shot.clip)} frames; {count} are needed")


def shot_means(values: Mapping[str, float]) -> Iterator[Measurement]:
    """Yield each shot's value and their mean, which every shot counts in alike."""
    if values:
        yield Measurement(Scope.FILM, (), float(np.mean(list(values.values()))), len(values))
    for shot, value in values.items():
        yield Measurement(Scope.SHOT, (shot,), value)


def pooled_means(values: Mapping[str, NDArray[np.float64]]) -> Iterator[Measurement]:
    """Yield each shot's mean, and the mean of all numbers, in which longer shots count more."""
    every = np.concatenate(list(values.values())) if values else np.zeros(0)
    if len(every):
        yield Measurement(Scope.FILM, (), float(every.mean()), len(every))
    for shot, numbers in values.items():
        yield Measurement(Scope.SHOT, (shot,), float(numbers.mean()), len(numbers))


def pair_means(values: Mapping[tuple[str, str], float]) -> Iterator[Measurement]:
    """Yield each pair's value and their mean."""
    if values:
        yield Measurement(Scope.FILM, (), float(np.mean(list(values.values()))), len(values))
    for pair, value in values.items():
        yield Measurement(Scope.PAIR, pair, value)


def gap_means(values: Iterable[tuple[int, float]]) -> Iterator[Measurement]:
    """Yield the mean of (gap, value) pairs by bucket, short gaps first."""
    buckets: dict[str, list[float]] = {}
    for gap, value in sorted(values):
        buckets.setdefault(gap_label(gap), []).append(value)
    for label, found in buckets.items():
        yield Measurement(Scope.GAP, (label,), float(np.mean(found)), len(found))


def continuations(board: Storyboard) -> list[tuple[BoardShot, BoardShot]]:
    """Return the pairs of neighbouring shots without a cut between them."""
    return [(a, b) for a, b in pairwise(board.shots) if not b.cut]


def chains(board: Storyboard) -> list[list[BoardShot]]:
    """Return the rows of two shots and more that continue each other without a cut."""
    rows: list[list[BoardShot]] = []
    for shot in board:
        if shot.cut or not rows:
            rows.append([])
        rows[-1].append(shot)
    return [row for row in rows if len(row) > 1]


def prompts_of(film: Film) -> dict[str, str]:
    """Return the prompts of the shots that were read, as the script has them.

    Raises:
        ScriptError: The film came without a script.
    """
    if not film.has_script:
        raise ScriptError("the film came without a script, so that there is nothing to compare it with")
    return {shot.id: shot.shot.prompt for shot in film.board if shot.id in film.read}


def clip_reader(role: str) -> Reader:
    """Return a reader of a shot's clip embedding: the middles of equal stretches, as many as the model sees."""

    def read(shot: FinishedShot, board: Storyboard, features: FeatureSource) -> NDArray[np.float32]:
        indices = middle_frames(len(shot.clip), features.clip_frames(role))
        return features.clip(role, shot.clip.frames[indices])

    return read


def image_reader(role: str, least: int = 1) -> Reader:
    """Return a reader of the embeddings of all frames, (T, D), of clips with at least ``least``."""

    def read(shot: FinishedShot, board: Storyboard, features: FeatureSource) -> NDArray[np.float32]:
        at_least(shot, least)
        return features.images(role, shot.clip.frames)

    return read


def agreement_with_prompts(role: str, prompts: Callable[[Film], Mapping[str, str]]) -> Callable[[Film], Any]:
    """Return a measure: the cosine of each shot's clip embedding with its prompt, and their mean."""

    def measure(film: Film) -> Iterator[Measurement]:
        texts = prompts(film)
        rows = film.features.texts(role, list(texts.values())).astype(np.float64)
        values = {shot: float(film.read[shot] @ row) for shot, row in zip(texts, rows, strict=True)}
        yield from shot_means(values)

    return measure


def stacked(film: Film, shots: Sequence[str]) -> NDArray[np.float64]:
    """Return what was read of some shots as rows, (n, D)."""
    return np.stack([film.read[shot] for shot in shots]).astype(np.float64)
