"""The ``local`` planner: a GGUF file in this process. No network, no key."""

from __future__ import annotations

from storymem_plugins.planning.chat import ChatModel
from storymem_plugins.planning.llama_chat import LlamaChat
from storymem_plugins.planning.settings import LocalSettings
from storymem_plugins.planning.two_stage import ModelPlanner


class LocalPlanner(ModelPlanner[LocalSettings]):
    """Plans with a GGUF file through llama.cpp, in this process."""

    name = "local"

    def connect(self) -> ChatModel:
        """Load the weights."""
        return LlamaChat(self.settings)
