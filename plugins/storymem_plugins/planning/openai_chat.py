"""Chat completions through the ``openai`` client library, against any server that speaks the protocol.

The library does what it is good at (requests, back-off on 429 and 5xx, Retry-After, event streams); this module
bounds every answer, retries what breaks in mid-answer, and turns each failure into one line that says what to do.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

import httpx2
import openai

from storymem.apikey import ApiKey
from storymem_plugins.planning.answers import without_text_lengths
from storymem_plugins.planning.bounded import BoundedTransport, Bounds
from storymem_plugins.planning.chat import MAX_ANSWER, Message, Question, Reply, Tick
from storymem_plugins.planning.errors import PlanError
from storymem_plugins.planning.settings import LlmSettings

#: What a planner can do instead; others who ask a model say their own.
ELSE = "or plan without a model: --planner outline"
_SIMPLER = "try structured=json_object or none, send_seed=false, limit_key=max_completion_tokens, or temperature=none"
_OPENAI_HOST = "api.openai.com"
_CONNECT_SECONDS = 10.0
_SHOWN = 200


class _Broken(Exception):
    """An answer that ended or went wrong in the middle; asking again may help."""


class OpenAIChat:
    """One server and model.

    Args:
        settings: Server, model, retries, timeouts.
        key: For the Authorization header; an empty one is fine for local servers.
        otherwise: What can be done without a model, at the end of messages.
    """

    def __init__(self, settings: LlmSettings, key: ApiKey, otherwise: str = ELSE) -> None:
        self._otherwise = otherwise
        if _OPENAI_HOST in settings.base_url and not key.reveal():
            raise PlanError(
                f"{settings.base_url} needs an API key: set ${settings.api_key_env} or api_key_file, "
                f"name another server with base_url, {otherwise}"
            )
        self._settings, self._key = settings, key
        self._bounds = Bounds(settings.timeout)
        # A stall is as bad as a slow answer, so the read timeout never exceeds the whole answer's time.
        timeout = httpx2.Timeout(settings.timeout, connect=min(_CONNECT_SECONDS, settings.timeout))
        transport = BoundedTransport(httpx2.HTTPTransport(), self._bounds)
        self._http = httpx2.Client(transport=transport, timeout=timeout, trust_env=False)
        self._client = openai.OpenAI(
            api_key=key.reveal() or "none",
            base_url=settings.base_url,
            max_retries=settings.retries,
            timeout=timeout,
            http_client=self._http,
        )

    @property
    def identity(self) -> str:
        """Model and server."""
        return f"{self._settings.model} at {self._settings.base_url}"

    def ask(self, question: Question, tick: Tick) -> Reply:
        """Return the answer, asking again where one broke off.

        Raises:
            PlanError: The server cannot be reached, refuses, or keeps failing. The key is never shown.
        """
        problem = ""
        for attempt in range(self._settings.retries + 1):
            if attempt:
                tick(0)
                time.sleep(min(0.5 * 2 ** (attempt - 1), 8.0))
            try:
                return self._once(question, tick)
            except _Broken as error:
                problem = str(error)
        raise PlanError(
            f"{self.identity}: {problem}, {self._settings.retries + 1} times; try again later, {self._otherwise}"
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _once(self, question: Question, tick: Tick) -> Reply:
        received: list[str] = []
        request = self._request(question)
        self._bounds.start(lambda: tick(sum(map(len, received))))
        try:
            return self._received(request, received)
        except openai.APIError as error:
            lost = isinstance(error, openai.APIConnectionError) and not isinstance(error, openai.APITimeoutError)
            if lost and self._bounds.answered and not isinstance(error.__cause__, PlanError):
                raise _Broken(f"the answer broke off ({_short(str(error.__cause__ or error))})") from None
            raise self._failure(error) from None
        except (httpx2.HTTPError, ValueError, TypeError, AttributeError, KeyError, IndexError) as error:
            # Broken streams and bodies that are no chat completion: the library parses leniently, so a wrong
            # shape shows itself only where it is used.
            raise _Broken(f"the answer broke off or is no chat completion ({type(error).__name__})") from None

    def _received(self, request: dict[str, Any], received: list[str]) -> Reply:
        create: Callable[..., Any] = self._client.chat.completions.create
        if self._settings.stream:
            with create(**request, stream=True, stream_options={"include_usage": True}) as chunks:
                reply = _streamed(chunks, received)
        else:
            reply = _whole(create(**request))
        return Reply(self._key.hide(reply.text), reply.cut_short, reply.tokens_in, reply.tokens_out)

    def _request(self, question: Question) -> dict[str, Any]:
        settings = self._settings
        request: dict[str, Any] = {
            "model": settings.model,
            "messages": [{"role": m.role, "content": _content(m)} for m in question.messages],
            settings.limit_key: question.max_tokens,
        }
        if question.temperature is not None:
            request["temperature"] = question.temperature
        if settings.send_seed:
            request["seed"] = question.seed
        if settings.structured == "json_schema":
            schema = without_text_lengths(question.schema) if settings.strict else question.schema
            shape = {"name": "answer", "schema": schema, "strict": settings.strict}
            request["response_format"] = {"type": "json_schema", "json_schema": shape}
        elif settings.structured == "json_object":
            request["response_format"] = {"type": "json_object"}
        return request

    def _failure(self, error: openai.APIError) -> Exception:
        """Return the error to raise: one line, without the key, with what to do."""
        cause = error.__cause__
        if isinstance(cause, PlanError):
            return cause
        return PlanError(f"{self.identity}: {self._key.hide(_told(error, self._settings, self._otherwise))}")


def _content(message: Message) -> str | list[dict[str, Any]]:
    """Return a message's text, or its text and pictures as parts."""
    if not message.images:
        return message.content
    pictures = [{"type": "image_url", "image_url": {"url": uri}} for uri in message.images]
    return [{"type": "text", "text": message.content}, *pictures]


