"""A language model as the planners see it: messages and a JSON schema in, one text out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from pydantic import JsonValue

JsonSchema = dict[str, JsonValue]
#: Called now and then while an answer arrives, with the characters so far; raises to stop.
Tick = Callable[[int], None]

#: An answer of more characters is refused; the longest sensible one is far below.
MAX_ANSWER = 200_000


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation.

    Attributes:
        role: Whose it is.
        content: Its text.
        images: Pictures as data URIs, for models that see.
    """

    role: Literal["system", "user", "assistant"]
    content: str
    images: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """One request.

    Attributes:
        messages: The conversation so far.
        schema: The shape of the answer.
        seed: For sampling, 0 .. 2**31 - 1.
        temperature: 0 is the least varied; None leaves it to the model's own default.
        max_tokens: Most tokens of the answer.
    """

    messages: Sequence[Message]
    schema: JsonSchema
    seed: int
    temperature: float | None
    max_tokens: int


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer.

    Attributes:
        text: What the model wrote.
        cut_short: Whether it ended because ``max_tokens`` were used up.
        tokens_in: Tokens read, 0 if the server does not say.
        tokens_out: Tokens written, 0 if the server does not say.
    """

    text: str
    cut_short: bool = False
    tokens_in: int = 0
    tokens_out: int = 0


class ChatModel(Protocol):
    """Asks a language model."""

    @property
    def identity(self) -> str:
        """What makes its answers what they are: server and model, or the weights' digest. Holds no secret."""

    def ask(self, question: Question, tick: Tick) -> Reply:
        """Return the model's answer.

        Raises:
            PlanError: The model or its server gave none.
        """

    def close(self) -> None:
        """Release connections or weights."""
