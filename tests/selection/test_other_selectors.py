"""Diverse, scene_change, and the duplicate filter."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storymem_plugins.selection.diverse import DiverseSelector, DiverseSettings
from storymem_plugins.selection.duplicate import DuplicateFilter, DuplicateSettings
from storymem_plugins.selection.scene_change import SceneChangeSelector, SceneChangeSettings

QUIET = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


def on_circle(degrees):
    angles = np.deg2rad(np.asarray(degrees, dtype=np.float64))
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def frames_of(selector, context, gate):
    return [c.frame for c in selector.select(context, gate)]


def test_diverse_starts_typical_and_goes_far(numbered, context_of, gate_of, row_encoder):
    context = context_of(numbered(5), encoder=row_encoder(on_circle([0, 40, 45, 50, 90])))
    assert frames_of(DiverseSelector(), context, gate_of(context)) == [0, 2, 4]


def test_diverse_keeps_away_from_memory(numbered, context_of, gate_of, row_encoder, remember):
    context = context_of(
        numbered(3), memory=remember(numbered(1, start=3)), encoder=row_encoder(on_circle([0, 45, 90, 1]))
    )
    chosen = frames_of(DiverseSelector(DiverseSettings(count=1)), context, gate_of(context))
    assert chosen == [2]


def test_diverse_takes_no_near_repeats(numbered, context_of, gate_of, row_encoder):
    context = context_of(numbered(4), encoder=row_encoder(on_circle([0, 1, 2, 3])))
    assert len(frames_of(DiverseSelector(), context, gate_of(context))) == 1


@given(
    degrees=st.lists(st.integers(0, 179), min_size=1, max_size=20, unique=True),
    good=st.lists(st.booleans(), min_size=20, max_size=20),
    count=st.integers(1, 5),
)
@QUIET
def test_diverse_covers_within_twice_the_best(
    numbered, context_of, gate_of, row_encoder, score_filter, degrees, good, count
):
    context = context_of(numbered(len(degrees)), encoder=row_encoder(on_circle(degrees)))
    gate = gate_of(context, quality=score_filter([5.0 * g for g in good]))
    chosen = frames_of(DiverseSelector(DiverseSettings(count=count, min_distance=0)), context, gate)
    allowed = [i for i in range(len(degrees)) if good[i]]
    assert set(chosen) <= set(allowed)
    assert len(chosen) == min(count, len(allowed))
    if not chosen:
        return

    def radius(centres):
        return max(min(abs(degrees[i] - degrees[c]) for c in centres) for i in allowed)

    assert radius(chosen) <= 2 * best_radius(sorted(degrees[i] for i in allowed), count) + 1e-3


def best_radius(points, count):
    """The least radius with which ``count`` of the points cover all, found by trying every one."""
    for limit in range(180):
        used, i = 0, 0
        while i < len(points):
            centre = max(p for p in points if p <= points[i] + limit)
            used, i = used + 1, next((k for k, p in enumerate(points) if p > centre + limit), len(points))
        if used <= count:
            return limit
    raise AssertionError("unreachable: one centre covers a half circle")


def plain_colours(colours, length):
    return np.concatenate([np.full((length, 48, 80, 3), colour, dtype=np.uint8) for colour in colours])


def noisy(frames):
    noise = np.random.default_rng(0).integers(0, 6, frames.shape, dtype=np.uint8)
    return frames + noise


def test_scene_change_takes_the_middle_of_every_shot(context_of, gate_of):
    clip = noisy(plain_colours([(200, 10, 10), (10, 200, 10), (10, 10, 200)], 9))
    context = context_of(clip)
    assert frames_of(SceneChangeSelector(), context, gate_of(context)) == [4, 13, 22]


def test_scene_change_prefers_long_stretches(context_of, gate_of):
    parts = [((200, 10, 10), 9), ((10, 200, 10), 2), ((10, 10, 200), 9)]
    clip = noisy(np.concatenate([plain_colours([colour], n) for colour, n in parts]))
    context = context_of(clip)
    chosen = frames_of(SceneChangeSelector(SceneChangeSettings(count=2)), context, gate_of(context))
    assert chosen == [4, 15]


def test_scene_change_finds_slow_changes(context_of, gate_of):
    clip = np.stack([np.full((48, 80, 3), 8 * i, dtype=np.uint8) for i in range(32)])
    context = context_of(clip)
    assert frames_of(SceneChangeSelector(SceneChangeSettings(count=4)), context, gate_of(context)) == [
        4,
        12,
        20,
        28,
    ]


def test_scene_change_respects_filters_and_memory(context_of, gate_of, score_filter, remember):
    clip = noisy(plain_colours([(200, 10, 10), (10, 200, 10)], 3))
    context = context_of(clip, memory=remember(clip[1:2]))
    gate = gate_of(context, quality=score_filter([5, 5, 5, 5, 0, 5]))
    assert frames_of(SceneChangeSelector(), context, gate) == [0, 3]


def test_still_clip_gives_one_keyframe(numbered, context_of, gate_of):
    context = context_of(np.repeat(numbered(1), 5, axis=0))
    assert frames_of(SceneChangeSelector(), context, gate_of(context)) == [2]


def test_duplicate_by_pixels(context_of, remember):
    clip = noisy(plain_colours([(200, 10, 10), (10, 200, 10)], 1))
    context = context_of(clip, memory=remember(plain_colours([(202, 12, 12)], 1)))
    same, other = DuplicateFilter().judge([0, 1], context)
    assert (same.keep, same.reason) == (False, "already in memory")
    assert same.score < same.threshold == 0.02
    assert other.keep
    assert other.score > 0.3


def test_duplicate_by_pixels_compares_any_sizes(context_of, remember):
    clip = np.repeat(np.repeat(plain_colours([(200, 10, 10)], 1), 2, axis=1), 2, axis=2)
    context = context_of(clip, memory=remember(plain_colours([(200, 10, 10)], 1)))
    (verdict,) = DuplicateFilter().judge([0], context)
    assert verdict.score == 0.0


def test_duplicate_by_embedding(numbered, context_of, row_encoder, remember):
    context = context_of(
        numbered(3), memory=remember(numbered(2, start=3)), encoder=row_encoder(on_circle([0, 30, 90, 0, 91]))
    )
    by_meaning = DuplicateFilter(DuplicateSettings(compare="embedding"))
    assert by_meaning.needs_encoder
    verdicts = by_meaning.judge([0, 1, 2], context)
    assert [v.keep for v in verdicts] == [False, True, False]
    assert verdicts[1].score == pytest.approx(1 - np.cos(np.deg2rad(30)), abs=1e-6)
    assert verdicts[1].threshold == 0.1


def test_duplicate_needs_no_encoder_by_default_and_passes_with_empty_memory(numbered, context_of):
    assert not DuplicateFilter().needs_encoder
    assert all(v.keep for v in DuplicateFilter().judge([0, 1], context_of(numbered(2))))
