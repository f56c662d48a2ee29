"""Settings of the embedded model. Plain data: importing this module imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from storymem.interfaces import NotInFingerprint
from storymem_backbones.wan.settings import WanSettings

FOLDER = Path(__file__).parent
WEIGHTS = FOLDER / "weights"
CLIP = FOLDER.parent / "clip" / "weights"
QUALITY_HEAD = CLIP / "quality_head.safetensors"


class TinySettings(WanSettings):
    """The settings of :class:`WanSettings`, with the weights that come with the package and the processor to run on."""

    weights: str = str(WEIGHTS)
    negative_prompt: str = ""
    profile: Annotated[str, NotInFingerprint()] = "cpu"
