"""Settings of the planners that ask a language model. Light to import; no client library is needed here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from storymem.apikey import KeyVariable, ServerAddress
from storymem.interfaces import NotInFingerprint, PluginSettings


class ModelPlannerSettings(PluginSettings):
    """What both model planners share.

    Attributes:
        temperature: 0 is the least varied; None leaves it to the server (some reasoning models take none).
        context_tokens: Tokens the model reads and writes in one request; longer briefs are summarised first.
        max_tokens: Most tokens of one answer.
        repairs: How often an answer that does not validate goes back to the model.
        max_scenes: Most scenes of a plan.
        max_entities: Most entities of a plan, given ones not counted.
        prompt_chars: Longest prompt that is asked for.
        look_chars: Longest look that is asked for.
        shots_per_call: Most shots asked for in one request.
        cache: Whether answers are kept, so that the same brief is not paid twice.
        cache_dir: Where answers, and the raw text of failed plans, are kept; the user's cache folder by default.
    """

    temperature: Annotated[float, Field(ge=0, le=2)] | None = 0.7
    context_tokens: Annotated[int, Field(ge=1024)] = 8192
    max_tokens: Annotated[int, Field(ge=64)] = 2048
    repairs: Annotated[int, Field(ge=0, le=10)] = 2
    max_scenes: Annotated[int, Field(ge=1, le=50)] = 12
    max_entities: Annotated[int, Field(ge=1, le=20)] = 6
    prompt_chars: Annotated[int, Field(ge=60, le=2000)] = 600
    look_chars: Annotated[int, Field(ge=20, le=500)] = 160
    shots_per_call: Annotated[int, Field(ge=1, le=20)] = 6
    cache: Annotated[bool, NotInFingerprint()] = True
    cache_dir: Annotated[Path | None, NotInFingerprint()] = None


class LlmSettings(ModelPlannerSettings):
    """Any server that speaks OpenAI's chat completions: hosted ones, vLLM, Ollama, llama.cpp.

    Attributes:
        model: The model's name at the server.
        base_url: The server; http or https, without user name or password.
        api_key_env: Environment variable that holds the key. Servers other than OpenAI's may need none.
        api_key_file: A file that holds the key; wins over the variable.
        structured: How the shape of answers is enforced: ``json_schema``, the weaker ``json_object``, or
            ``none`` for servers that know neither (the shape is then only asked for in words).
        strict: Ask for OpenAI's strict schema mode, which allows no bounds on text lengths.
        stream: Receive answers bit by bit, so that a plan can be cancelled between two words.
        send_seed: Send the brief's seed; some servers refuse it.
        limit_key: What the server calls the bound on an answer's tokens.
        timeout: Seconds for one whole answer.
        retries: Further tries after a refused or broken request (429, 5xx, lost connection), with back-off.
        price_in: Price of a million tokens read, for the cost report.
        price_out: Price of a million tokens written.
    """

    model: Annotated[str, Field(min_length=1, max_length=200)] = "gpt-4o-mini"
    base_url: ServerAddress = "https://api.openai.com/v1"
    api_key_env: Annotated[KeyVariable, NotInFingerprint()] = "OPENAI_API_KEY"
    api_key_file: Annotated[Path | None, NotInFingerprint()] = None
    structured: Literal["json_schema", "json_object", "none"] = "json_schema"
    strict: bool = False
    stream: Annotated[bool, NotInFingerprint()] = True
    send_seed: bool = True
    limit_key: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    timeout: Annotated[float, Field(gt=0, le=3600), NotInFingerprint()] = 300
    retries: Annotated[int, Field(ge=0, le=10), NotInFingerprint()] = 3
    price_in: Annotated[float, Field(ge=0), NotInFingerprint()] = 0
    price_out: Annotated[float, Field(ge=0), NotInFingerprint()] = 0


class LocalSettings(ModelPlannerSettings):
    """A GGUF file, run in this process by llama.cpp.

    Attributes:
        weights: The GGUF file.
        threads: CPU threads.
        gpu_layers: Layers that are kept on the GPU, where there is one; -1 for all.
    """

    weights: Path
    threads: Annotated[int, Field(ge=1, le=256), NotInFingerprint()] = 2
    gpu_layers: Annotated[int, Field(ge=-1), NotInFingerprint()] = 0
