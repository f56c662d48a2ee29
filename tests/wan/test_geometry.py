"""Sizes, frame counts and modes: legal ones pass, others are refused with the nearest legal one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storymem.values.request import Mode
from storymem_backbones.diffusion.errors import GeometryError
from storymem_backbones.wan.geometry import checked_mode, latent_frames, legal_frames, legal_size, m2v_size


@given(st.integers(-10, 400))
def test_frames(frames):
    if frames >= 1 and frames % 4 == 1:
        assert legal_frames(frames) == frames
        assert latent_frames(frames) == (frames + 3) // 4
    else:
        with pytest.raises(GeometryError, match=r"nearest is \d+"):
            legal_frames(frames)


@given(st.integers(1, 300), st.integers(1, 300))
def test_sizes(height, width):
    if height % 16 == width % 16 == 0:
        assert legal_size(height, width) == (height, width)
    else:
        with pytest.raises(GeometryError, match=r"nearest is \d+x\d+"):
            legal_size(height, width)


def test_nearest_values_are_named_width_first():
    with pytest.raises(GeometryError, match="832x480"):
        legal_size(479, 833)
    with pytest.raises(GeometryError, match="nearest is 81"):
        legal_frames(80)


@given(st.integers(1, 4000), st.integers(1, 4000), st.integers(2**14, 2**21))
def test_size_rule_gives_legal_sizes_within_the_area(height, width, area):
    aspect = height / width
    if 1 / 8 < aspect < 8:
        made = m2v_size(height, width, area)
        assert legal_size(*made) == made
        assert made[0] * made[1] <= area * 1.05


def test_size_rule_refuses_nothing_to_draw_on():
    with pytest.raises(GeometryError, match="positive"):
        m2v_size(0, 10, 400)
    with pytest.raises(GeometryError, match="no room"):
        m2v_size(10, 4000, 900)


def test_modes():
    assert checked_mode(memory_frames=0, condition_frames=0) is Mode.T2V
    assert checked_mode(memory_frames=3, condition_frames=0) is Mode.M2V
    assert checked_mode(memory_frames=0, condition_frames=1) is Mode.MI2V
    assert checked_mode(memory_frames=3, condition_frames=5) is Mode.MM2V
    with pytest.raises(GeometryError, match="3 handed-over frames"):
        checked_mode(memory_frames=1, condition_frames=3)
