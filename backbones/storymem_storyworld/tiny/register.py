"""Registers the embedded model, as a third party would, with the encoder and quality head trained beside it."""

from __future__ import annotations

from storymem.plugin import Register, hookimpl
from storymem_backbones.wan.register import INSTALL, REQUIRES
from storymem_storyworld.tiny.settings import CLIP, QUALITY_HEAD, TinySettings

#: What suits films of the storyworld: its own CLIP, StoryMem's selection with it, its quality head as a filter, a
#: memory of four: with eight it confuses characters more often (benchmarks/results/storyworld.md), and a film of a size
#: people can look at. Interpolation comes before the upsampler because it is cheap on small pictures only.
SUGGESTS = {
    "budget": 4,
    "encoder": {"name": "clip", "model": str(CLIP)},
    "selector": {"name": "semantic"},
    "filters": [{"name": "aesthetic", "head": str(QUALITY_HEAD)}],
    "finish": [{"name": "interpolate", "fps": 24}, "storyworld_upscale"],
}


@hookimpl
def storymem_backbones(register: Register) -> None:
    """Register ``tiny``; torch and diffusers are imported when it is first used."""
    register(
        "tiny",
        "storymem_storyworld.tiny.backbone:TinyBackbone",
        settings=TinySettings,
        requires=REQUIRES,
        install=INSTALL,
        summary="The embedded model: a small Wan M2V of a drawn world, with its weights, for any processor.",
        suggests=SUGGESTS,
        default_for=("backbone",),
    )
