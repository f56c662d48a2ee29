"""What servers do wrong, and that it costs neither a job too many nor a key."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engines_support import (
    ComfyServer,
    EchoTestServer,
    EngineServer,
    Handler,
    LightX2VServer,
    OpenAIServer,
    pixels,
    status,
    video,
    workflow_files,
)

from storymem.errors import Cancelled, SettingsError, StoryMemError
from storymem.plugin import Kind, PluginHost
from storymem.testing.requests import shot_request
from storymem.values.clip import Clip
from storymem.values.request import ShotRequest
from storymem_backbones.http.addresses import Reach
from storymem_backbones.http.fitting import Wanted, read_fitted

KEY = "sk-secret-Zx81T0pWv7aB3cD9eF2gH5"
QUICK: dict[str, Any] = {"poll": 0.005, "back_off": 0.01, "retries": 2, "grace": 0.2, "request_timeout": 10}


def asks(**fields: Any) -> ShotRequest:
    return shot_request("a boat", (32, 32), 9, **fields)


def no_progress(step: int, total: int) -> None:
    pass


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with closing(OpenAIServer("sglang")) as server:
        yield server


def make(server: EngineServer, request: ShotRequest | None = None, name: str = "openai_video", **settings: Any) -> Clip:
    if name == "openai_video":
        settings = {"dialect": "sglang", **settings}
    backbone: Any = PluginHost().build(Kind.BACKBONE, name, {"base_url": server.url, **QUICK, **settings})
    with closing(backbone):
        clip: Clip = backbone.generate(request or asks(), no_progress)
        return clip


def refusal(server: EngineServer, request: ShotRequest | None = None, **settings: Any) -> str:
    with pytest.raises(StoryMemError) as raised:
        make(server, request, **settings)
    assert "\n" not in str(raised.value)
    assert KEY not in str(raised.value)
    return str(raised.value)


# -- requests -----------------------------------------------------------------------------------------------


def test_what_passes_is_asked_again(server: OpenAIServer) -> None:
    server.faults = {
        "create": [status(429, Retry_After="0"), status(503)],
        "look": [status(500), status(502)],
        "content": [status(503)],
    }
    assert len(make(server)) == 9
    assert len(server.created) == 1


def test_a_date_says_when_to_ask_again(server: OpenAIServer) -> None:
    server.faults = {"create": [status(429, Retry_After="Mon, 01 Jan 2024 00:00:00 GMT")]}
    make(server, back_off=60)  # were the date not read, this would take a minute


def test_a_server_that_asks_for_hours_is_not_waited_for(server: OpenAIServer) -> None:
    server.faults = {"create": [status(429, Retry_After="7200")]}
    assert "asks to wait 7200 s" in refusal(server)


def test_failures_that_stay_end(server: OpenAIServer) -> None:
    server.faults = {"create": [status(500, "out of memory")] * 9}
    assert "answers 500 (out of memory), 3 times" in refusal(server)
    assert server.count("create") == 3


@pytest.mark.parametrize("code", [502, 504])
def test_a_creation_that_may_have_worked_is_not_repeated(server: OpenAIServer, code: int) -> None:
    server.faults = {"create": [status(code)] * 9}
    assert "whether it has begun is not known" in refusal(server)
    assert server.count("create") == 1


def test_html_is_no_job(server: OpenAIServer) -> None:
    server.faults = {"create": [lambda h: h.raw(b"<html>\n<h1>Welcome</h1>", "text/html")]}
    assert "answers no JSON object but text/html (<html> <h1>Welcome</h1>); check base_url" in refusal(server)
    server.faults = {"look": [lambda h: h.raw(b"<html>busy", "text/html")]}
    assert len(make(server)) == 9


@pytest.mark.parametrize("answer", [{}, {"id": None}, {"id": "../../etc"}, {"id": "a/b"}])
def test_an_id_that_is_none_is_refused(server: OpenAIServer, answer: dict[str, Any]) -> None:
    server.faults = {"create": [lambda h: h.json(answer)]}
    assert "without the id of a job" in refusal(server)


def test_nobody_there() -> None:
    server = OpenAIServer("sglang")
    server.close()
    assert "cannot be reached" in refusal(server)


# -- jobs ---------------------------------------------------------------------------------------------------


def test_a_moderation_refusal_is_final(server: OpenAIServer) -> None:
    server.faults = {"create": [status(400, "not this", "moderation_blocked")]}
    assert "refused by the server's moderation; change the prompt" in refusal(server)
    failed = {"status": "failed", "error": {"code": "content_policy_violation", "message": "no"}}
    server.faults = {"look": [lambda h: h.json(failed)]}
    assert "refused by the server's moderation" in refusal(server)
    assert (server.count("create"), server.count("look")) == (2, 1)


def test_a_failed_job_is_not_paid_twice(server: OpenAIServer) -> None:
    server.faults = {"look": [lambda h: h.json({"status": "failed", "error": {"message": "CUDA\x1b[2J"}})]}
    assert refusal(server).endswith("the job failed (CUDA [2J)")
    assert len(server.created) == 1


def test_a_job_that_is_not_seen_at_once(server: OpenAIServer) -> None:
    server.faults = {"look": [status(404), status(404)]}
    assert len(make(server, grace=30)) == 9
    assert len(server.created) == 1


def test_a_job_that_never_shows(server: OpenAIServer) -> None:
    server.faults = {"look": [status(404)] * 10_000}
    assert "does not know job job-0; render again to create a new one" in refusal(server)
    assert len(server.created) == 1


def test_a_server_that_restarts_loses_its_jobs(server: OpenAIServer) -> None:
    server.faults = {"look": [lambda h: h.json({"status": "in_progress", "progress": 7}), status(404)]}
    assert len(make(server)) == 9
    assert len(server.created) == 2


def test_queued_for_ever(server: OpenAIServer) -> None:
    server.faults = {"look": [lambda h: h.json({"status": "queued"})] * 10_000}
    assert "waits in the queue for over 0.05 s (queue_timeout), and was cancelled" in refusal(
        server, queue_timeout=0.05
    )
    assert server.jobs["job-0"].deleted


def test_running_for_ever(server: OpenAIServer) -> None:
    server.hold.set()
    assert "has been running for over 0.05 s (job_timeout)" in refusal(server, job_timeout=0.05)
    assert server.jobs["job-0"].deleted


def test_cancelling_reaches_the_server(server: OpenAIServer, tmp_path: Path) -> None:
    server.hold.set()

    def progress(step: int, total: int) -> None:
        if step >= 50:
            raise Cancelled("enough")

    backbone: Any = PluginHost().build(
        Kind.BACKBONE, "openai_video", {"base_url": server.url, "dialect": "sglang", **QUICK}
    )
    with closing(backbone), pytest.raises(Cancelled):
        backbone.generate(replace(asks(), jobs=tmp_path / "jobs"), progress)
    assert server.jobs["job-0"].deleted
    assert not list((tmp_path / "jobs").iterdir())


# -- notes --------------------------------------------------------------------------------------------------


def test_an_interrupted_job_is_found_again(server: OpenAIServer, tmp_path: Path) -> None:
    request = replace(asks(), jobs=tmp_path / "jobs")
    server.faults = {"look": [status(401)]}  # as when the key is missing today
    assert "answers 401" in refusal(server, request)
    (note,) = (tmp_path / "jobs").iterdir()
    assert json.loads(note.read_text())["job"] == "job-0"
    clip = make(server, request)
    assert len(server.created) == 1
    assert clip.notes["job"] == "job-0"
    assert make(server, request).content_hash() == clip.content_hash()  # the engine died before it kept the take
    assert len(server.created) == 1
    make(server, replace(request, seed=9))
    assert len(server.created) == 2


def test_a_damaged_note_counts_as_absent(server: OpenAIServer, tmp_path: Path) -> None:
    request = replace(asks(), jobs=tmp_path / "jobs")
    make(server, request)
    (note,) = (tmp_path / "jobs").iterdir()
    note.write_text("{")
    make(server, request)
    assert len(server.created) == 2


@pytest.mark.parametrize(("kind", "name"), [(LightX2VServer, "lightx2v"), (EchoTestServer, "echo_server")])
def test_a_lost_answer_gives_the_same_job(kind: type[EngineServer], name: str, tmp_path: Path) -> None:
    def taken_and_silent(handler: Handler) -> None:
        handler.server.engine.right("create", handler_without_answer(handler))

    with closing(kind()) as server:
        server.faults = {"create": [taken_and_silent]}
        make(server, replace(asks(), jobs=tmp_path / "jobs"), name=name, size_multiple=16, most_frames=None)
        assert len(server.created) == 1


def handler_without_answer(handler: Handler) -> Handler:
    """Let the server do its work and say nothing: the connection breaks off."""
    handler.json = lambda *arguments, **headers: None  # type: ignore[method-assign]
    return handler


def test_takes_say_what_they_cost(server: OpenAIServer) -> None:
    make_job = server.start
    server.start = lambda *a: _priced(make_job(*a))  # type: ignore[method-assign]
    notes = make(server).notes
    assert notes == {"engine": "openai_video", "server": server.url, "job": "job-0", "reproducible": False,
                     "cost": 0.25, "engine_seconds": 31.0}  # fmt: skip


def _priced(job: Any) -> Any:
    job.extra["usage"] = {"cost": 0.25}
    return job


# -- results ------------------------------------------------------------------------------------------------


def test_a_download_that_is_cut_off_is_fetched_again(server: OpenAIServer) -> None:
    whole = video(9, 32, 32, 16, "x")
    server.make = lambda asked, pictures: whole
    server.faults = {
        "content": [
            lambda h: h.raw(whole[:500], "video/mp4", length=str(len(whole))),  # the connection breaks off
            lambda h: h.raw(whole[: len(whole) * 2 // 3], "video/mp4"),  # a proxy that has half of it and does not know
            lambda h: h.raw(b"<html>", "text/html"),
        ]
    }
    assert (make(server).frames == pixels(whole)).all()


def test_a_result_that_is_no_video(server: OpenAIServer) -> None:
    server.make = lambda asked, pictures: b"\0" * 3000
    assert "what the server sent is no video" in refusal(server)


def test_an_expired_address_is_asked_for_again(server: OpenAIServer) -> None:
    server.faults = {"content": [status(410)]}
    assert len(make(server)) == 9
    server.faults = {"content": [status(403), status(403)]}
    assert "is not there any more; render again" in refusal(server)


def test_an_endless_download_ends(server: OpenAIServer) -> None:
    server.make = lambda asked, pictures: b"\0" * (3 * 2**20)
    assert "has over 1 MiB (max_download)" in refusal(server, max_download=1)


@pytest.mark.parametrize(
    ("made", "wanted", "first"),
    [
        ((9, 32, 32, 24), (9, 32, 32, 16), [0, 1, 2, 3, 4, 5, 6, 7, 8]),  # the count is right: the rate is only said
        ((24, 32, 32, 24), (16, 32, 32, 16), [0, 1, 3, 4, 6, 7, 9, 10]),  # a second at another rate
        ((20, 32, 32, 16), (9, 32, 32, 16), [0, 1, 2, 3, 4, 5, 6, 7, 8]),  # longer: the end is lost
        ((15, 32, 32, 16), (16, 32, 32, 16), [0, 0, 1, 2, 3, 4, 5, 6]),  # a little shorter: stretched
    ],
)
def test_results_are_retimed(
    made: tuple[int, int, int, int], wanted: tuple[int, int, int, int], first: list[int], tmp_path: Path
) -> None:
    content = video(*made, "r")
    (tmp_path / "v").write_bytes(content)
    frames = read_fitted(tmp_path / "v", Wanted(*wanted))
    there = pixels(content)
    assert [int(np.abs(there.astype(int) - f).sum((1, 2, 3)).argmin()) for f in frames[: len(first)]] == first
    assert len(frames) == wanted[0]


def test_results_of_another_size_are_cropped_to_it(server: OpenAIServer) -> None:
    server.make = lambda asked, pictures: video(9, 70, 64, 16, "x")
    assert make(server).frames.shape == (9, 32, 32, 3)
    server.make = lambda asked, pictures: video(9, 128, 32, 16, "x")
    assert "the server made 128x32, and 32x32 was asked for: 75% of the picture would be lost" in refusal(server)
    server.make = lambda asked, pictures: video(4, 32, 32, 16, "x")
    assert "the server made 4 frames (0.25 s), and 9 (0.56 s) were asked for" in refusal(server)


# -- where requests go --------------------------------------------------------------------------------------


@pytest.fixture
def elsewhere() -> Iterator[OpenAIServer]:
    with closing(OpenAIServer("sglang")) as server:
        server.start({"prompt": "", "width": 32, "height": 32, "frames": 9, "fps": 16})
        yield server


def test_redirects_elsewhere_are_refused_and_get_no_key(
    server: OpenAIServer, elsewhere: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDEO_API_KEY", KEY)
    target = f"{elsewhere.url}/videos/job-0/content"
    for kind in ("create", "look", "content"):
        server.faults = {kind: [lambda h: h.raw(b"", "text/plain", 307, Location=target)]}
        assert "refused" in refusal(server)
    assert not elsewhere.log
    server.faults = {"content": [lambda h: h.raw(b"", "text/plain", 302, Location=target)]}
    make(server, download_hosts=["127.0.0.1"])
    assert [headers.get("Authorization") for _, _, headers in elsewhere.log] == [None]
    assert {headers["Authorization"] for _, _, headers in server.log} == {f"Bearer {KEY}"}


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://169.254.169.254/latest", "https://u:p@127.0.0.1/"])
def test_results_are_not_fetched_from_where_a_server_likes(server: OpenAIServer, url: str) -> None:
    server.faults = {"look": [lambda h: h.json({"status": "completed", "url": url})]}
    assert "is refused" in refusal(server)


def test_redirects_at_the_server_itself_are_followed(server: OpenAIServer) -> None:
    server.faults = {"content": [lambda h: h.raw(b"", "text/plain", 302, Location="/v1/videos/job-0/content?x=1")]}
    assert len(make(server)) == 9
    server.faults = {"content": [lambda h: h.raw(b"", "text/plain", 302, Location=h.path)] * 99}
    assert "redirects in circles" in refusal(server)


def test_names_that_lead_to_private_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(address: str) -> Any:
        return lambda *arguments, **named: [(0, 0, 0, "", (address, 443))]

    for address in ("10.0.0.7", "127.0.0.1", "169.254.169.254", "::1", "::ffff:192.168.1.1", "fe80::1%eth0"):
        monkeypatch.setattr("socket.getaddrinfo", found(address))
        with pytest.raises(StoryMemError, match=r"gpu\.example leads to the private address .*allow_private=true"):
            Reach("https://gpu.example/v1", (), False).look_up("gpu.example", 443)
        assert Reach("https://gpu.example/v1", (), True).look_up("gpu.example", 443) == [address]
    monkeypatch.setattr("socket.getaddrinfo", found("93.184.215.14"))
    assert Reach("https://gpu.example", (), False).look_up("gpu.example", 443) == ["93.184.215.14"]


def test_a_server_that_shows_the_key_does_not_show_it_here(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VIDEO_API_KEY", KEY)
    server.faults = {"create": [lambda h: h.json({"error": f"wrong key {h.headers['Authorization']}"}, 401)]}
    said = refusal(server, replace(asks(), jobs=tmp_path / "jobs"))
    assert "wrong key Bearer [api key]" in said
    assert "the key comes from $VIDEO_API_KEY" in said
    assert not any(KEY in path.read_text() for path in tmp_path.rglob("*.json"))


# -- dialects -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"memory": "references"}, "sglang takes one: use grid or first"),
        ({"memory": "slots"}, "memory=slots"),
        ({"dialect": "storymem", "memory": "grid"}, "storymem serve takes memory as slots"),
        ({"base_url": "file:///etc"}, "must be an http or https address"),
        ({"api_key_env": KEY}, "must be the name of a variable"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError, match=says) as raised:
        PluginHost().build(Kind.BACKBONE, "openai_video", {"dialect": "sglang", **settings})
    assert KEY not in str(raised.value)


def test_comfyui_says_what_its_nodes_say(tmp_path: Path) -> None:
    workflows = workflow_files(tmp_path)
    with closing(ComfyServer()) as server:
        error = {"error": {"type": "invalid_prompt", "message": "no node CheckpointLoader"}, "node_errors": {}}
        server.faults = {"create": [lambda h: h.json(error, 400)]}
        assert "no node CheckpointLoader" in refusal(server, name="comfyui", workflows=workflows)
        server.faults = {"create": [lambda h: h.json({"prompt_id": "x", "node_errors": {"1": {"errors": ["bad"]}}})]}
        assert "bad" in refusal(server, name="comfyui", workflows=workflows)
        failed = ["execution_error", {"node_type": "KSampler", "exception_message": "out of memory"}]
        make_job = server.start
        server.start = lambda *a: _failing(make_job(*a), failed)  # type: ignore[method-assign]
        assert "the job failed (KSampler: out of memory)" in refusal(server, name="comfyui", workflows=workflows)
        workflows["t2v"]["seed"] = "1.noise_seed"
        assert "has no input 1.noise_seed" in refusal(server, name="comfyui", workflows=workflows)


def _failing(job: Any, message: list[Any]) -> Any:
    job.extra["status"] = {"status_str": "error", "messages": [message]}
    return job


def test_several_threads_share_a_backbone(server: OpenAIServer) -> None:
    backbone: Any = PluginHost().build(
        Kind.BACKBONE, "openai_video", {"base_url": server.url, "dialect": "sglang", **QUICK}
    )
    clips: dict[int, Clip] = {}
    with closing(backbone):
        threads = [
            threading.Thread(target=lambda n=n: clips.update({n: backbone.generate(asks(seed=n), no_progress)}))
            for n in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len({clip.content_hash() for clip in clips.values()}) == 3
