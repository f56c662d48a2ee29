"""The four built-in transitions.

They are counts of frames and, for a dissolve, a blend. They know nothing about scripts, graphs or backbones.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from storymem.interfaces import PluginSettings, Transition


class Cut(Transition):
    """A hard cut: nothing is handed over, nothing is dropped."""


class FirstFrame(Transition):
    """The shot starts from the last frame of the one before it (MI2V; StoryMem, section 3.4)."""

    @property
    def handover(self) -> int:
        """One frame, which the backbone repeats as its first."""
        return 1

    @property
    def drop(self) -> int:
        """The repeated frame."""
        return 1


class MotionSettings(PluginSettings):
    """Settings of :class:`Motion`.

    Attributes:
        frames: How many last frames are handed over. Video models that compress 4 frames into one latent want
            4n+1; StoryMem uses 5.
    """

    frames: Annotated[int, Field(ge=1, le=81)] = 5


class Motion(Transition[MotionSettings]):
    """The shot continues from the last frames of the one before it, so motion continues (MM2V; section 3.4)."""

    @property
    def handover(self) -> int:
        """``settings.frames``, which the backbone repeats at its start."""
        return self.settings.frames

    @property
    def drop(self) -> int:
        """The repeated frames."""
        return self.settings.frames


class DissolveSettings(PluginSettings):
    """Settings of :class:`Dissolve`.

    Attributes:
        frames: Length of the cross-fade. The film is shorter than its shots by this many frames.
    """

    frames: Annotated[int, Field(ge=1, le=240)] = 8


class Dissolve(Transition[DissolveSettings]):
    """The two shots, made separately, fade into each other in the film."""

    @property
    def overlap(self) -> int:
        """``settings.frames`` of both shots become one linear cross-fade."""
        return self.settings.frames
