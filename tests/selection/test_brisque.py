"""BRISQUE: fits against distributions that are known, a regression worked out by hand, and files that are none."""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from storymem.errors import MediaError, SettingsError
from storymem.interfaces import ClipContext
from storymem.testing.filters import FilterContract
from storymem.values.clip import Clip
from storymem_plugins.selection.brisque import BrisqueFilter, BrisqueSettings, read_regression
from storymem_plugins.selection.natural_statistics import FEATURES, features, fit, normalised

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import real_data

CACHE = Path(os.environ.get("TEST_STORYMEM_REAL_DATA", real_data.default_cache()))
PUBLISHED = CACHE / f"{real_data.BRISQUE.name}-{real_data.BRISQUE.version}" / real_data.BRISQUE.inside
NATURAL = CACHE / f"{real_data.CLIPS.name}-{real_data.CLIPS.version}" / real_data.CLIPS.inside

HEAD = "svm_type epsilon_svr\nkernel_type rbf\ngamma 0.5\nnr_class 2\ntotal_sv 2\nrho -10\nSV\n"


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """A regression of two support vectors; ranges 0 .. 2 scale a feature of 1 to 0."""
    (tmp_path / "svm.txt").write_text(HEAD + "30 1:1\n-4 36:-1\n")
    rows = "".join(f"{i} 0 2\n" for i in range(1, FEATURES + 1))
    (tmp_path / "ranges.txt").write_text(f"x\n-1 1\n{rows}")
    return {"model": tmp_path / "svm.txt", "ranges": tmp_path / "ranges.txt"}


