"""The ``llm`` planner: a language model behind an OpenAI-compatible server."""

from __future__ import annotations

from storymem.apikey import find_key
from storymem_plugins.planning.chat import ChatModel
from storymem_plugins.planning.openai_chat import OpenAIChat
from storymem_plugins.planning.settings import LlmSettings
from storymem_plugins.planning.two_stage import ModelPlanner


class LlmPlanner(ModelPlanner[LlmSettings]):
    """Plans with any OpenAI-compatible server: hosted, vLLM, Ollama, llama.cpp."""

    name = "llm"

    def connect(self) -> ChatModel:
        """Return a client; the key is read now and kept nowhere else."""
        return OpenAIChat(self.settings, find_key(self.settings.api_key_env, self.settings.api_key_file))

    def prices(self) -> tuple[float, float]:
        """Return the prices from the settings."""
        return self.settings.price_in, self.settings.price_out
