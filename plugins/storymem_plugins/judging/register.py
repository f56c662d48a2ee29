"""Registers the judge, of evaluations and in the accept gate; its client library is imported when it is first used."""

from __future__ import annotations

from storymem.plugin import Register, hookimpl
from storymem_plugins.judging.settings import JudgeFilterSettings, JudgeSettings


@hookimpl
def storymem_encoders(register: Register) -> None:
    """Register ``vision_judge``."""
    register(
        "vision_judge",
        "storymem_plugins.judging.judge:VisionJudge",
        settings=JudgeSettings,
        requires=("openai", "httpx2"),
        install="storymem[llm]",
        summary="A vision-language model behind an OpenAI-compatible server, as a judge of pictures.",
    )


@hookimpl
def storymem_frame_filters(register: Register) -> None:
    """Register ``vision_judge`` as a filter."""
    register(
        "vision_judge",
        "storymem_plugins.judging.gate:JudgeFilter",
        settings=JudgeFilterSettings,
        requires=("openai", "httpx2"),
        install="storymem[llm]",
        summary="A vision-language model that compares frames with the prompt and advises the next attempt.",
    )
