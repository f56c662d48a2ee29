"""Registers the animatic backbone, as a third party would."""

from __future__ import annotations

from storymem.plugin import Register, hookimpl
from storymem_backbones.animatic.settings import AnimaticSettings


@hookimpl
def storymem_backbones(register: Register) -> None:
    """Register ``animatic``; its drawing code is imported when it is first used."""
    register(
        "animatic",
        "storymem_backbones.animatic.backbone:Animatic",
        settings=AnimaticSettings,
        summary="Draw an instant storyboard preview of every shot, without any model.",
        default_for=("backbone without a model",),
    )
