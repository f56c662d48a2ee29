"""The uniform selector: spacing, replacement of refused frames, no repeats."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storymem.errors import MediaError
from storymem_plugins.selection.frames import from_middle
from storymem_plugins.selection.uniform import UniformSelector, UniformSettings, stretches


def select(context, gate, **settings):
    return [c.frame for c in UniformSelector(UniformSettings(**settings)).select(context, gate)]


def test_middles_of_equal_stretches(numbered, context_of, gate_of):
    context = context_of(numbered(81))
    assert select(context, gate_of(context)) == [13, 40, 67]


def test_only_new_frames(numbered, context_of, gate_of):
    context = context_of(numbered(9), first=5)
    assert select(context, gate_of(context), count=9) == [5, 6, 7, 8]


def test_refused_frame_gives_way_to_its_neighbour(numbered, context_of, gate_of, score_filter):
    context = context_of(numbered(9))
    poor = score_filter([5, 5, 5, 5, 0, 5, 5, 5, 5])
    gate = gate_of(context, quality=poor)
    assert select(context, gate) == [1, 3, 7]
    assert [r.frame for r in gate.rejections] == [4]


def test_scores_come_with_the_candidate(numbered, context_of, gate_of, score_filter):
    context = context_of(numbered(1))
    (candidate,) = UniformSelector().select(context, gate_of(context, quality=score_filter([4.5])))
    assert candidate.scores == {"quality": 4.5}


def test_repeated_pixels_are_taken_once(numbered, context_of, gate_of):
    still = np.repeat(numbered(1), 9, axis=0)
    context = context_of(still)
    assert select(context, gate_of(context)) == [1]


def test_what_memory_holds_is_not_taken_again(numbered, context_of, gate_of, remember):
    context = context_of(numbered(9), memory=remember(numbered(1, start=4)))
    assert select(context, gate_of(context)) == [1, 3, 7]


def test_all_refused_gives_none_and_says_why(numbered, context_of, gate_of, score_filter):
    context = context_of(numbered(5))
    gate = gate_of(context, quality=score_filter([0] * 5))
    assert select(context, gate) == []
    assert sorted(r.frame for r in gate.rejections) == [0, 1, 2, 3, 4]


def test_clip_without_new_frames_is_one_clear_line(numbered, context_of, gate_of):
    context = context_of(numbered(5), first=5)
    with pytest.raises(MediaError, match=r"^clip: all of its 5 frames repeat .* longer than 5 frames$"):
        select(context, gate_of(context))


@given(first=st.integers(0, 90), length=st.integers(1, 90), count=st.integers(1, 12))
@settings(deadline=None, max_examples=60)
def test_stretches_cover_every_frame_once_and_evenly(first, length, count):
    frames = range(first, first + length)
    parts = stretches(frames, count)
    assert [i for part in parts for i in part] == list(frames)
    assert len(parts) == min(count, length)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    for part in parts:
        order = from_middle(part)
        assert sorted(order) == list(part)
        assert abs(2 * order[0] - part[0] - part[-1]) <= 1


@given(scores=st.lists(st.booleans(), min_size=1, max_size=30), count=st.integers(1, 6))
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_stretch_with_a_good_frame_gives_one(numbered, context_of, gate_of, score_filter, scores, count):
    context = context_of(numbered(len(scores)))
    chosen = select(context, gate_of(context, quality=score_filter([5.0 * s for s in scores])), count=count)
    parts = stretches(range(len(scores)), count)
    assert chosen == sorted(chosen)
    assert [sum(c in part for c in chosen) for part in parts] == [any(scores[i] for i in p) for p in parts]
