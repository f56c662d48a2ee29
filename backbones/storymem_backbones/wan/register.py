"""Registers the Wan backbone, as a third party would."""

from storymem.plugin import Register, hookimpl
from storymem_backbones.wan.settings import WanSettings

#: What every backbone of these classes imports, and what to install for it.
REQUIRES = ("torch", "diffusers", "transformers", "peft", "safetensors", "accelerate")
INSTALL = "storymem[wan]"


@hookimpl
def storymem_backbones(register: Register) -> None:
    """Register ``wan``; torch and diffusers are imported when it is first used."""
    register(
        "wan",
        "storymem_backbones.wan.backbone:WanBackbone",
        settings=WanSettings,
        requires=REQUIRES,
        install=INSTALL,
        summary="Wan 2.2 with StoryMem's memory-to-video LoRA on diffusers, from one 24 GB card to many GPUs.",
    )
