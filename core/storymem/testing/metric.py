"""The contract of metrics."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storymem.interfaces import FinishedShot, Metric
from storymem.testing.contract import PluginContract, examples, not_given
from storymem.testing.strategies import frames, storyboards
from storymem.values.clip import Clip
from storymem.values.storyboard import Storyboard


class ListedFilm:
    """A finished film from a list of shots."""

    def __init__(self, board: Storyboard, finished: Sequence[FinishedShot]) -> None:
        self.board = board
        self._finished = tuple(finished)

    def shots(self) -> Iterator[FinishedShot]:
        """Yield the shots in story order."""
        yield from self._finished


@st.composite
def films(draw: st.DrawFn) -> ListedFilm:
    """A film of up to four shots of 32x24 pixels; nothing was recalled."""
    board = draw(storyboards(max_shots=4))
    clips = [Clip(draw(frames(count=draw(st.integers(1, 6)), size=(32, 24))), 8) for _ in board]
    return ListedFilm(board, [FinishedShot(shot, clip, ()) for shot, clip in zip(board, clips, strict=True)])


class MetricContract(PluginContract):
    """Subclass it and override :meth:`metric`."""

    @pytest.fixture
    def metric(self) -> Metric[Any]:
        """Return the metric under test."""
        not_given(self, "metric")

    def test_has_a_fingerprint(self, metric: Metric[Any]) -> None:
        self.check_plugin(metric)

    @settings(examples, max_examples=8)
    @given(film=films())
    def test_measures_finite_numbers_by_name_every_time_the_same(self, metric: Metric[Any], film: ListedFilm) -> None:
        first = dict(metric.measure(film))
        assert all(isinstance(name, str) and name for name in first)
        assert all(math.isfinite(value) for value in first.values()), first
        assert dict(metric.measure(film)) == pytest.approx(first, rel=1e-5, abs=1e-6)
