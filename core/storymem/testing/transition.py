"""The contract of transitions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storymem.interfaces import Transition
from storymem.testing.contract import PluginContract, examples, not_given
from storymem.testing.strategies import frames
from storymem.values.clip import Frames


class TransitionContract(PluginContract):
    """Subclass it and override :meth:`transition`."""

    @pytest.fixture
    def transition(self) -> Transition[Any]:
        """Return the transition under test."""
        not_given(self, "transition")

    def test_has_a_fingerprint(self, transition: Transition[Any]) -> None:
        self.check_plugin(transition)

    def test_counts_are_whole_and_consistent(self, transition: Transition[Any]) -> None:
        counts = (transition.handover, transition.drop, transition.overlap)
        assert all(isinstance(count, int) and count >= 0 for count in counts), counts
        assert transition.drop <= transition.handover, "only handed-over frames repeat and can be dropped"

    @examples
    @given(data=st.data())
    def test_blends_pictures_of_the_same_shape(self, transition: Transition[Any], data: st.DataObject) -> None:
        count = max(1, transition.overlap)
        tail: Frames = data.draw(frames(count=count, size=(16, 12)))
        head: Frames = data.draw(frames(count=count, size=(16, 12)))
        before = tail.copy(), head.copy()
        blended = transition.blend(tail, head)
        assert blended.shape == tail.shape
        assert blended.dtype == np.uint8
        assert np.array_equal(blended, transition.blend(tail, head)), "blending must be deterministic"
        assert np.array_equal(before[0], tail), "blend changed the tail"
        assert np.array_equal(before[1], head), "blend changed the head"

    @examples
    @given(data=st.data())
    def test_blending_equal_frames_changes_nothing(self, transition: Transition[Any], data: st.DataObject) -> None:
        tail: Frames = data.draw(frames(count=max(1, transition.overlap), size=(16, 12)))
        difference = transition.blend(tail, tail.copy()).astype(int) - tail
        assert np.abs(difference).max() <= 1
