"""Every engine behind HTTP passes the backbone contract, against a server that is strict about its protocol."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from engines_support import ComfyServer, EchoTestServer, EngineServer, LightX2VServer, OpenAIServer, workflow_files

from storymem.interfaces import Backbone
from storymem.plugin import Kind, PluginHost
from storymem.testing import BackboneContract

QUICK = {"poll": 0.005, "back_off": 0.01, "retries": 2}


def build(name: str, server: EngineServer, **settings: Any) -> Backbone[Any]:
    return PluginHost().build(Kind.BACKBONE, name, {"base_url": server.url, **QUICK, **settings})  # type: ignore[return-value]


class _Engine(BackboneContract):
    def engine(self, tmp_path: Path) -> tuple[EngineServer, Backbone[Any]]:
        raise NotImplementedError

    @pytest.fixture
    def backbone(self, tmp_path: Path) -> Iterator[Backbone[Any]]:
        server, backbone = self.engine(tmp_path)
        with closing(server), closing(backbone):
            yield backbone


class TestOpenAI(_Engine):
    seed_matters = False  # OpenAI's interface has none

    def engine(self, tmp_path: Path) -> tuple[EngineServer, Backbone[Any]]:
        server = OpenAIServer("openai")
        server.default = 16  # it is asked for whole seconds, and so makes other lengths than ours
        return server, build("openai_video", server, frame_step=16, frame_offset=0, frames=16)


class TestOpenAIGrid(TestOpenAI):
    def engine(self, tmp_path: Path) -> tuple[EngineServer, Backbone[Any]]:
        server = OpenAIServer("openai")
        server.default = 16
        return server, build("openai_video", server, frame_step=16, frame_offset=0, frames=16, memory="grid")


class TestSGLang(_Engine):
    memory_matters = False  # the one picture is the first frame here

    def engine(self, tmp_path: Path) -> tuple[EngineServer, Backbone[Any]]:
        server = OpenAIServer("sglang")
        return server, build("openai_video", server, dialect="sglang", memory="off")


class TestVLLMOmni(_Engine):
    def engine(self, tmp_path: Path) -> tuple[EngineServer, Backbone[Any]]:
        server = OpenAIServer("vllm_omni")
        return server, build("openai_video", server, dialect="vllm_omni", extra={"guidance_scale": 3.5})


class TestVLLMOmniTags(_Engine):
    def engine(self, tmp_path: Path) -> tuple[EngineServer, Backbone[Any]]:
        server = OpenAIServer("vllm_omni")
        return server, build("openai_video", server, dialect="vllm_omni", memory="tags")


class TestLightX2V(_Engine):
    memory_matters = False

    def engine(self, tmp_path: Path) -> tuple[EngineServer, Backbone[Any]]:
        server = LightX2VServer()
        return server, build("lightx2v", server)


class TestLightX2VMemory(_Engine):
    def engine(self, tmp_path: Path) -> tuple[EngineServer, Backbone[Any]]:
        server = LightX2VServer()
        return server, build("lightx2v", server, memory="grid")


class TestEcho(_Engine):
    def engine(self, tmp_path: Path) -> tuple[EngineServer, Backbone[Any]]:
        server = EchoTestServer()
        return server, build("echo_server", server)


class TestComfyUI(_Engine):
    def engine(self, tmp_path: Path) -> tuple[EngineServer, Backbone[Any]]:
        server = ComfyServer()
        return server, build("comfyui", server, workflows=workflow_files(tmp_path))
