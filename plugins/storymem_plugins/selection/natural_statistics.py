"""The features of BRISQUE: how far a picture's statistics are from those of natural pictures.

After Mittal, Moorthy and Bovik, "No-Reference Image Quality Assessment in the Spatial Domain" (2012): luma is freed of
its local mean and deviation, and a generalised Gaussian is fitted to it and to products of neighbours, at two sizes.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from math import lgamma

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from storymem.values.clip import Frames

Plane = NDArray[np.float64]
FEATURES = 36  #: at each of two sizes 2 of the normalised luma and 4 of its products in each of 4 directions
LEAST_SIDE = 8  #: pixels; half of it still has neighbours in every direction
_WINDOW, _SIGMA = 7, 7 / 6  #: of the local mean and deviation, as published
_FLOOR = 1.0  #: luma, added to the local deviation so that flat parts do not divide by zero, as published
#: Shapes a fit may have, as published: 2 is a Gaussian, 1 a Laplacian, and natural pictures lie between 0.2 and 4.
_SHAPES = np.arange(0.2, 10.001, 0.001)


def features(frame: Frames) -> Plane:
    """Return the features (36,) of a frame, uint8 RGB (H, W, 3), both sides at least :data:`LEAST_SIDE`."""
    grey = Image.fromarray(frame).convert("L").convert("F")
    half = grey.resize((grey.width // 2, grey.height // 2), Image.Resampling.BICUBIC)
    return np.concatenate([_of_one_size(np.asarray(size, np.float64)) for size in (grey, half)])


def normalised(luma: Plane) -> Plane:
    """Return luma (H, W), 0..255, less its local mean and divided by its local deviation."""
    mean = _blurred(luma)
    deviation = np.sqrt(np.abs(_blurred(luma * luma) - mean * mean))
    return np.asarray((luma - mean) / (deviation + _FLOOR))


def fit(values: Plane) -> tuple[float, float, float, float]:
    """Return shape, mean, and left and right variance of the asymmetric generalised Gaussian of the same moments."""
    left, right = values[values < 0], values[values >= 0]
    left_square = float(np.mean(left * left)) if left.size else 0.0
    right_square = float(np.mean(right * right)) if right.size else 0.0
    square = float(np.mean(values * values))
    if not (left_square and right_square):
        return float(_SHAPES[-1]), 0.0, left_square, right_square  # a flat picture: nothing to fit
    ratio = np.sqrt(left_square / right_square)
    wanted = float(np.mean(np.abs(values))) ** 2 / square * (ratio**3 + 1) * (ratio + 1) / (ratio**2 + 1) ** 2
    shape = float(_SHAPES[np.argmin((_moment_ratios() - wanted) ** 2)])
    scale = np.exp(lgamma(2 / shape) - 0.5 * (lgamma(1 / shape) + lgamma(3 / shape)))
    mean = float((np.sqrt(right_square) - np.sqrt(left_square)) * scale)
    return shape, mean, left_square, right_square


def _of_one_size(luma: Plane) -> Plane:
    plane = normalised(luma)
    shape, _, left, right = fit(plane)
    found = [shape, (left + right) / 2]
    for product in _products(plane):
        found.extend(fit(product))
    return np.array(found)


def _products(plane: Plane) -> Iterator[Plane]:
    yield plane[:, :-1] * plane[:, 1:]
    yield plane[:-1] * plane[1:]
    yield plane[:-1, :-1] * plane[1:, 1:]
    yield plane[1:, :-1] * plane[:-1, 1:]


def _blurred(plane: Plane) -> Plane:
    """Return a plane blurred by the Gaussian window; beyond the edges is black, as in the published code."""
    reach = _WINDOW // 2
    taps = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * _SIGMA**2))
    taps /= taps.sum()
    for axis in (0, 1):
        padded = np.pad(plane, [(reach, reach) if a == axis else (0, 0) for a in (0, 1)])
        windows = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW, axis=axis)
        plane = windows @ taps
    return plane


@cache
def _moment_ratios() -> Plane:
    """Return squared mean magnitude over mean square, for every shape."""
    logs = [2 * lgamma(2 / a) - lgamma(1 / a) - lgamma(3 / a) for a in _SHAPES]
    return np.asarray(np.exp(logs))
