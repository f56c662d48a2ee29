"""Colour drift and seams of any film, without any model: the users' first complaint as numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from storymem.errors import ScriptError
from storymem.interfaces import Column, FeatureSource, Film, FinishedShot, Measurement, MetricSuite, Scope
from storymem.values.clip import Frames
from storymem.values.storyboard import BoardShot, Storyboard
from storymem_plugins.metrics.formulas import decibels
from storymem_plugins.metrics.measuring import chains, continuations, pair_means

STATISTICS = ("red_mean", "green_mean", "blue_mean", "red_deviation", "green_deviation", "blue_deviation")


@dataclass(frozen=True, slots=True)
class ShotColours:
    """What is kept of a shot: mean and deviation of each channel, (6,), and its outermost frames."""

    statistics: NDArray[np.float64]
    first: Frames
    last: Frames


def read_colours(shot: FinishedShot, board: Storyboard, features: FeatureSource) -> ShotColours:
    """Read one shot; uses no model."""
    pixels = shot.clip.frames.reshape(-1, 3)
    statistics = np.concatenate([pixels.mean(axis=0, dtype=np.float64), pixels.std(axis=0, dtype=np.float64)])
    return ShotColours(statistics, shot.clip.frames[0].copy(), shot.clip.frames[-1].copy())


def changes(film: Film) -> dict[tuple[str, str], NDArray[np.float64]]:
    """Return the relative change of the six statistics over each chain whose ends were read.

    Raises:
        ScriptError: The film has no chain.
    """
    rows = [row for row in chains(film.board) if row[0].id in film.read and row[-1].id in film.read]
    if not rows:
        raise ScriptError("no two shots continue each other without a cut, so that there is nothing to drift")
    return {(row[0].id, row[-1].id): _change(film, row) for row in rows}


def _change(film: Film, row: Sequence[BoardShot]) -> NDArray[np.float64]:
    first, last = (film.read[shot.id].statistics for shot in (row[0], row[-1]))
    with np.errstate(divide="ignore", invalid="ignore"):  # a black chain has no relative change: it is left out
        return np.asarray(last / first - 1)


def _statistic(index: int) -> Callable[[Film], Iterator[Measurement]]:
    def measure(film: Film) -> Iterator[Measurement]:
        found = {chain: float(change[index]) for chain, change in changes(film).items()}
        finite = [value for value in found.values() if np.isfinite(value)]
        if finite:
            yield Measurement(Scope.FILM, (), float(np.mean(finite)), len(finite))
        for chain, value in found.items():
            yield Measurement(Scope.CHAIN, chain, value)

    return measure


def _largest_change(film: Film) -> Iterator[Measurement]:
    found = {chain: float(np.abs(change).max()) for chain, change in changes(film).items()}
    yield Measurement(Scope.FILM, (), float(np.mean(list(found.values()))), len(found))
    for chain, value in found.items():
        yield Measurement(Scope.CHAIN, chain, value)


def _drift(film: Film) -> Iterator[Measurement]:
    every = np.stack(list(changes(film).values()))
    yield Measurement(Scope.FILM, (), float(np.abs(every.mean(axis=0)).max()), len(every))


def _seams(film: Film) -> Iterator[Measurement]:
    found: dict[tuple[str, str], float] = {}
    for before, after in continuations(film.board):
        if before.id in film.read and after.id in film.read:
            first, second = film.read[before.id].last, film.read[after.id].first
            found[before.id, after.id] = decibels(first, second) if first.shape == second.shape else float("nan")
    if not found:
        raise ScriptError("no shot continues the one before it without a cut, so that there is no seam")
    yield from pair_means(found)


class ColourSuite(MetricSuite):
    """Colour drift along chains of shots without cuts, and how well the frames at their seams fit.

    ``red_mean`` to ``blue_deviation``: relative change from the first clip of a chain to its last, 0 is none.
    ``colour_change``: the largest of the six a chain, averaged over chains. ``colour_drift``: the largest of the six
    averages over chains, so that what moves chains this way and that cancels out. ``seam``: peak signal-to-noise ratio
    in dB (at most 100) of a shot's last frame and the next one's first, where there is no cut.
    """

    def columns(self) -> Sequence[Column]:
        """See :meth:`MetricSuite.columns`."""
        whole, source = "all frames of the first and the last shot of a chain", "this project"
        single = [
            Column(name, "neither", whole, source, read_colours, _statistic(i), reimplementation=False)
            for i, name in enumerate(STATISTICS)
        ]
        return [
            *single,
            Column("colour_change", "lower", whole, source, read_colours, _largest_change, reimplementation=False),
            Column("colour_drift", "lower", whole, source, read_colours, _drift, reimplementation=False),
            Column("seam", "higher", "the last frame and the next shot's first", source, read_colours, _seams,
                   reimplementation=False, note="dB"),
        ]  # fmt: skip
