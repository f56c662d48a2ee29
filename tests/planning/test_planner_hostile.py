"""Servers that misbehave: bounded time, one clear line, no key anywhere, and the raw answer kept where it helps."""

from __future__ import annotations

import json
import logging
import pickle
import time
from pathlib import Path
from typing import Any

import pytest
from planning_support import (
    Behaviour,
    ChatServer,
    Handler,
    Json,
    chunk,
    dripping,
    filled,
    says,
    schema_of,
    status,
    well,
)

from storymem.apikey import ApiKey, find_key
from storymem.errors import SettingsError, StoryMemError
from storymem.interfaces import Brief
from storymem.values.script import StoryScript
from storymem_plugins.planning.bounded import MAX_BYTES
from storymem_plugins.planning.chat import MAX_ANSWER
from storymem_plugins.planning.errors import PlanError
from storymem_plugins.planning.openai_chat import OpenAIChat
from storymem_plugins.planning.settings import LlmSettings

KEY = "sk-test-1234567890abcdef"
BRIEF = Brief("a fox", shots=2)


def plan(server: ChatServer, tmp_path: Path, **settings: Any) -> StoryScript:
    return server.planner(tmp_path, **settings).plan(BRIEF, lambda line: None)


def fails(server: ChatServer, tmp_path: Path, message: str, **settings: Any) -> str:
    with pytest.raises(PlanError, match=message) as raised:
        plan(server, tmp_path, **settings)
    text = str(raised.value)
    assert "\n" not in text
    assert len(text) < 1000
    return text


def cut_off(handler: Handler, body: Json) -> None:
    handler.stream(json.dumps(filled(schema_of(body)))[:40], finish=None)


def cut_off_mid_body(handler: Handler, body: Json) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "text/event-stream")
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    handler.event(chunk("{"))


def broken_event(handler: Handler, body: Json) -> None:
    handler.start_stream()
    handler.event("{not json")


def hang_up(handler: Handler, body: Json) -> None:
    handler.connection.close()


@pytest.mark.parametrize(
    "bad", [cut_off, cut_off_mid_body, broken_event, hang_up, status(429), status(500), status(503)]
)
def test_once_is_survived(server: ChatServer, tmp_path: Path, bad: Behaviour) -> None:
    server.behaviours = [bad, well]
    assert sum(len(scene.shots) for scene in plan(server, tmp_path).scenes) == 2
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (cut_off, "broke off before its end, 2 times; try again later, or plan without a model: --planner outline"),
        (cut_off_mid_body, r"broke off \(peer closed connection.*\), 2 times"),
        (broken_event, "no chat completion .*, 2 times"),
        (hang_up, "cannot be reached .* is it running"),
        (status(429, "slow down"), r"still too many requests after 2 tries \(.*slow down"),
        (status(500, "oh no"), r"the server failed 2 times \(.*oh no"),
        (status(503), "the server failed 2 times"),
    ],
)
def test_for_ever_is_given_up(server: ChatServer, tmp_path: Path, bad: Behaviour, message: str) -> None:
    server.behaviours = [bad]
    fails(server, tmp_path, message)
    assert len(server.requests) <= 4


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (400, r"refuses the request \(.*\); try structured=json_object or none"),
        (422, "refuses the request"),
        (401, r"refuses the API key from \$MY_KEY"),
        (403, r"refuses the API key from \$MY_KEY"),
        (404, "knows no such model or path .* check model and base_url"),
        (418, "or plan without a model"),
    ],
)
def test_refusals_are_not_repeated(server: ChatServer, tmp_path: Path, code: int, message: str) -> None:
    server.behaviours = [status(code)]
    fails(server, tmp_path, message, api_key_env="MY_KEY")
    assert len(server.requests) == 1


def test_retry_after_is_honoured_within_reason(server: ChatServer, tmp_path: Path) -> None:
    server.behaviours = [status(429, "wait", Retry_After="0.2"), well]
    plan(server, tmp_path)
    assert len(server.requests) == 4
    server.behaviours = [status(429, "wait", Retry_After="99999")]
    fails(server, tmp_path, "still too many requests", cache=False)
    assert len(server.requests) == 5


def test_a_dripping_server_meets_the_deadline(server: ChatServer, tmp_path: Path) -> None:
    server.behaviours = [dripping(30)]
    began = time.monotonic()
    fails(server, tmp_path, r"took longer than 0\.6 s; raise timeout", timeout=0.6)
    assert time.monotonic() - began < 20


