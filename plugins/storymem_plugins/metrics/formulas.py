"""The formulas, on arrays alone. Every embedding is a row of length 1, so that a dot product is a cosine."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from storymem.values.clip import Frames

Rows = NDArray[np.float32] | NDArray[np.float64]
#: Recurrence gaps as EntityBench's schedules are counted: shots from one appearance to another.
GAPS = ((1, 1), (2, 3), (4, 7), (8, 15), (16, None))
#: Equal frames have no error; their ratio is given as this many decibels.
MOST_DECIBELS = 100.0


def middle_frames(total: int, count: int) -> list[int]:
    """Return the middles of ``count`` equal stretches; the last is repeated where there are fewer frames."""
    bounds = np.linspace(0, total, min(count, total) + 1).astype(int)
    middles = [int(a + b - 1) // 2 for a, b in pairwise(bounds)]
    return middles + [middles[-1]] * (count - len(middles))


def spread_frames(total: int, count: int) -> list[int]:
    """Return ``count`` frames from the second on, ``max(1, (total - 3) / (count - 1))`` apart, rounded down."""
    step = max(1.0, (total - 3) / (count - 1))
    return [min(int(1 + i * step), total - 1) for i in range(count)]


def frame_consistency(rows: Rows) -> NDArray[np.float64]:
    """Return the mean cosine of each later frame with the frame before and with the first, negatives as 0."""
    exact = rows.astype(np.float64)
    before = np.einsum("ij,ij->i", exact[1:], exact[:-1])
    return np.asarray((np.maximum(before, 0) + np.maximum(exact[1:] @ exact[0], 0)) / 2)


def flicker(frames: Frames) -> float:
    """Return 1 minus the mean absolute difference of neighbouring frames on a scale of 0..1."""
    differences = [np.abs(b.astype(np.int16) - a).mean() for a, b in pairwise(frames)]
    return float((255 - np.mean(differences)) / 255)


def pair_cosines(rows: Rows) -> dict[tuple[int, int], float]:
    """Return the cosine of every pair of rows, by indices in order."""
    exact = rows.astype(np.float64)
    cosines = exact @ exact.T
    return {(i, j): float(cosines[i, j]) for i, j in combinations(range(len(rows)), 2)}


def most_alike(cosines: dict[tuple[int, int], float], count: int) -> list[tuple[int, int]]:
    """Return the ``count`` pairs with the greatest cosine, ties in story order."""
    return sorted(cosines, key=lambda pair: (-cosines[pair], pair))[:count]


def centroid_cosines(rows: Rows) -> NDArray[np.float64]:
    """Return each row's cosine with the mean of all rows, the mean made length 1 again."""
    exact = rows.astype(np.float64)
    centre = exact.mean(axis=0)
    return np.asarray(exact @ (centre / np.linalg.norm(centre)))


def crop_sharpness(crop: Frames) -> float:
    """Return the variance of the second differences along rows plus that along columns, of the mean of RGB 0..255."""
    grey = crop.astype(np.float64).mean(axis=2)
    if min(grey.shape) < 3:
        return 0.0
    return float(np.diff(grey, n=2, axis=1).var() + np.diff(grey, n=2, axis=0).var())


def sigmoid(value: float, midpoint: float, scale: float) -> float:
    """Return the logistic function, 0.5 at ``midpoint``."""
    return float(1 / (1 + np.exp(-(value - midpoint) / scale)))


def crop_quality(agreement: float, sharpness: float, area_percent: float) -> float:
    """Return how usable a crop is: agreement with its description x sharpness x size, each but the first 0..1."""
    return agreement * sigmoid(sharpness, 100.0, 200.0) * sigmoid(area_percent, 2.0, 5.0)


def cast_count_match(found: int, expected: int) -> float:
    """Return 100 for as many characters as expected, less the more are missing or too many (OCCM)."""
    return float(100 * np.exp(-abs(found - expected) / (1e-6 + expected)))


def copy_rate(to_first: Rows, to_others: Rows, first_to_others: Rows) -> float:
    """Return how much closer pictures are to one reference than to the others, 0..1; 0.5 is neither (chordal).

    Args:
        to_first: Cosines of G pictures with the first reference, (G,).
        to_others: Their cosines with the R - 1 others, (G, R - 1).
        first_to_others: Cosines of the first reference with the others, (R - 1,).
    """
    near, far, apart = (_chord(values) for values in (to_first, to_others, first_to_others))
    rates = 0.5 * (1 + (near[:, None] - far) / apart[None, :])
    # Cosines of 1 leave only the floor of the chord: such references cannot tell copying apart.
    return float(np.where(apart[None, :] <= _chord(np.ones(1)), 0.5, rates).mean())


def _chord(cosines: Rows) -> NDArray[np.float64]:
    """Return distances on the unit sphere for cosines, never under 0.001."""
    return np.asarray(np.sqrt(np.maximum(2 * (1 - np.clip(cosines.astype(np.float64), -1, 1)), 1e-6)))


def moving(magnitudes: NDArray[np.float64]) -> float:
    """Return the mean of the greatest twentieth of flow magnitudes, any shape (VBench's dynamic degree)."""
    ordered = np.sort(magnitudes.ravel())[::-1]
    return float(ordered[: max(1, int(magnitudes.size * 0.05))].mean())


def is_dynamic(motions: Sequence[float], shorter_side: int, frames: int, fps: float) -> bool:
    """Return whether enough pairs of frames move: more than 6 pixels at 256 in a quarter of them.

    Args:
        motions: :func:`moving` of each pair of neighbouring frames.
        shorter_side: Of the frames, in pixels.
        frames: How many frames were looked at.
        fps: Of the clip; below 8 the same motion takes fewer frames.
    """
    limit = max(1.0, 8.0 / fps) * 6.0 * shorter_side / 256.0
    return sum(motion > limit for motion in motions) >= round(4 * frames / 16.0)


def decibels(first: Frames, second: Frames) -> float:
    """Return the peak signal-to-noise ratio of two frames in dB, at most 100."""
    error = float(np.square(first.astype(np.float64) - second).mean())
    return MOST_DECIBELS if error == 0 else min(MOST_DECIBELS, float(10 * np.log10(255**2 / error)))


def gap_label(gap: int) -> str:
    """Return the bucket of a recurrence gap, such as ``4-7``."""
    low, high = next((low, high) for low, high in GAPS if high is None or gap <= high)
    return f"{low}+" if high is None else str(low) if low == high else f"{low}-{high}"
