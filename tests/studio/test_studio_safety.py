"""Each way in that a studio must refuse, tried over real HTTP."""

from __future__ import annotations

import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from studio_support import Client, digests, served

from storymem.errors import SettingsError
from storymem_studio.server import _listen

RUN = "/runs/tale"
WRITES = (
    "/new",
    "/jobs/x/stop",
    *(f"{RUN}/{name}" for name in ("script", "start", "resume", "film", "revise", "accept")),
    *(f"{RUN}/shots/1.1/{name}" for name in ("redo", "pin", "transition")),
)


def test_another_host_name_is_refused(client: Client) -> None:
    """A name of an attacker that resolves to the loopback address gets nothing."""
    for host in ("attacker.example", "attacker.example:80", "127.0.0.1.attacker.example", ""):
        assert client.get(RUN, headers={"Host": host}).status_code in {400, 421}, host
    assert client.get(RUN, headers={"Host": "localhost"}).status_code == 200


@pytest.mark.parametrize("path", WRITES)
def test_no_other_site_can_write(client: Client, path: str) -> None:
    token = client.get("/new").text.split('name="form_token" value="')[1].split('"')[0]
    fields = {"form_token": token, "idea": "x", "shots": "2"}
    for origin in ("http://attacker.example", "null", client.address.replace("http:", "https:"), "http://127.0.0.1:1"):
        assert client.post(path, data=fields, headers={"Origin": origin}).status_code == 403
    assert client.post(path, data=fields).status_code == 403  # a browser always says where a form comes from


@pytest.mark.parametrize("path", WRITES)
def test_a_form_without_its_token_is_refused(client: Client, path: str) -> None:
    client.get("/new")
    for fields in ({}, {"form_token": ""}, {"form_token": "guessed"}):
        answer = client.post(path, data=fields, headers={"Origin": client.address})
        assert answer.status_code == 403
    assert client.get("/jobs").text.count('class="job') == 0


def test_reading_changes_nothing(client: Client) -> None:
    for path in WRITES:
        client.get(path)
    assert client.get("/jobs").text.count('class="job') == 0


def test_the_policy_allows_no_inline_script_and_no_other_site(client: Client) -> None:
    policy = client.get(RUN).headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "frame-ancestors 'none'" in policy
    for path in ("/runs/nope", "/static/studio.js", f"{RUN}/film.mp4"):
        answer = client.get(path)
        assert answer.headers["Content-Security-Policy"] == policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "/runs/../tale",
        "/runs/..",
        "/runs/%2e%2e",
        "/runs/..%2f..%2fetc",
        "/runs/%2fetc",
        "/static/..%2fserver.py",
        "/static/../server.py",
        f"{RUN}/files/..%2frun.sqlite",
        f"{RUN}/files/run.sqlite",
        f"{RUN}/files/%00",
        f"{RUN}/stills/..%2f..%2fetc%2fpasswd",
        f"{RUN}/shots/..%2f..",
    ],
)
def test_no_path_of_a_request_reaches_the_file_system(client: Client, path: str) -> None:
    """Sent as it stands: a client library would tidy it up first."""
    parts = urlsplit(client.address)
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as plain:
        plain.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: plain.recv(65536), b""))
    assert int(answer.split()[1]) in {404, 409}, answer[:200]


def test_files_of_a_run_that_are_not_stored_ones_are_not_served(client: Client, finished: Path) -> None:
    stray = finished / "tale" / "objects" / f"{'a' * 64}.mp4"
    stray.write_bytes(b"not of the run")
    try:
        assert client.get(f"{RUN}/files/{'a' * 64}").status_code == 404
    finally:
        stray.unlink()


def test_elsewhere_a_token_is_needed(finished: Path) -> None:
    with served(finished, token="secret") as address:
        with Client(address) as stranger:
            for path in ("/", RUN, "/static/studio.js", "/?token=wrong", f"{RUN}/live"):
                assert stranger.get(path).status_code == 401
            assert stranger.post("/new", headers={"Origin": address}).status_code == 401
        with Client(address) as friend:
            first = friend.get("/?token=secret")
            assert (first.status_code, first.headers["Location"]) == (303, "/")
            assert friend.get(RUN).status_code == 200
            digest = digests(friend.get(f"{RUN}/shots/1.1").text)[0]
            assert friend.get(f"{RUN}/files/{digest}").status_code == 200


def test_a_port_in_use_is_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(SettingsError, match=r"cannot listen on 127\.0\.0\.1, port .*: .*; choose another --port"):
            _listen("127.0.0.1", taken.getsockname()[1])
