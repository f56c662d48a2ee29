"""The built-in finishers: what they change, and what they leave exactly as it was."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from storymem.values.clip import Clip, Frames, VideoFormat
from storymem_plugins.finishing.colour_match import ColourMatch, ColourMatchSettings
from storymem_plugins.finishing.interpolate import Interpolate, InterpolateSettings
from storymem_plugins.finishing.resize import Resize, ResizeSettings


def go_on(step: int, total: int) -> None:
    """Progress that nobody looks at."""


def textured(count: int = 6, size: tuple[int, int] = (80, 48), seed: int = 0) -> Frames:
    """Return smooth colour noise that moves to the right, two pixels a frame."""
    random = np.random.default_rng(seed)
    small = Image.fromarray(random.integers(20, 230, size=(6, 10, 3), dtype=np.uint8))
    wide = np.asarray(small.resize((size[0] + 2 * count, size[1]), Image.Resampling.BICUBIC))
    return np.stack([wide[:, 2 * (count - i) : 2 * (count - i) + size[0]] for i in range(count)])


class TestResize:
    def test_is_lanczos(self) -> None:
        clip = Clip(textured(), 16)
        made = Resize(ResizeSettings(scale=3)).finish(clip, None, go_on)
        assert made.format == VideoFormat(240, 144, 16)
        pillow = np.stack(
            [np.asarray(Image.fromarray(f).resize((240, 144), Image.Resampling.LANCZOS)) for f in clip.frames]
        )
        assert np.abs(made.frames.astype(int) - pillow).mean() < 1.0

    def test_colours_do_not_bleed(self) -> None:
        """A red field stays pure red: no colour is computed from another."""
        frames = np.zeros((2, 16, 16, 3), dtype=np.uint8)
        frames[:, 4:12, 4:12, 0] = 255
        made = Resize().finish(Clip(frames, 8), None, go_on)
        assert made.frames[..., 1:].max() == 0
        assert made.frames[..., 0].max() == 255

    def test_odd_results_are_rounded_to_even_sizes(self) -> None:
        assert Resize(ResizeSettings(scale=1.3)).output(VideoFormat(160, 96, 16)) == VideoFormat(208, 124, 16)
        assert Resize(ResizeSettings(scale=0.01)).output(VideoFormat(160, 96, 16)) == VideoFormat(2, 2, 16)


class TestInterpolate:
    @pytest.mark.parametrize(("fps", "count"), [(24, 62), (25, 64), (30, 77), (32, 82), (16, 41), (8, 21)])
    def test_the_usual_rates(self, fps: int, count: int) -> None:
        clip = Clip(textured(41, (40, 32)), 16)
        made = Interpolate(InterpolateSettings(fps=fps)).finish(clip, None, go_on)
        assert (len(made), made.fps) == (count, fps)

    @pytest.mark.parametrize("mode", ["motion", "blend", "repeat"])
    def test_frames_that_are_there_stay_exact(self, mode: str) -> None:
        clip = Clip(textured(9), 16)
        made = Interpolate(InterpolateSettings(fps=24, mode=mode)).finish(clip, None, go_on)
        assert np.array_equal(made.frames[::3], clip.frames[::2])

    def test_what_moves_is_in_between(self) -> None:
        """At twice the rate every other frame is new, and what moves has gone half the way."""
        clip = Clip(textured(8), 16)
        made = Interpolate(InterpolateSettings(fps=32)).finish(clip, None, go_on)
        for index in range(2, 6):
            before, after = clip.frames[index].astype(float), clip.frames[index + 1].astype(float)
            between = made.frames[2 * index + 1].astype(float)
            moved = np.roll(before, 1, axis=1)  # two pixels a frame: one pixel at half the way
            assert np.abs(between - moved)[:, 2:-2].mean() < 0.5 * np.abs(before - after).mean()

    def test_the_end_is_held(self) -> None:
        clip = Clip(textured(5), 16)
        made = Interpolate(InterpolateSettings(fps=32)).finish(clip, None, go_on)
        assert len(made) == 10
        assert np.abs(made.frames[-1].astype(int) - clip.frames[-1]).max() <= 2

    def test_a_single_frame(self) -> None:
        clip = Clip(textured(1), 16)
        made = Interpolate(InterpolateSettings(fps=24)).finish(clip, None, go_on)
        assert np.array_equal(made.frames[0], clip.frames[0])


class TestColourMatch:
    def test_a_drift_is_taken_back(self) -> None:
        """The shot continues from the one before, brighter, flatter and redder: it comes back within a level or two."""
        whole = textured(12)
        drift = whole[6:].astype(float) * 0.95 + np.array([12.0, 4.0, 2.0])
        shot = Clip(np.rint(drift).clip(0, 255).astype(np.uint8), 16)
        made = ColourMatch().finish(shot, Clip(whole[:6], 16), go_on)
        before = np.abs(shot.frames.astype(int) - whole[6:]).mean()
        after = np.abs(made.frames.astype(int) - whole[6:]).mean()
        assert before > 3
        assert after < 1.5

    def test_a_chain_is_held_to_its_first_shot(self) -> None:
        whole = textured(30)
        previous: Clip | None = None
        for number in range(5):
            part = whole[6 * number : 6 * number + 6].astype(float) + 5.0 * number  # five levels more a shot
            shot = Clip(np.rint(part).clip(0, 255).astype(np.uint8), 16)
            previous = ColourMatch().finish(shot, previous, go_on)
        assert previous is not None
        assert np.abs(previous.frames.astype(int) - whole[24:]).mean() < 5  # 20 without it

    def test_a_steady_chain_is_left_alone(self) -> None:
        """What moves is no drift: a shot that continues with the same picture stays as it is, but for rounding."""
        whole = textured(24)
        made = ColourMatch().finish(Clip(whole[12:], 16), Clip(whole[:12], 16), go_on)
        assert np.abs(made.frames.astype(int) - whole[12:]).max() <= 1

    def test_without_a_shot_before_nothing_changes(self) -> None:
        clip = Clip(textured(), 16)
        assert np.array_equal(ColourMatch().finish(clip, None, go_on).frames, clip.frames)

    @settings(max_examples=20, deadline=None)
    @given(st.integers(0, 1000), st.floats(0.01, 0.3))
    def test_no_correction_is_larger_than_allowed(self, seed: int, most: float) -> None:
        one, other = Clip(textured(2, seed=seed), 16), Clip(textured(2, seed=seed + 1), 16)
        made = ColourMatch(ColourMatchSettings(most=most)).finish(one, other, go_on)
        change = np.abs(made.frames.astype(float) - one.frames)
        assert change.max() <= 255 * most + 255 * most + 1  # an offset, and a factor on a distance from the mean

    def test_a_flat_picture_keeps_its_contrast(self) -> None:
        flat = Clip(np.full((2, 32, 32, 3), 100, dtype=np.uint8), 16)
        made = ColourMatch().finish(Clip(textured(2), 16), flat, go_on)
        assert made.frames.std() == pytest.approx(textured(2).std(), rel=0.15)