def picture(height: int = 64, width: int = 96, seed: int = 0) -> Any:
    """Return smooth noise, which has edges at every size as natural pictures have."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(height, width))
    spectrum = np.fft.rfft2(noise) / (0.05 + np.hypot(*np.meshgrid(np.fft.rfftfreq(width), np.fft.fftfreq(height))))
    plane = np.fft.irfft2(spectrum, s=(height, width))
    scaled = (plane - plane.min()) / np.ptp(plane) * 255
    return np.repeat(scaled[..., None], 3, axis=2).astype(np.uint8)


class TestBrisque(FilterContract):
    @pytest.fixture
    def frame_filter(self, files: dict[str, Path]) -> BrisqueFilter:
        return BrisqueFilter(BrisqueSettings(**files, threshold=80))


def test_a_regression_worked_out_by_hand(files: dict[str, Path]) -> None:
    found = np.ones(FEATURES)
    # Scaled to zeros: both vectors are at distance 1, so 30 exp(-.5) - 4 exp(-.5) + 10.
    assert read_regression(**files)(found) == pytest.approx(26 * np.exp(-0.5) + 10)
    found[0] = 2.0  # scaled to 1, on the first vector and at distance 2 from the second
    assert read_regression(**files)(found) == pytest.approx(30 - 4 * np.exp(-1.0) + 10)


@given(seed=st.integers(0, 2**16), left=st.floats(0.3, 2), right=st.floats(0.3, 2))
def test_a_fit_finds_the_distribution_that_was_drawn(seed: int, left: float, right: float) -> None:
    rng = np.random.default_rng(seed)
    values = np.abs(rng.normal(size=40_000))
    values[: len(values) // 2] *= right
    values[len(values) // 2 :] *= -left
    shape, mean, left_square, right_square = fit(values)
    assert np.sqrt([left_square, right_square]) == pytest.approx([left, right], rel=0.03)
    assert np.sign(mean) == np.sign(right_square - left_square)
    if abs(left - right) < 0.02:
        assert shape == pytest.approx(2, abs=0.1), "a Gaussian has the shape 2"


def test_a_laplacian_has_the_shape_of_one() -> None:
    assert fit(np.random.default_rng(1).laplace(size=100_000))[0] == pytest.approx(1, abs=0.03)


def test_normalised_luma_is_free_of_light_and_contrast() -> None:
    luma = picture()[..., 0].astype(float)
    inner = (slice(8, -8), slice(8, -8))
    assert normalised(luma)[inner] == pytest.approx(normalised(2 * luma + 30)[inner], abs=0.3)
    assert abs(normalised(luma)[inner].mean()) < 0.1


def test_a_flat_frame_is_no_error(files: dict[str, Path]) -> None:
    flat = np.zeros((40, 40, 3), np.uint8)
    assert np.isfinite(features(flat)).all()
    (verdict,) = BrisqueFilter(BrisqueSettings(**files)).judge([0], ClipContext(Clip(flat[None], 16)))
    assert np.isfinite(verdict.score)


def test_blur_and_noise_move_the_features_apart() -> None:
    clean = picture(128, 128)
    blurred = np.asarray(Image.fromarray(clean).filter(ImageFilter.GaussianBlur(3)))
    noise = np.random.default_rng(2).normal(0, 40, clean.shape[:2])[..., None]
    noisy = np.clip(clean + noise, 0, 255).astype(np.uint8)
    variance = [features(one)[1] for one in (blurred, clean, noisy)]
    assert variance[0] < variance[1] < variance[2]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("model", b"\xff\xfe", "is no LIBSVM regression"),
        ("model", b"svm_type c_svc\nkernel_type rbf\nSV\n1 1:1\n", "no epsilon_svr"),
        ("model", (HEAD + "1 37:1\n").encode(), "feature 37 of 36"),
        ("model", (HEAD + "nan 1:1\n").encode(), "no finite support vectors"),
        ("model", HEAD.encode(), "no finite support vectors"),
        ("ranges", b"x\n-1 1\n1 0 2\n", "wants 36 finite ranges"),
        ("ranges", b"x\n0 1\n", "is not svm-scale's"),
        ("ranges", pickle.dumps({"min_": [1.0] * 36, "max_": [1.0] * 36}), "from less to more"),
        ("ranges", pickle.dumps({"min_": Path("x"), "max_": []}), "only plain lists are read"),
        ("ranges", b"\x80", "has no ranges"),
    ],
)
def test_a_file_that_is_none_is_one_line(files: dict[str, Path], name: str, content: bytes, message: str) -> None:
    files[name].write_bytes(content)
    with pytest.raises(SettingsError, match=message) as caught:
        BrisqueFilter(BrisqueSettings(**files))
    assert str(files[name]) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_and_tiny(files: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        BrisqueFilter(BrisqueSettings(model=tmp_path / "none.txt", ranges=files["ranges"]))
    tiny = ClipContext(Clip(np.zeros((1, 6, 6, 3), np.uint8), 16))
    with pytest.raises(MediaError, match="6x6 are too small"):
        BrisqueFilter(BrisqueSettings(**files)).judge([0], tiny)


def test_it_travels_to_other_processes_and_its_files_count(files: dict[str, Path]) -> None:
    one = BrisqueFilter(BrisqueSettings(**files))
    assert pickle.loads(pickle.dumps(one)).fingerprint() == one.fingerprint()
    files["model"].write_text(HEAD + "31 1:1\n")
    assert BrisqueFilter(BrisqueSettings(**files)).fingerprint() != one.fingerprint()


@pytest.mark.skipif(
    not PUBLISHED.is_dir() or not NATURAL.is_dir(),
    reason="needs real clips and weights: python benchmarks/real_data.py, or TEST_STORYMEM_REAL_DATA=FOLDER",
)
def test_the_published_regression_tells_clean_frames_from_spoilt_ones() -> None:
    judge = BrisqueFilter(BrisqueSettings(model=PUBLISHED / "svm.txt", ranges=PUBLISHED / "normalize.pickle"))
    (_, clip) = next(iter(real_data.real_clips(CACHE)))
    clean = Image.fromarray(clip.frames[0])
    noise = np.random.default_rng(0).normal(0, 25, clip.frames[0].shape)
    spoilt = [np.asarray(clean.filter(ImageFilter.GaussianBlur(4))), np.clip(clip.frames[0] + noise, 0, 255)]
    frames = np.stack([clip.frames[0], *spoilt]).astype(np.uint8)
    assert [v.keep for v in judge.judge(range(3), ClipContext(Clip(frames, 16)))] == [True, False, False]
