"""The cut itself: where shots begin, how dissolves are divided, and what another frame rate does to them."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storymem.errors import SettingsError
from storymem.values.timeline import Timeline, TimelineShot
from storymem_plugins.exports.rates import TIMECODE_RATES, rate_for, rate_notes


@st.composite
def timelines(draw: st.DrawFn) -> Timeline:
    """Films of 1 to 6 shots with handles and dissolves that leave each shot a frame of its own."""
    overlaps = [0, *draw(st.lists(st.integers(0, 9), max_size=5)), 0]
    shots = []
    for number, (into, out) in enumerate(pairwise(overlaps)):
        first, frames = draw(st.integers(0, 9)), into + out + draw(st.integers(1, 30))
        shots.append(
            TimelineShot(f"1.{number + 1}", 0, "p", (), Path("m.mkv"), first + frames, first, frames, overlap=into)
        )
    return Timeline("T", draw(st.sampled_from([7, 12, 15, 16, 24, 30])), (64, 48), ("",), tuple(shots))


@given(timeline=timelines())
def test_the_edits_fill_the_film_without_gap_or_overlap(timeline: Timeline) -> None:
    edits = timeline.edits()
    assert edits[0].start == 0
    assert all(before.end == after.start for before, after in pairwise(edits))
    assert edits[-1].end == timeline.length
    for edit, before in zip(edits[1:], edits, strict=False):
        assert edit.lead + edit.trail == edit.shot.overlap
        assert edit.source - edit.lead == edit.shot.first, "the dissolve begins with the shot's first frame"
        assert before.source + before.length + edit.trail == before.available, (
            "and ends with the last of the one before"
        )


@given(timeline=timelines(), times=st.integers(2, 4))
def test_a_multiple_of_the_rate_moves_nothing(timeline: Timeline, times: int) -> None:
    for own, edit in zip(timeline.edits(), timeline.edits(timeline.fps * times), strict=True):
        assert edit.begin == own.begin * times
        assert edit.lead + edit.trail == own.shot.overlap * times
        assert edit.source - edit.lead == own.shot.first * times
    assert timeline.edits(timeline.fps * times)[-1].end == timeline.length * times


@given(timeline=timelines(), rate=st.sampled_from([24, 25, 30, 48, 50, 60]))
def test_another_rate_moves_cuts_by_half_a_frame_at_most_and_never_beyond_a_file(timeline: Timeline, rate: int) -> None:
    half = Fraction(1, 2 * rate)
    edits = timeline.edits(rate)
    for own, edit in zip(timeline.edits(), edits, strict=True):
        assert abs(Fraction(edit.begin, rate) - Fraction(own.begin, timeline.fps)) <= half
        assert edit.source - edit.lead >= 0
        assert edit.source + edit.length <= edit.available
    assert all(before.end == after.start for before, after in pairwise(edits))
    assert abs(Fraction(edits[-1].end, rate) - Fraction(timeline.length, timeline.fps)) <= half


@pytest.mark.parametrize(
    ("fps", "rate"), [(8, 24), (12, 24), (16, 48), (24, 24), (25, 25), (30, 30), (7, 60), (18, 60)]
)
def test_the_rule_takes_the_lowest_multiple_or_else_the_highest_rate(fps: int, rate: int) -> None:
    assert rate_for(fps, TIMECODE_RATES, None, "edl") == rate


def test_a_rate_that_a_form_cannot_hold_is_refused() -> None:
    with pytest.raises(SettingsError, match="exporter 'edl': rate: 23 cannot be written; it holds 24, 25, 30, 48, 50"):
        rate_for(16, TIMECODE_RATES, 23, "edl")


def test_what_a_rate_does_is_said() -> None:
    shots = (
        TimelineShot("1.1", 0, "p", (), Path("m"), 21, 0, 21),
        TimelineShot("1.2", 0, "p", (), Path("m"), 21, 0, 21),
    )
    timeline = Timeline("T", 16, (64, 48), ("",), shots)
    assert rate_notes(timeline, 16, "x") == []
    assert rate_notes(timeline, 48, "x") == [
        "16 frames a second are written as 48, 3 for each, so every cut stays exactly where it is; x is edited at 48"
    ]
    moved = "16 frames a second are written as 24: 1 of 2 cuts moved to the nearest frame, by at most 20.8 ms"
    assert rate_notes(timeline, 24, "x") == [moved]
