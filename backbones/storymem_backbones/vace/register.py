"""Registers the VACE backbone, as a third party would."""

from storymem.plugin import Register, hookimpl
from storymem_backbones.vace.settings import VaceSettings
from storymem_backbones.wan.register import INSTALL, REQUIRES


@hookimpl
def storymem_backbones(register: Register) -> None:
    """Register ``vace``; torch and diffusers are imported when it is first used."""
    register(
        "vace",
        "storymem_backbones.vace.backbone:VaceBackbone",
        settings=VaceSettings,
        requires=REQUIRES,
        install=INSTALL,
        summary="Wan-VACE 1.3B or 14B on diffusers: memory as reference images, first and last frames held.",
    )
