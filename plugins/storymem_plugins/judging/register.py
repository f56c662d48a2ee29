"""Registers the judge; its client library is imported when it is first used."""

from __future__ import annotations

from storymem.plugin import Register, hookimpl
from storymem_plugins.judging.settings import JudgeSettings


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
