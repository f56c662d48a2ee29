"""Pictures of odd kinds become RGB; pixels and frames go both ways."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis.extra import numpy as hnp
from PIL import Image

from storymem_backbones.diffusion.errors import ConditioningError
from storymem_backbones.diffusion.frames import as_rgb, to_frames, to_pixels

GREY = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20


@pytest.mark.parametrize(
    "picture",
    [
        GREY,
        GREY[..., None],
        np.stack([GREY] * 3, axis=-1),
        np.stack([GREY, GREY, GREY, np.full_like(GREY, 255)], axis=-1),
        Image.fromarray(GREY),
    ],
    ids=["grey", "one channel", "rgb", "opaque rgba", "pil grey"],
)
def test_every_mode_becomes_the_same_rgb(picture):
    rgb = as_rgb(picture)
    assert rgb.dtype == np.uint8
    assert np.array_equal(rgb, np.stack([GREY] * 3, axis=-1))


def test_transparency_is_laid_on_white():
    clear = np.zeros((2, 2, 4), dtype=np.uint8)
    assert (as_rgb(clear) == 255).all()


def test_exif_rotation_is_applied():
    image = Image.fromarray(np.stack([GREY] * 3, axis=-1))
    image.getexif()[0x0112] = 6
    assert np.array_equal(as_rgb(image), np.rot90(np.stack([GREY] * 3, axis=-1), -1))


@pytest.mark.parametrize(
    "picture",
    [
        GREY.astype(np.float32),
        np.zeros((2, 2, 5), np.uint8),
        np.zeros((0, 2, 3), np.uint8),
        np.zeros(4, np.uint8),
    ],
)
def test_what_is_no_picture_is_refused(picture):
    with pytest.raises(ConditioningError, match="give uint8"):
        as_rgb(picture)


@given(hnp.arrays(np.uint8, (2, 3, 4, 3)))
def test_there_and_back(frames):
    pixels = to_pixels(frames)
    assert pixels.shape == (2, 3, 3, 4)
    assert pixels.abs().max() <= 1
    assert np.array_equal(to_frames(pixels.transpose(0, 1)), frames)


def test_pixels_out_of_range_are_clamped():
    assert to_frames(torch.tensor([-3.0, 0.0, 3.0]).view(3, 1, 1, 1)).ravel().tolist() == [0, 128, 255]
