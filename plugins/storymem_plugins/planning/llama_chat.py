"""A GGUF file run in this process by llama.cpp (xllamacpp), its grammar holding every answer to the schema."""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path
from typing import Any

from storymem_plugins.planning.chat import MAX_ANSWER, Question, Reply, Tick
from storymem_plugins.planning.errors import PlanError
from storymem_plugins.planning.settings import LocalSettings

_EDGE = 1 << 20
_MAGIC = b"GGUF"
_TICK_TOKENS = 16


class LlamaChat:
    """One model in memory.

    Args:
        settings: Weights, threads, context.

    Raises:
        PlanError: The weights are missing, are no GGUF file, or cannot be loaded.
    """

    def __init__(self, settings: LocalSettings) -> None:
        self._digest = weights_digest(settings.weights)
        self._name = settings.weights.name
        self._server = _load(settings)

    @property
    def identity(self) -> str:
        """File name and digest of the weights."""
        return f"{self._name} {self._digest}"

    def ask(self, question: Question, tick: Tick) -> Reply:
        """Return the model's answer.

        Raises:
            PlanError: llama.cpp refused the request.
        """
        answer = _Answer(tick)
        request: dict[str, Any] = {
            "messages": [{"role": m.role, "content": m.content} for m in question.messages],
            "max_tokens": question.max_tokens,
            "seed": question.seed,
            "stream": True,
            "stream_options": {"include_usage": True},
            "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": question.schema}},
        }
        if question.temperature is not None:
            request["temperature"] = question.temperature
        try:
            self._server.handle_chat_completions(request, answer.take)
        except RuntimeError as error:
            raise PlanError(f"{self._name}: {' '.join(str(error).split())[:200]}") from error
        return answer.reply(self._name)

    def close(self) -> None:
        """Release the weights."""
        self._server = None


class _Answer:
    """Collects the pieces of one answer. Errors cannot cross llama.cpp's callback; they are kept and raised after."""

    def __init__(self, tick: Tick) -> None:
        self._tick, self._pieces = tick, list[str]()
        self._length = 0
        self._finish = ""
        self._usage: dict[str, Any] = {}
        self._problem: BaseException | None = None

    def take(self, piece: Any) -> bool:
        """Take one piece; return True to stop."""
        try:
            self._add(piece)
        except BaseException as error:
            self._problem = error
        return self._problem is not None

    def _add(self, piece: Any) -> None:
        if "error" in piece or piece.get("code", 200) != 200:
            said = piece.get("error", piece)
            raise PlanError(f"llama.cpp: {str(said.get('message', said))[:200]}")
        self._usage = piece.get("usage") or self._usage
        for choice in piece.get("choices", ()):
            text = choice.get("delta", {}).get("content") or ""
            self._finish = choice.get("finish_reason") or self._finish
            self._pieces.append(text)
            self._length += len(text)
        if self._length > MAX_ANSWER:
            raise PlanError(f"the answer is longer than {MAX_ANSWER} characters; this is no shot list")
        if len(self._pieces) % _TICK_TOKENS == 0:
            self._tick(self._length)

    def reply(self, name: str) -> Reply:
        """Return the whole answer, or raise what went wrong."""
        if self._problem is not None:
            raise self._problem
        if not self._finish:
            raise PlanError(f"{name}: the answer broke off; the context may be too small, raise context_tokens")
        counts = (int(self._usage.get(key, 0)) for key in ("prompt_tokens", "completion_tokens"))
        tokens_in, tokens_out = counts
        return Reply("".join(self._pieces), self._finish == "length", tokens_in, tokens_out or len(self._pieces))


def weights_digest(path: Path) -> str:
    """Return a digest of a weights file: its size, first and last MiB. Reading all of it would take minutes.

    Raises:
        PlanError: It is missing or no GGUF file.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            first = file.read(_EDGE)
            file.seek(max(0, size - _EDGE))
            last = file.read(_EDGE)
    except OSError as error:
        raise PlanError(f"weights {path}: {error.strerror}; name a GGUF file, or use --planner outline") from error
    if not first.startswith(_MAGIC):
        raise PlanError(f"weights {path}: is no GGUF file; convert the model, or use --planner llm or outline")
    return hashlib.sha256(b"%d" % size + first + last).hexdigest()[:16]


def _load(settings: LocalSettings) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(settings.weights)
    params.n_ctx = settings.context_tokens
    params.n_parallel = 1
    params.n_gpu_layers = settings.gpu_layers
    params.cpuparams.n_threads = settings.threads
    params.warmup = False
    params.verbosity = -1
    params.offline = True
    params.ui = False
    # llama.cpp's server also listens on a loopback port; a key that nobody knows keeps others out of it.
    params.api_keys = [secrets.token_hex(32)]
    try:
        return xllamacpp.Server(params)
    except RuntimeError as error:
        raise PlanError(f"weights {settings.weights}: llama.cpp cannot load them: {error}") from error
