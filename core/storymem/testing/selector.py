"""The contract of keyframe selectors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storymem.interfaces import ClipContext, FrameFilter, FrameGate, KeyframeSelector, Verdict
from storymem.testing.contract import PluginContract, examples, not_given
from storymem.testing.fakes import FakeEncoder
from storymem.testing.strategies import clips
from storymem.values.clip import Clip


class _Only(FrameFilter):
    """Keeps the frames it is told to."""

    def __init__(self, kept: set[int]) -> None:
        super().__init__()
        self.kept = kept

    def judge(self, indices: Sequence[int], context: ClipContext) -> list[Verdict]:
        return [Verdict(i in self.kept, float(i in self.kept), 1.0, "not wanted") for i in indices]


class SelectorContract(PluginContract):
    """Subclass it and override :meth:`selector`."""

    @pytest.fixture
    def selector(self) -> KeyframeSelector[Any]:
        """Return the selector under test."""
        not_given(self, "selector")

    def context(self, clip: Clip, first: int = 0) -> ClipContext:
        """Return what the selector is shown; override it to use another encoder."""
        return ClipContext(clip, first=first, encoder=FakeEncoder())

    def test_has_a_fingerprint(self, selector: KeyframeSelector[Any]) -> None:
        self.check_plugin(selector)

    @examples
    @given(clip=clips(), data=st.data())
    def test_proposes_frames_that_pass_in_order(
        self, selector: KeyframeSelector[Any], clip: Clip, data: st.DataObject
    ) -> None:
        kept = data.draw(st.sets(st.integers(0, len(clip) - 1)))
        first = data.draw(st.integers(0, len(clip) - 1))
        context = self.context(clip, first)
        candidates = selector.select(context, FrameGate({"only": _Only(kept)}, context))
        chosen = [candidate.frame for candidate in candidates]
        assert chosen == sorted(set(chosen)), f"frames must ascend without repeats: {chosen}"
        assert set(chosen) <= kept, "a proposed frame does not pass the gate"
        assert all(frame >= first for frame in chosen), "a frame that repeats the previous shot is proposed"
        assert all(math.isfinite(score) for c in candidates for score in c.scores.values())

    @examples
    @given(clip=clips())
    def test_all_frames_rejected_gives_none(self, selector: KeyframeSelector[Any], clip: Clip) -> None:
        context = self.context(clip)
        assert list(selector.select(context, FrameGate({"only": _Only(set())}, context))) == []

    @examples
    @given(clip=clips(max_frames=1))
    def test_a_clip_of_one_frame_gives_that_frame(self, selector: KeyframeSelector[Any], clip: Clip) -> None:
        context = self.context(clip)
        assert [c.frame for c in selector.select(context, FrameGate({}, context))] == [0]

    @examples
    @given(clip=clips())
    def test_same_clip_same_candidates(self, selector: KeyframeSelector[Any], clip: Clip) -> None:
        first, again = self.context(clip), self.context(clip)
        one = selector.select(first, FrameGate({}, first))
        assert list(one) == list(selector.select(again, FrameGate({}, again)))
