"""How a shot follows the one before it: what is handed over, and how the two join in the film."""

from __future__ import annotations

import numpy as np

from storymem.interfaces.plugin import Plugin, SettingsT
from storymem.values.clip import Frames


class Transition(Plugin[SettingsT]):
    """The way *into* a shot. Its three numbers are counts of frames."""

    @property
    def handover(self) -> int:
        """How many of the previous shot's last frames the backbone gets (0 for a cut)."""
        return 0

    @property
    def drop(self) -> int:
        """How many frames at the start of this shot repeat the previous one and stay out of the film."""
        return 0

    @property
    def overlap(self) -> int:
        """How many frames of both shots are blended into each other in the film."""
        return 0

    def blend(self, tail: Frames, head: Frames) -> Frames:
        """Blend the end of one shot into the start of the next.

        Args:
            tail: The previous shot's last n frames, uint8 (n, H, W, 3). n is ``overlap``, or as many as last as long
                where finishers change the frame rate.
            head: This shot's first n frames after dropping, same shape.

        Returns:
            n frames of the same shape. The default is a linear cross-fade.
        """
        n = len(tail)
        weight = ((np.arange(n, dtype=np.float32) + 1) / (n + 1))[:, None, None, None]
        return np.rint(tail * (1 - weight) + head * weight).astype(np.uint8)
