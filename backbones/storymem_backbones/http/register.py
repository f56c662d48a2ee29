"""Registers the backbones behind HTTP, as a third party would. The client library loads when first used."""

from __future__ import annotations

from storymem.plugin import Register, hookimpl
from storymem_backbones.http.settings import (
    ComfySettings,
    EchoSettings,
    HttpSettings,
    LightX2VSettings,
    OpenAIVideoSettings,
)

_BACKBONES: tuple[tuple[str, str, type[HttpSettings], str], ...] = (
    ("openai_video", "openai_video:OpenAIVideo", OpenAIVideoSettings,
     "Make shots at any server with OpenAI's videos interface: SGLang, vLLM-Omni, a gateway, storymem serve."),
    ("lightx2v", "lightx2v:LightX2V", LightX2VSettings, "Make shots at a LightX2V server."),
    ("comfyui", "comfyui:ComfyUI", ComfySettings, "Make shots at a ComfyUI server, with workflows of your own."),
    ("echo_server", "echo_server:EchoServer", EchoSettings,
     "Make shots at a JoyAI-Echo server, with up to seven memory slots."),
)  # fmt: skip


@hookimpl
def storymem_backbones(register: Register) -> None:
    """Register them all."""
    for name, target, settings, summary in _BACKBONES:
        register(
            name,
            f"storymem_backbones.http.{target}",
            settings=settings,
            requires=("httpx2",),
            install="storymem[http]",
            summary=summary,
        )
