"""Keeping the colours of what a shot continues from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storymem_backbones.wan.colours import match_handover

RNG = np.random.default_rng(0)
PICTURES = RNG.integers(60, 180, (9, 16, 24, 3)).astype(np.uint8)


def statistics(frames):
    return np.concatenate([frames.mean(axis=(0, 1, 2)), frames.std(axis=(0, 1, 2))])


def faded(frames, gain, shift):
    return np.rint((frames - 120.0) * gain + 120 + shift).astype(np.uint8)


@given(
    repeated=st.sampled_from((1, 5)),
    gain=st.tuples(*[st.floats(0.95, 1.05)] * 3),
    shift=st.tuples(*[st.floats(-9, 9)] * 3),
)
def test_a_clip_that_fades_is_as_before(repeated, gain, shift):
    matched = match_handover(faded(PICTURES, np.array(gain), np.array(shift)), PICTURES[:repeated])
    assert np.abs(matched.astype(int) - PICTURES).max() <= 1
    # Levels are whole numbers, rounded twice.
    np.testing.assert_allclose(statistics(matched[:repeated]), statistics(PICTURES[:repeated]), atol=0.5)


def test_a_clip_that_repeats_what_it_was_given_stays_itself():
    assert np.array_equal(match_handover(PICTURES, PICTURES[:5]), PICTURES)


def test_what_was_handed_over_may_have_another_size():
    matched = match_handover(faded(PICTURES, 0.97, -3), PICTURES[:1].repeat(2, 1).repeat(2, 2))
    assert np.abs(matched.astype(int) - PICTURES).max() <= 1


def test_a_plain_picture_is_shifted_only():
    grey, lighter = np.full((9, 16, 24, 3), 100, np.uint8), np.full((1, 16, 24, 3), 110, np.uint8)
    assert np.array_equal(match_handover(grey, lighter), np.full_like(grey, 110))


@pytest.mark.parametrize("gain", [0.2, 3.0])
def test_another_picture_is_not_stretched_to_fit(gain):
    other = np.clip((PICTURES.astype(float) - 120) * gain + 120, 0, 255).astype(np.uint8)
    contrast = match_handover(PICTURES, other[:1])[:1].std() / PICTURES[:1].std()
    assert contrast == pytest.approx(np.clip(gain, 1 / 1.1, 1.1), rel=0.02)
