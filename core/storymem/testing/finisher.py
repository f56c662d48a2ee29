"""The contract of finishers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storymem.errors import Cancelled
from storymem.interfaces import Finisher
from storymem.testing.contract import PluginContract, examples, not_given
from storymem.testing.strategies import frames
from storymem.values.clip import Clip


class FinisherContract(PluginContract):
    """Subclass it and override :meth:`finisher`, and the others for a finisher that takes only certain clips.

    Attributes:
        size: (width, height) of the clips it is shown.
        fps: Their frame rate.
    """

    size: tuple[int, int] = (32, 16)
    fps: int = 16

    @pytest.fixture
    def finisher(self) -> Finisher[Any]:
        """Return the finisher under test."""
        not_given(self, "finisher")

    def test_has_a_fingerprint(self, finisher: Finisher[Any]) -> None:
        self.check_plugin(finisher)

    @settings(examples, max_examples=10)
    @given(data=st.data())
    def test_returns_what_it_declares(self, finisher: Finisher[Any], data: st.DataObject) -> None:
        clip = self._clip(data, count=data.draw(st.integers(1, 7)))
        before = clip.frames.copy()
        wanted = finisher.output(clip.format)
        made = finisher.finish(clip, None, _go_on)
        assert made.format == wanted, f"declares {wanted}, returned {made.format}"
        exact = len(clip) * wanted.fps / clip.fps
        assert abs(len(made) - exact) < 1, f"{len(made)} frames of {len(clip)}; the duration must stay, so {exact:g}"
        assert np.array_equal(before, clip.frames), "finish changed its input"

    @settings(examples, max_examples=6)
    @given(data=st.data())
    def test_equal_clips_give_equal_ones_whatever_came_between(
        self, finisher: Finisher[Any], data: st.DataObject
    ) -> None:
        one, other = self._clip(data, count=5), self._clip(data, count=3)
        first = finisher.finish(one, None, _go_on).frames
        finisher.finish(other, None, _go_on)
        assert np.array_equal(first, finisher.finish(one, None, _go_on).frames)

    @settings(examples, max_examples=6)
    @given(data=st.data())
    def test_continues_the_shot_before(self, finisher: Finisher[Any], data: st.DataObject) -> None:
        if not finisher.needs_previous:
            pytest.skip("the finisher is shown no other shot")
        one, other = self._clip(data, count=3), self._clip(data, count=4)
        previous = finisher.finish(one, None, _go_on)
        before = previous.frames.copy()
        made = finisher.finish(other, previous, _go_on)
        assert made.format == finisher.output(other.format)
        assert np.array_equal(before, previous.frames), "finish changed the shot before"

    @settings(examples, max_examples=2)
    @given(data=st.data())
    def test_can_be_cancelled(self, finisher: Finisher[Any], data: st.DataObject) -> None:
        with pytest.raises(Cancelled):
            finisher.finish(self._clip(data, count=4), None, _stop)

    def _clip(self, data: st.DataObject, count: int) -> Clip:
        return Clip(data.draw(frames(count=count, size=self.size)), self.fps)


def _go_on(step: int, total: int) -> None:
    assert 0 <= step <= total, f"progress({step}, {total})"


def _stop(step: int, total: int) -> None:
    raise Cancelled("stopped by the contract")
