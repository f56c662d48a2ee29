"""Registers the upsampler, as a third party would; torch is imported when it is first used."""

from __future__ import annotations

from storymem.plugin import Register, hookimpl
from storymem_storyworld.upscale.settings import UpscaleSettings


@hookimpl
def storymem_finishers(register: Register) -> None:
    """Register ``storyworld_upscale``."""
    register(
        "storyworld_upscale",
        "storymem_storyworld.upscale.finisher:StoryworldUpscale",
        settings=UpscaleSettings,
        requires=("torch", "safetensors"),
        install="storymem[wan]",
        summary="Four times the size with crisp lines, for films of the embedded model.",
    )
