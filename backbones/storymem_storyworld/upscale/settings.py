"""Settings of the upsampler. Plain data: importing this module imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from storymem.interfaces import NotInFingerprint, PluginSettings


class UpscaleSettings(PluginSettings):
    """Settings of the finisher ``storyworld_upscale``.

    Attributes:
        weights: Folder of the network, as the trainer writes it; none comes with the package yet.
    """

    weights: Annotated[Path, NotInFingerprint()] = Path(__file__).parent / "weights"
