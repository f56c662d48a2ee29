"""Keeping the colours of a shot that continues without a cut.

Its first frames repeat those it was given, seen through the VAE and the model: a little darker or flatter, the same way
every time, so that a chain of shots fades. The frames it repeats tell by how much. Not in the paper. Plain numpy.
"""

import numpy as np

from storymem.values.clip import Frames

_FLAT = 1.0  # levels; a channel that varies less has no contrast to go by
_MOST = 1.1  # more than this is no fading but another picture


def match_handover(clip: Frames, handed_over: Frames) -> Frames:
    """Shift and scale each colour channel of a whole clip by what makes its repeated frames like those handed over.

    Args:
        clip: uint8 RGB (F, H, W, 3); its first C frames repeat `handed_over`.
        handed_over: uint8 RGB (C, any, any, 3), C at least 1.

    Returns:
        uint8 RGB (F, H, W, 3), whose first C frames have the mean and the deviation of `handed_over` in each channel,
        but for rounding and clipping; contrast changes by at most a tenth.
    """
    mean, deviation = _statistics(clip[: len(handed_over)])
    wanted, wanted_deviation = _statistics(handed_over)
    plain = np.minimum(deviation, wanted_deviation) < _FLAT
    gain = np.where(plain, 1.0, wanted_deviation / np.maximum(deviation, _FLAT)).clip(1 / _MOST, _MOST)
    levels = np.arange(256)[:, None]
    table = np.rint((levels - mean) * gain + wanted).clip(0, 255).astype(np.uint8)
    matched: Frames = np.stack([table[clip[..., channel], channel] for channel in range(3)], axis=-1)
    return matched


def _statistics(frames: Frames) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of each channel, (3,)."""
    return frames.mean(axis=(0, 1, 2)), frames.std(axis=(0, 1, 2))
