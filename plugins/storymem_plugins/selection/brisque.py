"""Refuses frames with blur, noise or blocks, by BRISQUE: natural scene statistics and a given regression."""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from storymem.errors import MediaError, SettingsError
from storymem.interfaces import ClipContext, FrameFilter, PluginSettings, Verdict
from storymem.values.clip import Frames
from storymem_plugins.selection.natural_statistics import FEATURES, LEAST_SIDE, features

_LARGEST_FILE = 2**24  #: bytes; the published model has 350 kB


class BrisqueSettings(PluginSettings):
    """Settings of the ``brisque`` filter. The package ``brisque`` 0.2.0 carries both files, under ``models``."""

    model: Path = Field(description="the regression, a text file of LIBSVM (svm.txt, 351 kB)")
    ranges: Path = Field(description="the ranges of its features, a file of svm-scale, or normalize.pickle")
    #: Keeps 97 % of clean generated frames and refuses 87 to 98 % of blurred, blocky and noisy ones
    #: (benchmarks/results/real_selection.md).
    threshold: float = Field(40.0, description="least score: 100 less BRISQUE; clean generated frames have about 76")


@dataclass(frozen=True, slots=True, eq=False)
class Regression:
    """A support vector regression with a radial kernel.

    Attributes:
        vectors: Support vectors (n, 36), in scaled features.
        weights: Their coefficients (n,).
        gamma: The kernel's width: ``exp(-gamma * squared distance)``.
        offset: Taken from the sum (LIBSVM's ``rho``).
        low: Least value (36,) of each feature, which is scaled to -1.
        high: Greatest value (36,), scaled to 1.
    """

    vectors: NDArray[np.float64]
    weights: NDArray[np.float64]
    gamma: float
    offset: float
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def __call__(self, found: NDArray[np.float64]) -> float:
        """Return BRISQUE of features (36,): about 0 for a clean picture, about 100 for a ruined one."""
        scaled = -1 + 2 * (found - self.low) / (self.high - self.low)
        distances = ((self.vectors - scaled) ** 2).sum(axis=1)
        return float(self.weights @ np.exp(-self.gamma * distances) - self.offset)


class BrisqueFilter(FrameFilter[BrisqueSettings]):
    """Rejects frames with the marks of blur, noise and compression; the score is 100 less BRISQUE."""

    def __init__(self, settings: BrisqueSettings) -> None:
        super().__init__(settings)
        self._regression = read_regression(settings.model, settings.ranges)
        files = (settings.model, settings.ranges)
        self._files = "/".join(hashlib.sha256(_bytes(path)).hexdigest() for path in files)

    def fingerprint(self) -> str:
        """See :meth:`Plugin.fingerprint`; the content of the files counts, not their place."""
        return f"brisque/{self.version}/{self.settings.threshold}/{self._files}"

    def judge(self, indices: Sequence[int], context: ClipContext) -> list[Verdict]:
        """See :meth:`FrameFilter.judge`."""
        return [self._verdict(context.clip.frames[index]) for index in indices]

    def _verdict(self, frame: Frames) -> Verdict:
        if min(frame.shape[:2]) < LEAST_SIDE:
            raise MediaError(
                f"brisque: frames of {frame.shape[1]}x{frame.shape[0]} are too small, {LEAST_SIDE} at least"
            )
        score, needed = 100 - self._regression(features(frame)), self.settings.threshold
        return Verdict(score >= needed, score, needed, "" if score >= needed else "blurred, noisy or blocky")


def read_regression(model: Path, ranges: Path) -> Regression:
    """Read a regression in LIBSVM's text format, and ranges in svm-scale's or as a pickle of plain lists.

    Raises:
        SettingsError: A file is missing, or is not what it should be; the line names it.
    """
    try:
        head, rows = _parts(_bytes(model).decode("ascii"))
        weights, vectors = _vectors(rows)
        gamma, offset = float(head["gamma"]), float(head["rho"])
    except (ValueError, KeyError, IndexError) as error:
        raise SettingsError(f"brisque.model {model}: is no LIBSVM regression: {error}") from error
    low, high = _ranges(ranges)
    return Regression(vectors, weights, gamma, offset, low, high)


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise SettingsError(f"brisque: {path}: too large, {_LARGEST_FILE >> 20} MiB at most")
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"brisque: {path}: cannot be read: {error.strerror}") from error


def _parts(text: str) -> tuple[dict[str, str], list[str]]:
    lines, _, rows = text.partition("\nSV\n")
    head = dict(line.split(maxsplit=1) for line in lines.splitlines() if line.strip())
    if (head["svm_type"], head["kernel_type"]) != ("epsilon_svr", "rbf"):
        raise ValueError("no epsilon_svr with an rbf kernel")
    return head, rows.splitlines()


def _vectors(rows: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    filled = [row.split() for row in rows if row.strip()]
    vectors = np.zeros((len(filled), FEATURES))  # what a row leaves out is zero
    for vector, (_, *pairs) in zip(vectors, filled, strict=True):
        for pair in pairs:
            index, _, value = pair.partition(":")
            if not 1 <= int(index) <= FEATURES:
                raise ValueError(f"feature {index} of {FEATURES}")
            vector[int(index) - 1] = float(value)
    weights = np.array([float(row[0]) for row in filled])
    if not filled or not (np.isfinite(vectors).all() and np.isfinite(weights).all()):
        raise ValueError("no finite support vectors")
    return weights, vectors


def _ranges(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    content = _bytes(path)
    try:
        table = _pickled(content) if content[:1] == b"\x80" else _scale_file(content.decode("ascii"))
        low, high = np.asarray(table, dtype=np.float64)
    except (ValueError, TypeError, KeyError, IndexError, EOFError, pickle.UnpicklingError) as error:
        raise SettingsError(f"brisque.ranges {path}: has no ranges of features: {error}") from error
    if low.shape != (FEATURES,) or not (np.isfinite([low, high]).all() and (low < high).all()):
        raise SettingsError(f"brisque.ranges {path}: wants {FEATURES} finite ranges, each from less to more")
    return low, high


def _scale_file(text: str) -> list[list[float]]:
    """Return the columns of svm-scale's file: ``x``, the target range, then ``index least greatest``."""
    rows = [line.split() for line in text.splitlines() if line.strip()]
    if rows[0] != ["x"] or [float(v) for v in rows[1]] != [-1.0, 1.0]:
        raise ValueError("is not svm-scale's for a target of -1 to 1")
    return [[float(row[column]) for row in rows[2:]] for column in (1, 2)]


def _pickled(content: bytes) -> list[Any]:
    table = _PlainUnpickler(io.BytesIO(content)).load()
    return [table["min_"], table["max_"]]


class _PlainUnpickler(pickle.Unpickler):
    """Reads numbers, lists and dictionaries, which name no class: nothing in a file can make code run."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(f"names {module}.{name}; only plain lists are read")
