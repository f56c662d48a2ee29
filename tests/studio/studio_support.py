"""What the studio's tests share: a small run, a server in a thread, a client that submits forms as a browser does."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx2
import uvicorn

from storymem import Storyteller
from storymem_studio.server import studio_app

HOSTILE = "<script>alert(1)</script>\"' onload=x &amp; {{7*7}}"
SCRIPT: dict[str, Any] = {
    "title": f"Tale {HOSTILE}",
    "style": "plain",
    "entities": [{"id": "fox", "name": "Mira", "look": f"a red fox {HOSTILE}"}],
    "scenes": [
        {
            "title": "Snow",
            "shots": [
                {"prompt": f"A fox sits. {HOSTILE}", "entities": ["fox"]},
                {"prompt": "It walks on.", "cut": False, "entities": ["fox"]},
                {"prompt": "Night falls."},
            ],
        }
    ],
}
SETTINGS: dict[str, Any] = {"backbone": "animatic", "size": "128x64", "frames": 9}


def render_small(folder: Path, **settings: Any) -> None:
    """Render the script with the animatic, small."""
    with Storyteller(folder, **SETTINGS, **settings) as teller:
        teller.render(SCRIPT)


@contextmanager
def served(root: Path, token: str = "") -> Iterator[str]:
    """Serve a studio on a free port and yield its address."""
    import socket

    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    config = uvicorn.Config(studio_app(root, port, token), log_level="error", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        wait_for(lambda: server.started or not thread.is_alive())
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


def wait_for(holds: Callable[[], object], seconds: float = 50) -> None:
    """Wait until something holds; fails after the given time, far longer than it takes."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "did not come"
        time.sleep(0.05)


class Client(httpx2.Client):
    """A browser without scripts: keeps cookies, submits forms with their token and its own Origin."""

    def __init__(self, address: str) -> None:
        super().__init__(base_url=address, timeout=50)
        self.address = address

    def form(self, path: str, **fields: str) -> httpx2.Response:
        """Submit a form, with the token of this browser."""
        token = self.get("/new").text.split('name="form_token" value="')[1].split('"')[0]
        return self.post(path, data={**fields, "form_token": token}, headers={"Origin": self.address})


class Markup(HTMLParser):
    """The elements and words of a page."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data

    def having(self, tag: str, **attributes: str) -> list[dict[str, str]]:
        """Return the attributes of the elements of a tag that have these."""
        return [a for t, a in self.tags if t == tag and attributes.items() <= a.items()]


def digests(html: str) -> list[str]:
    """Return the digests of the files that a page names."""
    return re.findall(r"/files/([0-9a-f]{64})", html)
