"""A chat-completions server for tests: real HTTP on 127.0.0.1, each answer made by a function of the test."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from storymem_plugins.planning.settings import LlmSettings

if TYPE_CHECKING:
    from storymem_plugins.planning.llm import LlmPlanner

pytest.importorskip("openai", reason="needs the openai client: pip install 'storymem[llm]'")

Json = dict[str, Any]


class Handler(BaseHTTPRequestHandler):
    """One request; the behaviour does all the answering."""

    server: ChatServer._Server
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.close_connection = True
        # The client may give up in between, as some tests want it to.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.server.chat.answer(self, body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        pass

    def reply(self, status: int, body: bytes, kind: str = "application/json", **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def start_stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()

    def event(self, data: Any) -> None:
        text = data if isinstance(data, str) else json.dumps(data)
        self.wfile.write(f"data: {text}\n\n".encode())
        self.wfile.flush()

    def stream(self, text: str, finish: str | None = "stop") -> None:
        """Send a whole, well-formed answer."""
        self.start_stream()
        for start in range(0, len(text), 2000):
            self.event(chunk(text[start : start + 2000]))
        if finish:
            self.event(chunk("", finish))
            usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
            self.event({"object": "chat.completion.chunk", "choices": [], "usage": usage})
            self.event("[DONE]")


Behaviour = Callable[[Handler, Json], None]


def chunk(text: str, finish: str | None = None) -> Json:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice]}


class ChatServer:
    """Answers each request with the next behaviour; the last one stays."""

    class _Server(ThreadingHTTPServer):
        daemon_threads = True
        chat: ChatServer

    def __init__(self) -> None:
        self.behaviours: list[Behaviour] = [well]
        self.requests: list[Json] = []
        self.keys: list[str] = []
        self._http = self._Server(("127.0.0.1", 0), Handler)
        self._http.chat = self
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}/v1"

    def answer(self, handler: Handler, body: Json) -> None:
        number = len(self.requests)
        self.requests.append(body)
        self.keys.append(handler.headers["Authorization"])
        self.behaviours[min(number, len(self.behaviours) - 1)](handler, body)

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def planner(self, tmp_path: Path, **settings: Any) -> LlmPlanner:
        from storymem_plugins.planning.llm import LlmPlanner

        base = {"base_url": self.url, "model": "test", "cache_dir": tmp_path / "cache", "retries": 1, "timeout": 5.0}
        return LlmPlanner(LlmSettings.model_validate({**base, **settings}))


def well(handler: Handler, body: Json) -> None:
    """Answer as a good model would: by the schema."""
    handler.stream(json.dumps(filled(schema_of(body))))


def says(text: str, finish: str = "stop") -> Behaviour:
    return lambda handler, body: handler.stream(text, finish)


def status(code: int, text: str = "no", **headers: str) -> Behaviour:
    return lambda handler, body: handler.reply(code, json.dumps({"error": {"message": text}}).encode(), **headers)


def dripping(seconds: float) -> Behaviour:
    """Send a comment now and then, never an answer; every read succeeds, so only a deadline helps."""

    def drip(handler: Handler, body: Json) -> None:
        handler.start_stream()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            handler.wfile.write(b": still thinking\n\n")
            handler.wfile.flush()
            time.sleep(0.05)

    return drip


def schema_of(body: Json) -> Json:
    return body["response_format"]["json_schema"]["schema"]  # type: ignore[no-any-return]


def filled(schema: Json, number: Iterator[int] | None = None) -> Any:
    """Return a value of the schema; texts are all different."""
    number = number or iter(range(1, 10_000))
    if "anyOf" in schema:
        return filled(schema["anyOf"][0], number)
    if "enum" in schema or "const" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    match schema["type"]:
        case "object":
            return {key: filled(value, number) for key, value in schema["properties"].items()}
        case "array":
            count = max(schema.get("minItems", 0), min(2, schema.get("maxItems", 2)))
            return [filled(schema["items"], number) for _ in range(count)]
        case "boolean":
            return False
    n = next(number)
    return f"red{n} thing{n} hill{n}"
