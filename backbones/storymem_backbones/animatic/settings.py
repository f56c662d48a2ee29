"""The settings of the animatic backbone."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from storymem.interfaces import PluginSettings


class AnimaticSettings(PluginSettings):
    """What is drawn over the picture, and how strongly the camera moves.

    Attributes:
        captions: Write the prompt into the lower third.
        memory_strip: Show the recalled keyframes as thumbnails.
        slate: Show the mode, the framing, who is seen, and the seed.
        move_strength: 0 holds the camera still, 1 is a calm move, 2 is twice as far.
        grain: Strength of the paper grain; 0.6 is pleasant, and makes lossless takes three times larger.
        ease_frames: Frames in which a handed-over picture turns into the new drawing.
        font: TrueType or OpenType file for captions in scripts that the built-in Latin font lacks.
    """

    captions: bool = True
    memory_strip: bool = True
    slate: bool = True
    move_strength: Annotated[float, Field(ge=0, le=2)] = 1.0
    grain: Annotated[float, Field(ge=0, le=1)] = 0.0
    ease_frames: Annotated[int, Field(ge=1, le=240)] = 12
    font: str = ""
