"""Legal sizes, frame counts and modes of Wan M2V, as plain arithmetic.

Knows nothing about tensors or models, so settings and estimates can use it without importing torch.
"""

import math

from storymem.values.request import Mode, mode_of
from storymem_backbones.diffusion.errors import GeometryError

SPATIAL_STRIDE = 8
TEMPORAL_STRIDE = 4
LATENT_CHANNELS = 16
MASK_CHANNELS = 4
INPUT_CHANNELS = 2 * LATENT_CHANNELS + MASK_CHANNELS
SIZE_MULTIPLE = 2 * SPATIAL_STRIDE


CONDITION_FRAMES = {Mode.T2V: 0, Mode.M2V: 0, Mode.MI2V: 1, Mode.MM2V: 5}
"""Frames of the previous shot that open a clip of each mode (paper section 3.4)."""


def checked_mode(*, memory_frames: int, condition_frames: int) -> Mode:
    """Return the mode for these counts of memory keyframes and of frames of the previous shot.

    Raises:
        GeometryError: If the number of condition frames is not one the model was trained with.
    """
    if condition_frames not in CONDITION_FRAMES.values():
        raise GeometryError(
            f"{condition_frames} handed-over frames: Wan M2V takes 0 (a cut), 1 (the last frame) or 5 (the last five)"
        )
    return mode_of(handover=condition_frames, memory=memory_frames)


def latent_frames(frames: int) -> int:
    """Latent frames T of a clip of `frames` pixels frames: (F - 1) / 4 + 1."""
    return (legal_frames(frames) - 1) // TEMPORAL_STRIDE + 1


def legal_frames(frames: int) -> int:
    """Return `frames` if it is 4n + 1.

    Raises:
        GeometryError: Otherwise, naming the nearest legal count.
    """
    nearest = max(1, round((frames - 1) / TEMPORAL_STRIDE) * TEMPORAL_STRIDE + 1)
    if frames != nearest:
        raise GeometryError(f"{frames} frames: the model makes 4n+1 frames; the nearest is {nearest}")
    return frames


def legal_size(height: int, width: int) -> tuple[int, int]:
    """Return (height, width) if both are positive multiples of 16 pixels.

    Raises:
        GeometryError: Otherwise, naming the nearest legal size.
    """
    nearest = tuple(max(1, round(side / SIZE_MULTIPLE)) * SIZE_MULTIPLE for side in (height, width))
    if (height, width) != nearest:
        raise GeometryError(
            f"size {width}x{height}: width and height must be multiples of {SIZE_MULTIPLE}; "
            f"the nearest is {nearest[1]}x{nearest[0]}"
        )
    return height, width


def m2v_size(image_height: int, image_width: int, max_area: int) -> tuple[int, int]:
    """Output (height, width) for an image's aspect and an area in pixels, as the public code has it.

    The aspect is that of the first frame, else of the motion frames, else of the first memory image.

    Raises:
        GeometryError: If a side is not positive or the area is too small for one patch.
    """
    if min(image_height, image_width, max_area) < 1:
        raise GeometryError(f"an image of {image_width}x{image_height} and an area of {max_area}: all must be positive")
    aspect = image_height / image_width
    height, width = (_patch_aligned(max_area * aspect), _patch_aligned(max_area / aspect))
    if min(height, width) < SIZE_MULTIPLE:
        raise GeometryError(f"an area of {max_area} pixels at {image_width}x{image_height} leaves no room for a patch")
    return height, width


def _patch_aligned(square: float) -> int:
    return round(math.sqrt(square)) // SPATIAL_STRIDE // 2 * SIZE_MULTIPLE
