"""Registers the storyworld's planner and metric, as a third party would."""

from __future__ import annotations

from storymem.plugin import Register, hookimpl
from storymem_storyworld.settings import EpisodeSettings, ReadoutSettings


@hookimpl
def storymem_script_planners(register: Register) -> None:
    """Register ``storyworld``: random stories whose truth is known."""
    register(
        "storyworld",
        "storymem_storyworld.stories.planner:EpisodePlanner",
        settings=EpisodeSettings,
        summary="Draw a random story of the storyworld, with characters and places that leave and come back.",
    )


@hookimpl
def storymem_metrics(register: Register) -> None:
    """Register ``storyworld``; torch is imported when it is first used."""
    register(
        "storyworld",
        "storymem_storyworld.measure.metric:StoryworldMetric",
        settings=ReadoutSettings,
        requires=("torch", "safetensors"),
        install="storymem[wan]",
        summary="Identity drift, presence, place drift and prompt adherence of a storyworld film, read from its clips.",
    )
