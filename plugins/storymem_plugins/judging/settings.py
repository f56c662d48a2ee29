"""Settings of the judge. Light: no client library is imported here."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from storymem_plugins.planning.settings import LlmSettings


class JudgeSettings(LlmSettings):
    """Any server that speaks OpenAI's chat completions and a model that sees.

    Attributes:
        model: The model's name at the server; there is no default, so that nothing is asked, and paid, unawares.
        temperature: 0 is the least varied.
        max_tokens: Most tokens of one answer.
        side: Longer side that pictures are shrunk to, in pixels.
    """

    model: Annotated[str, Field(min_length=1, max_length=200)]
    temperature: Annotated[float, Field(ge=0, le=2)] | None = 0.0
    max_tokens: Annotated[int, Field(ge=64)] = 512
    side: Annotated[int, Field(ge=64, le=4096)] = 512


class JudgeFilterSettings(JudgeSettings):
    """The judge in the accept gate.

    Attributes:
        threshold: Least score of a frame, 0..1.
    """

    threshold: Annotated[float, Field(ge=0, le=1)] = 0.6
