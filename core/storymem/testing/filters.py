"""The contract of frame filters."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given

from storymem.interfaces import ClipContext, FrameFilter
from storymem.testing.contract import PluginContract, examples, not_given
from storymem.testing.fakes import FakeEncoder
from storymem.testing.strategies import clips
from storymem.values.clip import Clip


class FilterContract(PluginContract):
    """Subclass it, override :meth:`frame_filter`, and set the flags that apply.

    Attributes:
        independent: The verdict on a frame does not depend on which other frames are asked about.
        by_threshold: A frame is kept exactly when its score reaches the threshold.
    """

    independent: bool = True
    by_threshold: bool = True

    @pytest.fixture
    def frame_filter(self) -> FrameFilter[Any]:
        """Return the filter under test."""
        not_given(self, "frame_filter")

    def context(self, clip: Clip) -> ClipContext:
        """Return what the filter is shown; override it to use another encoder."""
        return ClipContext(clip, encoder=FakeEncoder())

    def test_has_a_fingerprint(self, frame_filter: FrameFilter[Any]) -> None:
        self.check_plugin(frame_filter)

    @examples
    @given(clip=clips())
    def test_judges_every_frame(self, frame_filter: FrameFilter[Any], clip: Clip) -> None:
        verdicts = frame_filter.judge(range(len(clip)), self.context(clip))
        assert len(verdicts) == len(clip), f"{len(verdicts)} verdicts on {len(clip)} frames"
        for verdict in verdicts:
            assert math.isfinite(verdict.score), f"score {verdict.score}"
            assert verdict.keep or verdict.reason, "a rejection needs a reason"
            if self.by_threshold:
                assert verdict.keep == (verdict.score >= verdict.threshold), verdict

    @examples
    @given(clip=clips())
    def test_same_clip_same_verdicts(self, frame_filter: FrameFilter[Any], clip: Clip) -> None:
        indices = range(len(clip))
        first = list(frame_filter.judge(indices, self.context(clip)))
        assert first == list(frame_filter.judge(indices, self.context(clip)))

    @examples
    @given(clip=clips(max_frames=4))
    def test_one_by_one_equals_all_at_once(self, frame_filter: FrameFilter[Any], clip: Clip) -> None:
        if not self.independent:
            pytest.skip("the filter compares the frames it is asked about")
        context = self.context(clip)
        together = frame_filter.judge(range(len(clip)), context)
        alone = [frame_filter.judge([index], context)[0] for index in range(len(clip))]
        assert [v.keep for v in together] == [v.keep for v in alone]
        assert [v.score for v in together] == pytest.approx([v.score for v in alone], rel=1e-4, abs=1e-5)
