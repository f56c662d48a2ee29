"""How a server lives and dies: its token, its queue, kill -9, and the film that is made through it."""

from __future__ import annotations

import json
import signal
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from serve_support import PROGRAM, SLOW, Served

from storymem import Storyteller

TOKEN = "tok-Zx81T0pWv7aB3cD9"
STORY: dict[str, Any] = {
    "title": "Tale",
    "entities": [{"id": "anna", "kind": "character", "name": "Anna", "look": "a girl in a yellow coat"}],
    "scenes": [
        {
            "shots": [
                {"prompt": "Anna walks in a meadow.", "entities": ["anna"]},
                {"prompt": "Close-up of Anna. She waits.", "entities": ["anna"]},
                {"prompt": "Anna turns to the house.", "entities": ["anna"], "cut": False},
            ]
        }
    ],
}


@pytest.mark.parametrize("transition", ["first_frame", "motion"])
def test_a_film_through_our_own_server_equals_the_local_one(animatic: Served, tmp_path: Path, transition: str) -> None:
    common: dict[str, Any] = {"size": (96, 64), "frames": 9, "policy": "sink_recent", "budget": 3, "filters": []}
    common |= {"selector": "uniform", "continuation": transition}
    settings = {"base_url": f"{animatic.address}/v1", "dialect": "storymem", "poll": 0.02, "max_memory": 8}
    films = []
    for name, backbone in (("local", "animatic"), ("served", {"name": "openai_video", "settings": settings})):
        with Storyteller(tmp_path / name, backbone=backbone, **common) as teller:
            result = teller.render(STORY)
        assert result.film is not None
        films.append(result.film.read_bytes())
    assert films[0] == films[1]


def test_a_token_is_needed_where_others_can_connect(tmp_path: Path) -> None:
    command = [PROGRAM, "serve", "--host", "0.0.0.0", "--port", "0", "--folder", str(tmp_path)]
    done = subprocess.run([*command, "--backbone", "animatic"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "set $VIDEO_SERVER_TOKEN or --token-file" in done.stderr
    with closing(Served(tmp_path, "--backbone", "animatic", VIDEO_SERVER_TOKEN=TOKEN)) as served:
        assert served.http.get("/v1/videos").status_code == 401
        assert served.http.get("/v1/videos", headers={"Authorization": "Bearer x"}).status_code == 401
        assert served.http.get("/v1/videos", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert not any(TOKEN in path.read_text() for path in tmp_path.rglob("*.json"))


def test_the_queue_is_bounded_and_survives_a_kill(tmp_path: Path) -> None:
    slow = [*SLOW, "--set", "backbone.seconds=600"]
    served = Served(tmp_path, *slow, "--queue", "3")
    jobs = [served.create(size="64x48", seed=n) for n in range(3)]
    served.wait(jobs[0]["id"], "in_progress")
    full = served.http.post("/v1/videos", json={"prompt": "x", "size": "64x48"})
    assert (full.status_code, full.headers["retry-after"]) == (429, "5")
    second = subprocess.run(
        [PROGRAM, "serve", "--port", "0", "--folder", str(tmp_path), "--backbone", "animatic"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "is in use by another server" in second.stderr
    served.close(signal.SIGKILL)
    states = {json.loads(path.read_text())["status"] for path in tmp_path.glob("jobs/*/job.json")}
    assert states == {"in_progress", "queued"}
    with closing(Served(tmp_path, *SLOW, "--queue", "3", "--keep", "2")) as again:
        for job in jobs[1:]:
            assert again.wait(job["id"])["status"] == "completed"
        assert again.http.get(f"/v1/videos/{jobs[0]['id']}").status_code == 404  # the oldest of three: two are kept


def test_deleting_stops_what_is_running(tmp_path: Path) -> None:
    options = [*SLOW, "--set", "backbone.seconds=0.05", "--set", "backbone.steps=100000"]
    with closing(Served(tmp_path, *options)) as served:
        first, second = served.create(size="64x48"), served.create(size="64x48", seed=2)
        served.wait(first["id"], "in_progress")
        served.http.delete(f"/v1/videos/{first['id']}")
        served.wait(second["id"], "in_progress")
        assert not (tmp_path / "jobs" / first["id"]).exists()


def test_failures_of_a_backbone_are_told(tmp_path: Path) -> None:
    options = [*SLOW, "--set", 'backbone.fail=["bad"]', "--set", 'backbone.crash=["bug"]']
    with closing(Served(tmp_path, *options)) as served:
        bad = served.wait(served.create(prompt="bad", size="64x48")["id"])
        bug = served.wait(served.create(prompt="bug", size="64x48")["id"])
        good = served.wait(served.create(prompt="good", size="64x48")["id"])
    assert (bad["status"], bad["error"]["code"]) == ("failed", "generation_failed")
    assert (bug["status"], bug["error"]["code"]) == ("failed", "internal_error")
    assert good["status"] == "completed"
