"""Asks until an answer validates: cache first, then the model, then a bounded number of repairs."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from pydantic import BaseModel, JsonValue, ValidationError

from storymem.errors import ScriptError
from storymem.validation import describe
from storymem_plugins.planning.answers import schema_of
from storymem_plugins.planning.cache import AnswerCache, question_key
from storymem_plugins.planning.chat import ChatModel, JsonSchema, Message, Question, Reply
from storymem_plugins.planning.echoing import echoed
from storymem_plugins.planning.errors import PlanError
from storymem_plugins.planning.repairing import SYNTAX, Unclear, read_answer
from storymem_plugins.planning.settings import ModelPlannerSettings

AnswerT = TypeVar("AnswerT", bound=BaseModel)
#: So much of a bad answer goes back to the model.
_RETURNED = 6000


@dataclass(slots=True)
class Usage:
    """What a plan has cost so far.

    Attributes:
        calls: Requests that were sent.
        cached: Answers that came from the cache.
        repairs: Answers that did not validate and went back.
        tokens_in: Tokens read.
        tokens_out: Tokens written.
        repaired: What was read otherwise than it was written, by stage.
    """

    calls: int = 0
    cached: int = 0
    repairs: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    repaired: dict[str, list[str]] = field(default_factory=dict)

    def add(self, reply: Reply) -> None:
        """Count one reply."""
        self.calls += 1
        self.tokens_in += reply.tokens_in
        self.tokens_out += reply.tokens_out

    def read_as(self) -> dict[str, JsonValue]:
        """Return what was repaired, for a script's provenance; empty if nothing was."""
        repaired: dict[str, JsonValue] = {stage: list[JsonValue](kinds) for stage, kinds in self.repaired.items()}
        return {"read_as": repaired} if repaired else {}

    def to_json(self, price_in: float = 0, price_out: float = 0) -> dict[str, JsonValue]:
        """Return the counts, and the cost where prices (per million tokens) are known."""
        data: dict[str, JsonValue] = {
            "calls": self.calls,
            "cached": self.cached,
            "repairs": self.repairs,
            "tokens_in": self.tokens_in,
            "tokens_out": self.tokens_out,
        }
        if price_in or price_out:
            data["cost"] = round((self.tokens_in * price_in + self.tokens_out * price_out) / 1e6, 6)
        return data


class Asker:
    """Asks one model for answers of given shapes.

    Args:
        model: Whom to ask.
        settings: Limits and repairs.
        cache: Where answers are kept.
        seed: The brief's seed; repairs use the ones after it.
        progress: Called with what is being done; may raise to cancel.
    """

    def __init__(
        self,
        model: ChatModel,
        settings: ModelPlannerSettings,
        cache: AnswerCache,
        seed: int,
        progress: Callable[[str], None],
    ) -> None:
        self.model, self.settings, self.cache, self.progress = model, settings, cache, progress
        self.seed = seed
        self.usage = Usage()

    def ask(
        self,
        stage: str,
        messages: Sequence[Message],
        answer: type[AnswerT],
        schema: JsonSchema | None = None,
        check: Callable[[AnswerT], None] | None = None,
    ) -> AnswerT:
        """Return a valid answer.

        Args:
            stage: For progress and messages, such as ``outline``.
            messages: System prompt and request.
            answer: The wanted shape.
            schema: Its JSON schema, if other than the shape's own.
            check: Raises :class:`ScriptError` if a well-formed answer does not make sense.

        Raises:
            PlanError: No answer validated; names the last problem and the file with the raw answers.
        """
        self.progress(stage)
        question = self._question(messages, schema or schema_of(answer), 0)
        key = question_key(self.model.identity, question)
        kept = self.cache.get(key)
        if kept is not None and not isinstance(valid := self._validated(stage, kept, question, answer, check), str):
            self.usage.cached += 1
            return valid
        return self._asked(stage, question, key, answer, check)

    def _asked(
        self,
        stage: str,
        question: Question,
        key: str,
        answer: type[AnswerT],
        check: Callable[[AnswerT], None] | None,
    ) -> AnswerT:
        raw: list[str] = []
        problem = ""
        first = question
        for attempt in range(self.settings.repairs + 1):
            reply = self.model.ask(question, lambda count: self.progress(f"{stage}: {count} characters"))
            self.usage.add(reply)
            raw.append(reply.text)
            valid = self._validated(stage, reply.text, first, answer, check)
            if not isinstance(valid, str) and not (reply.cut_short and SYNTAX in self.usage.repaired.get(stage, ())):
                self.cache.put(key, reply.text)
                return valid
            problem = _explained(valid if isinstance(valid, str) else "it may be incomplete", reply)
            if attempt < self.settings.repairs:
                self.usage.repairs += 1
                self.progress(f"{stage}: repair {attempt + 1}: {problem}")
                question = _repair(first, reply.text, problem, attempt + 1)
        path = self.cache.keep_failed(key, raw)
        raise PlanError(
            f"{stage}: no usable answer from {self.model.identity} in {len(raw)} tries; the last: {problem}; "
            f"the raw answers are in {path}; try a larger model or another seed, or plan without one: --planner outline"
        )

    def _validated(
        self,
        stage: str,
        text: str,
        question: Question,
        answer: type[AnswerT],
        check: Callable[[AnswerT], None] | None,
    ) -> AnswerT | str:
        """Return the answer, or what is wrong with it."""
        try:
            data, repaired = read_answer(text, question.schema)
            valid = answer.model_validate_json(json.dumps(data))
            if words := echoed(valid, question.messages[0].content):
                return f'"{words[:80]}" repeats the instructions instead of following them'
            if check:
                check(valid)
        except ValidationError as error:
            return describe(error)
        except (ScriptError, Unclear) as error:
            return str(error)
        if repaired:
            self.usage.repaired[stage] = repaired
            self.progress(f"{stage}: the answer was repaired: {', '.join(repaired)}")
        return valid

    def _question(self, messages: Sequence[Message], schema: JsonSchema, attempt: int) -> Question:
        seed = (self.seed + attempt) % 2**31
        return Question(tuple(messages), schema, seed, self.settings.temperature, self.settings.max_tokens)


def _repair(first: Question, text: str, problem: str, attempt: int) -> Question:
    """Return the first question with the last bad answer and what is wrong with it, under another seed."""
    messages = (
        *first.messages,
        Message("assistant", text[:_RETURNED]),
        Message("user", f"That answer cannot be used: {problem}. Answer again, with the whole JSON and nothing else."),
    )
    return replace(first, messages=messages, seed=(first.seed + attempt) % 2**31)


def _explained(problem: str, reply: Reply) -> str:
    if not reply.text.strip():
        return "the answer is empty"
    if reply.cut_short:
        return f"the answer was cut off at max_tokens ({problem})"
    if not reply.text.lstrip().startswith(("{", "`", "<think>")):
        shown = " ".join(reply.text.split())[:200]
        return f"the answer is no JSON but begins: {shown!r}"
    return problem
