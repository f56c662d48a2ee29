"""Exposure and sharpness on pictures whose answer is known."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from storymem_plugins.selection.exposure import ExposureFilter, ExposureSettings
from storymem_plugins.selection.frames import small_luma
from storymem_plugins.selection.sharpness import SharpnessFilter, SharpnessSettings


def drawing(width=832, height=480):
    """A storyboard panel: pale sky, ground, one soft-coloured figure, thin lines."""
    image = Image.new("RGB", (width, height), (226, 232, 236))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, height * 2 // 3, width, height), fill=(196, 206, 184))
    draw.ellipse((width // 3, height // 4, width // 2, height * 3 // 4), fill=(214, 170, 150), outline=(60, 60, 60))
    return image


def judge(frame_filter, context_of, *images):
    context = context_of(np.stack([np.asarray(image) for image in images]))
    return frame_filter.judge(range(len(images)), context)


@pytest.mark.parametrize(
    ("colour", "reason"),
    [((0, 0, 0), "black"), ((255, 255, 255), "white"), ((120, 60, 90), "flat"), ((9, 12, 8), "black")],
)
def test_exposure_refuses_empty_frames(context_of, colour, reason):
    (verdict,) = judge(ExposureFilter(), context_of, Image.new("RGB", (160, 96), colour))
    assert not verdict.keep
    assert verdict.reason == f"{reason} frame"
    assert verdict.score < verdict.threshold == 20.0


def test_exposure_keeps_drawings_and_ignores_stray_pixels(context_of):
    black = Image.new("RGB", (832, 480))
    black.putpixel((400, 200), (255, 255, 255))
    kept, refused = judge(ExposureFilter(), context_of, drawing(), black)
    assert kept.keep
    assert kept.reason == ""
    assert refused.reason == "black frame"


def test_exposure_limit_is_a_setting(context_of):
    (verdict,) = judge(ExposureFilter(ExposureSettings(spread=200)), context_of, drawing())
    assert (verdict.keep, verdict.threshold) == (False, 200)


def test_sharpness_refuses_the_blurred_version_only(context_of):
    sharp = drawing()
    verdicts = judge(SharpnessFilter(), context_of, sharp, sharp.filter(ImageFilter.GaussianBlur(16)))
    assert [v.keep for v in verdicts] == [True, False]
    assert verdicts[1].reason == "blurred"


def test_more_blur_is_a_lower_score(context_of):
    blurs = [drawing().filter(ImageFilter.GaussianBlur(radius)) for radius in (0, 2, 4, 8, 16)]
    scores = [v.score for v in judge(SharpnessFilter(), context_of, *blurs)]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("factor", [2, 5])
def test_sharpness_does_not_depend_on_resolution(context_of, factor):
    small = drawing(160, 96)
    large = small.resize((160 * factor, 96 * factor), Image.Resampling.NEAREST)
    (one,), (other,) = (
        judge(SharpnessFilter(), context_of, small),
        judge(SharpnessFilter(), context_of, large),
    )
    assert one.score == pytest.approx(other.score)


def test_a_large_flat_frame_has_no_sharpness(context_of):
    (verdict,) = judge(SharpnessFilter(SharpnessSettings(threshold=0.5)), context_of, Image.new("RGB", (832, 480)))
    assert (verdict.keep, verdict.score) == (False, 0.0)


def test_small_luma_shrinks_and_never_enlarges():
    frame = np.asarray(drawing())
    assert small_luma(frame, 96).shape == (96, 166)
    assert small_luma(frame, 2000).shape == (480, 832)


def test_storyworld_frames_pass(context_of):
    pytest.importorskip("torch")
    import random

    from storymem_storyworld.draw.render import render
    from storymem_storyworld.world.sample import sample_spec

    pictures = render([sample_spec(random.Random(seed)) for seed in range(8)], frames=1)[:, 0]
    frames = ((pictures.permute(0, 2, 3, 1) + 1) * 127.5).round().byte().numpy()
    context = context_of(frames)
    for frame_filter in (ExposureFilter(), SharpnessFilter()):
        assert all(v.keep for v in frame_filter.judge(range(8), context))