def _told(error: openai.APIError, settings: LlmSettings, otherwise: str) -> str:
    tries = settings.retries + 1
    said = _short(error.message)
    source = settings.api_key_file or f"${settings.api_key_env}"
    # The first class that fits; APITimeoutError is also an APIConnectionError.
    told: dict[type[openai.APIError], str] = {
        openai.APITimeoutError: f"no answer within {settings.timeout:g} s; raise timeout, {otherwise}",
        openai.APIConnectionError: f"cannot be reached ({_short(str(error.__cause__ or error))}); is it running? "
        f"Check base_url, {otherwise}",
        openai.AuthenticationError: f"refuses the API key from {source} ({said})",
        openai.PermissionDeniedError: f"refuses the API key from {source} ({said})",
        openai.NotFoundError: f"knows no such model or path ({said}); check model and base_url",
        openai.RateLimitError: f"still too many requests after {tries} tries ({said}); wait, retry more, {otherwise}",
        openai.InternalServerError: f"the server failed {tries} times ({said}); try again later, {otherwise}",
        openai.BadRequestError: f"refuses the request ({said}); {_SIMPLER}",
        openai.UnprocessableEntityError: f"refuses the request ({said}); {_SIMPLER}",
    }
    return next((text for kind, text in told.items() if isinstance(error, kind)), f"{said}; {otherwise}")


def _streamed(chunks: Iterable[Any], received: list[str]) -> Reply:
    finish, usage, refusal = "", None, ""
    length = 0
    for chunk in chunks:
        usage = getattr(chunk, "usage", None) or usage
        for choice in getattr(chunk, "choices", None) or ():
            text = choice.delta.content or ""
            refusal += getattr(choice.delta, "refusal", None) or ""
            finish = choice.finish_reason or finish
            length += len(text)
            if length > MAX_ANSWER:
                raise PlanError(f"the answer is longer than {MAX_ANSWER} characters; this is no shot list")
            received.append(text)
    if not finish:
        raise _Broken("the answer broke off before its end")
    return _reply("".join(received) or refusal, finish, usage)


def _whole(completion: Any) -> Reply:
    choice = completion.choices[0]
    text = choice.message.content or getattr(choice.message, "refusal", None) or ""
    if len(text) > MAX_ANSWER:
        raise PlanError(f"the answer is longer than {MAX_ANSWER} characters; this is no shot list")
    return _reply(text, choice.finish_reason, completion.usage)


def _reply(text: str, finish: str, usage: Any) -> Reply:
    tokens_in, tokens_out = (_count(usage, name) for name in ("prompt_tokens", "completion_tokens"))
    return Reply(text, finish == "length", tokens_in, tokens_out)


def _count(usage: Any, name: str) -> int:
    value = getattr(usage, name, 0)
    return value if isinstance(value, int) and value >= 0 else 0


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _SHOWN else f"{flat[:_SHOWN]}..."
