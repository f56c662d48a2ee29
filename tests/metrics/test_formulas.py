"""Every formula against numbers worked out by hand on small arrays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storymem_plugins.metrics import formulas as f

SIXTY = np.array([0.5, np.sqrt(3) / 2])


@pytest.mark.parametrize(
    ("total", "count", "indices"),
    [
        (8, 8, [0, 1, 2, 3, 4, 5, 6, 7]),
        (16, 8, [0, 2, 4, 6, 8, 10, 12, 14]),
        (81, 8, [4, 14, 24, 34, 44, 54, 64, 75]),  # stretches 0-9, 10-19, 20-29, 30-39, 40-49, 50-59, 60-69, 70-80
        (3, 8, [0, 1, 2, 2, 2, 2, 2, 2]),
        (1, 2, [0, 0]),
    ],
)
def test_middles_of_equal_stretches(total: int, count: int, indices: list[int]) -> None:
    assert f.middle_frames(total, count) == indices


@pytest.mark.parametrize(
    ("total", "indices"),
    [
        (5, [1, 2, 3, 4, 4]),  # a step is never less than one frame
        (9, [1, 2, 4, 5, 7]),  # step 1.5
        (81, [1, 20, 40, 59, 79]),  # step 19.5
    ],
)
def test_spread_frames_skip_the_first(total: int, indices: list[int]) -> None:
    assert f.spread_frames(total, 5) == indices


@given(total=st.integers(1, 300), count=st.integers(1, 12))
def test_middles_lie_in_order_inside_the_clip(total: int, count: int) -> None:
    indices = f.middle_frames(total, count)
    assert len(indices) == count
    assert indices == sorted(indices)
    assert 0 <= indices[0] <= indices[-1] < total


def test_frame_consistency_looks_back_and_at_the_first() -> None:
    rows = np.array([[1, 0], [0, 1], SIXTY, [-1, 0]])
    # Frame 1: 0 and 0. Frame 2: sqrt(3)/2 and 1/2. Frame 3: -1/2 and -1, both counted as 0.
    assert f.frame_consistency(rows) == pytest.approx([0, (np.sqrt(3) / 2 + 0.5) / 2, 0])


def test_flicker_is_one_minus_the_mean_difference() -> None:
    frames = np.zeros((3, 2, 2, 3), dtype=np.uint8)
    frames[1] = 51  # 0.2 of 255 up, then 0.4 down at half of the pixels and 0.2 up at the others
    frames[2, 0] = 0
    frames[2, 1] = 102
    assert f.flicker(frames) == pytest.approx(1 - 0.2)


def test_pair_cosines_and_the_most_alike() -> None:
    rows = np.array([[1, 0], [0, 1], SIXTY])
    cosines = f.pair_cosines(rows)
    assert cosines == pytest.approx({(0, 1): 0, (0, 2): 0.5, (1, 2): np.sqrt(3) / 2})
    assert f.most_alike(cosines, 2) == [(1, 2), (0, 2)]
    assert f.most_alike({(0, 1): 0.5, (0, 2): 0.5}, 1) == [(0, 1)], "ties go in story order"


def test_centroid_is_made_length_one_again() -> None:
    rows = np.array([[1, 0], [0, 1]])
    assert f.centroid_cosines(rows) == pytest.approx([np.sqrt(0.5), np.sqrt(0.5)])


def test_crop_sharpness_by_second_differences() -> None:
    crop = np.zeros((3, 4, 3), dtype=np.uint8)
    crop[:, 1] = 90  # rows 0 90 0 0: second differences -180 and 90, variance 135**2; along columns none
    assert f.crop_sharpness(crop) == pytest.approx(135**2)
    assert f.crop_sharpness(crop[:2]) == 0, "too small to have second differences"
    coloured = np.zeros((3, 3, 3), dtype=np.uint8)
    coloured[1, 1, 0] = 90  # the mean of RGB is 30: -60 in one of three rows and one of three columns
    assert f.crop_sharpness(coloured) == pytest.approx(2 * np.var([0, -60, 0]))


def test_crop_quality_is_a_product() -> None:
    assert f.crop_quality(0.3, 100, 2) == pytest.approx(0.3 * 0.5 * 0.5)
    assert f.crop_quality(0.3, 300, 7) == pytest.approx(0.3 / (1 + np.exp(-1)) ** 2)


@pytest.mark.parametrize(
    ("found", "expected", "score"),
    [(2, 2, 100), (0, 0, 100), (1, 2, 100 * np.exp(-0.5)), (0, 2, 100 * np.exp(-1)), (3, 1, 100 * np.exp(-2))],
)
def test_cast_count_match(found: int, expected: int, score: float) -> None:
    assert f.cast_count_match(found, expected) == pytest.approx(score, rel=1e-4)


def test_copy_rate_by_chords() -> None:
    # The references are 90 degrees apart, a chord of sqrt(2); the first picture is the first reference (chords 0.001
    # and sqrt(2)), the second one the other reference, the third 45 degrees from both.
    to_first, to_others = np.array([1, 0, np.sqrt(0.5)]), np.array([[0], [1], [np.sqrt(0.5)]])
    apart = np.array([0.0])
    rates = [f.copy_rate(to_first[i : i + 1], to_others[i : i + 1], apart) for i in range(3)]
    assert rates == pytest.approx([0.0, 1.0, 0.5], abs=1e-3)
    assert f.copy_rate(to_first, to_others, apart) == pytest.approx(0.5, abs=1e-3)
    assert f.copy_rate(to_first, to_others, np.array([1.0])) == 0.5, "equal references tell nothing"


def test_moving_takes_the_greatest_twentieth() -> None:
    magnitudes = np.arange(40.0).reshape(5, 8)
    assert f.moving(magnitudes) == 38.5


@pytest.mark.parametrize(
    ("motions", "frames", "fps", "dynamic"),
    [
        ([7, 7, 0, 0, 0, 0, 0], 8, 8, True),  # limit 6 at 256 pixels, two of eight frames needed
        ([7, 0, 0, 0, 0, 0, 0], 8, 8, False),
        ([7, 7, 0, 0, 0, 0, 0], 8, 4, False),  # at four frames a second the limit is 12
        ([6, 6, 6], 4, 8, False),  # it must be exceeded
    ],
)
def test_dynamic_degree(motions: list[float], frames: int, fps: float, dynamic: bool) -> None:
    assert f.is_dynamic(motions, 256, frames, fps) is dynamic


def test_decibels() -> None:
    black, grey = np.zeros((2, 2, 3), dtype=np.uint8), np.full((2, 2, 3), 51, dtype=np.uint8)
    assert f.decibels(black, grey) == pytest.approx(20 * np.log10(5))
    assert f.decibels(black, black) == 100


@pytest.mark.parametrize(("gap", "label"), [(1, "1"), (2, "2-3"), (3, "2-3"), (7, "4-7"), (15, "8-15"), (48, "16+")])
def test_gap_labels(gap: int, label: str) -> None:
    assert f.gap_label(gap) == label