def test_a_silent_server_meets_the_timeout(server: ChatServer, tmp_path: Path) -> None:
    server.behaviours = [lambda handler, body: time.sleep(1.5)]
    fails(server, tmp_path, r"no answer within 0\.3 s; raise timeout", timeout=0.3, retries=0)


def five_megabytes(handler: Handler, body: Json) -> None:
    handler.start_stream()
    for _ in range(6):
        handler.wfile.write(b": " + b"x" * 2**20 + b"\n\n")


def endless_words(handler: Handler, body: Json) -> None:
    handler.start_stream()
    for _ in range(MAX_ANSWER // 1000 + 5):
        handler.event(chunk("word " * 200))


def huge_error(handler: Handler, body: Json) -> None:
    handler.reply(500, b"x" * (MAX_BYTES + 100))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (five_megabytes, "more than 4 MiB for one answer"),
        (endless_words, "longer than 200000 characters"),
        (huge_error, "more than 4 MiB|the server failed"),
    ],
)
def test_floods_are_stopped(server: ChatServer, tmp_path: Path, bad: Behaviour, message: str) -> None:
    server.behaviours = [bad]
    fails(server, tmp_path, message)


SHORT = json.dumps({"shots": []})
WRONG_ANSWERS = [
    (says(""), "the answer is empty"),
    (says("I am sorry, but I cannot help with foxes."), "the answer is no JSON but begins: 'I am sorry"),
    (says("{"), "it breaks off before its JSON is closed"),
    (says("[1, 2]"), "the answer is no JSON|valid dictionary|object"),
    (says('{"title": "T"}'), "overview: missing"),
    (says('{"title": "T', "length"), "the answer was cut off at max_tokens"),
    (says('{"title": [], "overview": [], "entities": {}, "scenes": "x"}'), "title: Input should be a valid string"),
    (says("x" * 100_000), "no JSON but begins"),
]


@pytest.mark.parametrize(("bad", "message"), WRONG_ANSWERS)
def test_wrong_answers_go_back_and_then_fail_with_a_file(
    server: ChatServer, tmp_path: Path, bad: Behaviour, message: str
) -> None:
    server.behaviours = [bad]
    text = fails(server, tmp_path, message, repairs=2)
    assert "in 3 tries" in text
    assert len(server.requests) == 3
    assert [len(request["messages"]) for request in server.requests] == [2, 4, 4]
    assert [request["seed"] for request in server.requests] == [0, 1, 2]
    (kept,) = (tmp_path / "cache").glob("failed-*.txt")
    assert str(kept) in text
    assert kept.read_text("utf-8").count("next answer") == 2
    assert len(server.requests[2]["messages"][2]["content"]) <= 6000


def refusal(handler: Handler, body: Json) -> None:
    handler.start_stream()
    event = chunk("", "stop")
    event["choices"][0]["delta"] = {"refusal": "I won't."}
    handler.event(event)


def test_a_formal_refusal_is_told(server: ChatServer, tmp_path: Path) -> None:
    server.behaviours = [refusal]
    fails(server, tmp_path, "no JSON but begins: .I won't", repairs=0)


def wrong_lengths(count: int) -> Behaviour:
    def answer(handler: Handler, body: Json) -> None:
        data = filled(schema_of(body))
        if "shots" in data:
            data["shots"] = [data["shots"][0]] * count
        handler.stream(json.dumps(data))

    return answer


@pytest.mark.parametrize("count", [0, 1, 5])
def test_a_wrong_number_of_shots_is_repaired(server: ChatServer, tmp_path: Path, count: int) -> None:
    server.behaviours = [well, wrong_lengths(count), well]
    script = server.planner(tmp_path, max_scenes=1).plan(BRIEF, lambda line: None)
    assert len(script.scenes[0].shots) == 2
    assert "shots: List should have at" in server.requests[2]["messages"][-1]["content"]
    assert script.metadata["plan"]["usage"]["repairs"] == 1


def test_unknown_names_are_repaired(server: ChatServer, tmp_path: Path) -> None:
    def ghost(handler: Handler, body: Json) -> None:
        data = filled(schema_of(body))
        data["shots"][0]["entities"] = ["Ghost"]
        handler.stream(json.dumps(data))

    server.behaviours = [well, ghost, well]
    plan(server, tmp_path, max_scenes=1)
    assert "shots.0.entities.0: Input should be" in server.requests[2]["messages"][-1]["content"]


