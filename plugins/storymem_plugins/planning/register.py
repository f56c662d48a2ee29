"""Registers the built-in planners, as a third party would. The client libraries load when first used."""

from __future__ import annotations

from storymem.plugin import Register, hookimpl
from storymem_plugins.planning.outline import Outline
from storymem_plugins.planning.settings import LlmSettings, LocalSettings


@hookimpl
def storymem_script_planners(register: Register) -> None:
    """Register all built-in planners."""
    register("outline", Outline, default_for=("planner",))
    register(
        "llm",
        "storymem_plugins.planning.llm:LlmPlanner",
        settings=LlmSettings,
        requires=("openai",),
        install="storymem[llm]",
        summary="Plans with any OpenAI-compatible server: hosted, vLLM, Ollama, llama.cpp.",
        default_for=("reviser",),
    )
    register(
        "local",
        "storymem_plugins.planning.local:LocalPlanner",
        settings=LocalSettings,
        requires=("xllamacpp",),
        install="storymem[local]",
        summary="Plans with a GGUF file through llama.cpp, in this process.",
    )
