"""A run that is killed while a server works finds its job again, and what it made is found by its key."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

from engines_support import OpenAIServer

from storymem import Storyteller

STORY = {"title": "Tale", "scenes": [{"shots": [{"prompt": "a boat"}, {"prompt": "a hill"}]}]}


def command(server: OpenAIServer, folder: Path) -> list[str]:
    (folder / "story.json").write_text(json.dumps(STORY))
    options = ["--backbone", "openai_video", "--size", "32x32", "--frames", "9", "--policy", "none", "--quiet"]
    for name, value in {"base_url": server.url, "dialect": "sglang", "memory": "off", "poll": 0.02}.items():
        options += ["--set", f"backbone.{name}={value}"]
    program = str(Path(sys.executable).with_name("storymem"))
    return [program, "render", str(folder / "story.json"), "-o", str(folder / "run"), *options]


def test_a_killed_run_pays_nothing_twice(tmp_path: Path) -> None:
    with closing(OpenAIServer("sglang")) as server:
        server.hold.set()
        running = subprocess.Popen(command(server, tmp_path), start_new_session=True)
        until = time.monotonic() + 50
        while server.count("look") < 3 and time.monotonic() < until:
            time.sleep(0.02)
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        paid = len(server.created)
        assert paid >= 1
        server.hold.clear()
        subprocess.run(command(server, tmp_path), check=True)
        assert len(server.created) == 2
        assert (tmp_path / "run" / "film.mp4").is_file()
        settings = {"base_url": server.url, "dialect": "sglang", "memory": "off"}
        choice = {"name": "openai_video", "settings": settings}
        again = Storyteller(tmp_path / "run", backbone=choice, size=(32, 32), frames=9, policy="none")
        with again:
            result = again.render(tmp_path / "story.json")
        assert (result.made, result.cached) == (0, 2)
        assert len(server.created) == 2
    program = str(Path(sys.executable).with_name("storymem"))
    said = subprocess.run([program, "takes", str(tmp_path / "run"), "1.1"], check=True, capture_output=True, text=True)
    assert "not reproducible" in said.stdout