ODD_BODIES: list[Any] = [
    None, [], "x", 3, {}, {"choices": None}, {"choices": []}, {"choices": [{}]}, {"choices": ["x"]},
    {"choices": [{"delta": None}]}, {"choices": [{"delta": {"content": 5}, "finish_reason": "stop"}]},
    {"choices": [{"delta": {"content": ["a"]}, "finish_reason": 7}]}, {"choices": {"a": 1}},
    {"choices": [], "usage": {"prompt_tokens": "many"}},
]  # fmt: skip


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("odd", ODD_BODIES, ids=range(len(ODD_BODIES)))
def test_bodies_of_any_shape_give_one_line(server: ChatServer, tmp_path: Path, odd: Any, stream: bool) -> None:
    def answer(handler: Handler, body: Json) -> None:
        if stream:
            handler.start_stream()
            handler.event(odd)
        else:
            handler.reply(200, json.dumps(odd).encode())

    server.behaviours = [answer]
    fails(server, tmp_path, ".", stream=stream, retries=0, repairs=0)


def test_nobody_there(tmp_path: Path, server: ChatServer) -> None:
    url = server.url
    fails(server, tmp_path, "cannot be reached", base_url=url.replace("/v1", "").rsplit(":", 1)[0] + ":9/v1", retries=0)


# ---- keys ------------------------------------------------------------------------------------------------------------


def echo_key(handler: Handler, body: Json) -> None:
    """Put the key wherever an answer can hold text."""
    data = filled(schema_of(body))
    if "shots" in data:
        data["shots"][0]["prompt"] = f"A fox called {KEY}."
    else:
        data["title"], data["overview"] = f"T {KEY}", f"The key is {KEY}."
    handler.stream(json.dumps(data))


@pytest.mark.parametrize(
    "bad",
    [echo_key, status(401, f"bad key {KEY}"), status(500, KEY), says(f"I know {KEY}"), status(400, KEY), cut_off],
)
def test_the_key_shows_up_nowhere(
    server: ChatServer,
    tmp_path: Path,
    bad: Behaviour,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    server.behaviours = [bad]
    lines: list[str] = []
    try:
        script = server.planner(tmp_path, api_key_env="MY_KEY").plan(BRIEF, lines.append)
        lines.append(script.model_dump_json())
    except StoryMemError as error:
        lines += [repr(error), repr(error.__cause__), str(error)]
    assert server.keys[0] == f"Bearer {KEY}"
    files = [path.read_text("utf-8") for path in tmp_path.rglob("*") if path.is_file()]
    captured = capfd.readouterr()
    for text in (*lines, *files, caplog.text, captured.out, captured.err):
        assert KEY not in text


def test_keys_from_file_and_environment(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    assert find_key("NO", file, {}).reveal() == KEY
    assert find_key("YES", None, {"YES": f" {KEY} "}).reveal() == KEY
    assert find_key("NO", None, {}).reveal() == ""
    assert find_key("YES", file, {"YES": "other"}).reveal() == KEY


@pytest.mark.parametrize("content", ["", "two words", "line\nline", "schlüssel", "a\x00b"])
def test_what_is_no_key_is_not_shown(tmp_path: Path, content: str) -> None:
    file = tmp_path / "key"
    file.write_text(content)
    with pytest.raises(SettingsError, match="holds no API key") as raised:
        find_key("NO", file, {})
    assert not content or content not in str(raised.value)
    with pytest.raises(SettingsError, match="cannot be read"):
        find_key("NO", tmp_path / "none", {})


def test_a_key_never_shows_itself() -> None:
    key = ApiKey(KEY)
    assert KEY not in f"{key} {key!r} {[key]}"
    assert key.hide(f"a {KEY} b") == "a [api key] b"
    with pytest.raises(SettingsError, match="never copied"):
        pickle.dumps(key)


def test_openai_needs_a_key_and_says_how() -> None:
    with pytest.raises(PlanError, match=r"needs an API key: set \$OPENAI_API_KEY or api_key_file"):
        OpenAIChat(LlmSettings(), ApiKey())


@pytest.mark.parametrize(
    "url", ["ftp://x/v1", "x", "http://", "http://user:pw@host/v1", "http://host/v1?key=1", "file:///etc/passwd"]
)
def test_addresses_hold_no_secrets(url: str) -> None:
    with pytest.raises(ValueError, match="must"):
        LlmSettings(base_url=url)
