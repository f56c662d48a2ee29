"""Paired bootstrap intervals: how far a mean, or a difference of means, may move with other shots or stories.

What is drawn again and again is shots (or stories), not values: a value about two shots counts as often as both were
drawn, so that pairs which share a shot are not taken for independent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from storymem.interfaces import Measurement

DRAWS = 4000
LEVEL = 0.95
#: From so many stories on, stories are drawn; with fewer, shots.
LEAST_STORIES = 5


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and the range in which 95 % of the drawn means lie; equal to the mean where there is one unit."""

    mean: float
    low: float
    high: float
    units: int

    @property
    def is_noise(self) -> bool:
        """Whether a difference may as well be none."""
        return self.units < 2 or self.low <= 0 <= self.high


@dataclass(frozen=True, slots=True)
class Values:
    """Numbers and the units each depends on.

    Attributes:
        numbers: (n,).
        weights: How much each counts in the mean, (n,).
        units: For each number, the indices of its units; a unit that appears twice counts twice.
        count: How many units there are.
    """

    numbers: NDArray[np.float64]
    weights: NDArray[np.float64]
    units: tuple[tuple[int, ...], ...]
    count: int


def values_of(measurements: Sequence[Measurement], shots: Mapping[tuple[str, ...], tuple[str, ...]]) -> Values:
    """Return measurements as values that depend on shots, or on whatever else ``shots`` names for their subjects."""
    names = list(dict.fromkeys(unit for m in measurements for unit in shots[m.subject]))
    place = {name: index for index, name in enumerate(names)}
    units = tuple(tuple(place[unit] for unit in shots[m.subject]) for m in measurements)
    numbers = np.asarray([m.value for m in measurements], dtype=np.float64)
    return Values(numbers, np.asarray([m.samples for m in measurements], dtype=np.float64), units, len(names))


def interval(values: Values, draws: int = DRAWS, seed: int = 0) -> Interval:
    """Return the weighted mean of values and its interval; the same every time."""
    mean = float(np.average(values.numbers, weights=values.weights))
    units = min(values.count, len(values.numbers))  # a single pair depends on two shots and is still one value
    if units < 2:
        return Interval(mean, mean, mean, units)
    means = _drawn_means(values, draws, np.random.default_rng(seed))
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(mean, float(low), float(high), units)


def _drawn_means(values: Values, draws: int, generator: np.random.Generator) -> NDArray[np.float64]:
    most = max(map(len, values.units))
    # One more unit, drawn exactly once, fills up the rows of values that depend on fewer units.
    rows = np.asarray([[*units, *[values.count] * (most - len(units))] for units in values.units])
    found: list[float] = []
    for _ in range(draws):
        drawn = np.bincount(generator.integers(0, values.count, values.count), minlength=values.count + 1)
        drawn[-1] = 1
        weights = values.weights * drawn[rows].prod(axis=1)
        if weights.any():  # a draw may hold none of the pairs
            found.append(float(weights @ values.numbers / weights.sum()))
    return np.asarray(found)


def difference(first: Sequence[Measurement], second: Sequence[Measurement]) -> list[Measurement]:
    """Return second minus first for the subjects that both have, weighted by the lesser number of samples."""
    known = {m.subject: m for m in first}
    return [
        Measurement(m.scope, m.subject, m.value - known[m.subject].value, min(m.samples, known[m.subject].samples))
        for m in second
        if m.subject in known
    ]
