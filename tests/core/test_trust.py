"""What comes with a folder runs no code and writes nowhere before the user has agreed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from core_support import PLUGIN, PROGRAM, Program, clean_environ, story
from PIL import Image

from storymem.store.runstore import RunStore
from storymem.trust import Request, UntrustedError

SCRIPT = story(["p1", "p2"])
Run = Callable[..., Any]


@pytest.fixture
def run(program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The program in an empty folder, with a script, for a user who has agreed to nothing yet."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "tale.json").write_text(SCRIPT.model_dump_json())
    return lambda *args: program(*args, cwd=tmp_path)


@pytest.fixture
def received(run: Run, tmp_path: Path) -> Path:
    """A run folder of somebody else: made elsewhere, with a plugin file that leaves a mark when it is executed."""
    plugin = tmp_path / "theirs.py"
    shutil.copyfile(PLUGIN, plugin)
    done = run("render", "tale.json", "-o", "made", "--plugin", plugin, "--backbone", "blocks", "--quiet")
    assert done.returncode == 0, done.stderr
    mark = tmp_path / "executed"
    plugin.write_text(plugin.read_text() + f"\n__import__('pathlib').Path({str(mark)!r}).touch()\n")
    (tmp_path / "made").rename(tmp_path / "received")
    return tmp_path / "received"


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.name not in {"lock", "lock.pid"}}


@pytest.mark.parametrize("command", [["resume"], ["redo", "1.1"], ["pin", "1.1", "1"], ["film"]])
def test_a_received_run_executes_nothing(run: Run, received: Path, tmp_path: Path, command: list[str]) -> None:
    name, *rest = command
    before = files(received)
    done = run(name, "received", *rest)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "plugin file" in done.stderr
    assert "storymem trust received" in done.stderr
    assert not (tmp_path / "executed").exists()
    assert files(received) - before <= {received / "run.sqlite-shm", received / "run.sqlite-wal"}
    with RunStore(received, write=False) as store:
        assert store.overrides() == {}


def test_consent_is_given_once_and_for_this_content_alone(run: Run, received: Path, tmp_path: Path) -> None:
    done = run("trust", "received")
    assert done.returncode == 0
    assert "plugin file" in done.stdout
    assert run("resume", "received", "--quiet").returncode == 0
    assert (tmp_path / "executed").exists()
    plugin = tmp_path / "theirs.py"
    plugin.write_text(plugin.read_text() + "# changed\n")
    assert run("resume", "received").returncode == 2
    assert run("resume", "received", "--trust", "--quiet").returncode == 0
    assert run("resume", "received", "--quiet").returncode == 0


def test_looking_needs_no_consent(run: Run, received: Path, tmp_path: Path) -> None:
    for command in (["status"], ["takes", "1.1"], ["verify"], ["prune"]):
        name, *rest = command
        assert run(name, "received", *rest).returncode == 0
    assert json.loads(run("trust", "received", "--show", "--json").stdout)["trusted"] is False
    assert not (tmp_path / "executed").exists()
    assert run("resume", "received").returncode == 2


def test_ones_own_run_needs_no_consent(run: Run, tmp_path: Path) -> None:
    run("render", "tale.json", "-o", "own", "--plugin", PLUGIN, "--backbone", "blocks", "--quiet",
        "--set", f'sinks=[{{name="jsonl", path="{tmp_path}/log.jsonl"}}]')  # fmt: skip
    assert run("resume", "own", "--quiet").returncode == 0
    assert run("redo", "own", "1.1", "--quiet").returncode == 0


@pytest.mark.parametrize(
    "text",
    [
        'sinks = [{name = "jsonl", path = "../.bashrc"}]',
        'sinks = ["jsonl"]',
        'backbone = {name = "wan", weights = "/models/wan"}',
        'backbone = {name = "wan", weights = "~/models"}',
        'backbone = {name = "wan", weights = "a/../../b"}',
        'filters = [{name = "hpsv3", command = ["python", "-c", "1"]}]',
        'filters = [{name = "hpsv3", python = "bin/python"}]',
        'library = "/home/somebody/cast"',
        'encoder = {name = "clip", model = "https://example.org/model"}',
        'encoder = {name = "clip", model = "out"}',
    ],
)
def test_a_project_asks_for_consent(run: Run, tmp_path: Path, text: str) -> None:
    (tmp_path / "out").symlink_to(tmp_path.parent)
    (tmp_path / "storymem.toml").write_text(text + "\n")
    done = run("render", "tale.json", "--backbone", "animatic", "-o", "film")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "which you have not agreed to" in done.stderr
    assert not (tmp_path / "film").exists()
    assert run("trust", ".").returncode == 0
    assert "agreed" not in run("config").stderr


@pytest.mark.parametrize(
    "text", ["budget = 4", 'backbone = {name = "animatic"}', 'policy = "none"', 'library = "cast"']
)
def test_plain_settings_need_no_consent(run: Run, tmp_path: Path, text: str) -> None:
    (tmp_path / "storymem.toml").write_text(text + "\n")
    assert run("config").returncode == 0


def test_a_file_that_the_user_names_needs_no_consent(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('sinks = [{name = "jsonl", path = "log.jsonl"}]\n')
    assert run("config", "--config", "mine.toml").returncode == 0


def test_a_sink_of_a_project_writes_after_consent(run: Run, tmp_path: Path) -> None:
    (tmp_path / "storymem.toml").write_text('sinks = [{name = "jsonl", path = "../log.jsonl"}]\n')
    line = ["render", "tale.json", "--plugin", PLUGIN, "--backbone", "blocks", "-o", "film", "--quiet"]
    log = tmp_path.parent / "log.jsonl"
    assert run(*line).returncode == 2
    assert not log.exists()
    try:
        assert run(*line, "--trust").returncode == 0
        assert log.exists()
    finally:
        log.unlink()


def test_pictures_from_elsewhere_need_consent(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    asks = Request(tmp_path / "run", {}, base=Path("/"))
    assert asks.demands() == ["reference images from /"]
    assert Request(tmp_path / "run", {}, base=tmp_path / "run" / "pictures").demands() == []
    with pytest.raises(UntrustedError, match="reference images from /"):
        asks.require()


def test_a_moved_project_resumes_with_the_pictures_it_imported(run: Run, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    Image.new("RGB", (8, 8), "red").save(project / "fox.png")
    entities = [{"id": "fox", "kind": "character", "references": ["fox.png"]}]
    (project / "tale.json").write_text(story(["p1"], entities=entities).model_dump_json())
    done = run("render", "project/tale.json", "-o", "film", "--plugin", PLUGIN, "--backbone", "blocks", "--quiet")
    assert done.returncode == 0, done.stderr
    shutil.rmtree(project)
    done = run("redo", "film", "1.1", "--prompt", "new", "--quiet")
    assert done.returncode == 0, done.stderr


def test_a_project_on_a_path_with_a_colon_is_no_address(run: Run, tmp_path: Path) -> None:
    line = ["render", "tale.json", "--plugin", PLUGIN, "--backbone", "blocks", "--quiet", "-o", "tcp:127.0.0.1:9"]
    assert run(*line).returncode == 0
    assert (tmp_path / "tcp:127.0.0.1:9" / "film.mp4").is_file()


def test_worker_processes_take_nothing_from_the_working_folder(tmp_path: Path) -> None:
    """A real program: what is in the way of Python's own modules is only found as a process starts."""
    (tmp_path / "tale.json").write_text(story(["p1"]).model_dump_json())
    mark = tmp_path / "executed"
    for name in ("pickle", "multiprocessing", "struct"):
        (tmp_path / f"{name}.py").write_text(f"__import__('pathlib').Path({str(mark)!r}).touch()\n")
    line = [str(PROGRAM), "render", "tale.json", "-o", "film", "--plugin", str(PLUGIN), "--backbone", "blocks"]
    done = subprocess.run(
        [*line, "--set", "executor=process"],
        cwd=tmp_path,
        env=clean_environ(),
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not mark.exists()


def test_closed_streams_never_become_files_of_the_run(tmp_path: Path) -> None:
    (tmp_path / "tale.json").write_text(story(["p1"]).model_dump_json())
    line = f"{sys.executable} {PROGRAM} render tale.json -o film --plugin {PLUGIN} --backbone blocks --json"
    done = subprocess.run(
        ["bash", "-c", f"{line} >&- 2>&- <&-"], cwd=tmp_path, env=clean_environ(), timeout=50, check=False
    )
    assert done.returncode == 6
    with RunStore(tmp_path / "film", write=False) as store:
        assert len(store.takes()) == 1


def test_a_reader_that_leaves_does_not_cost_the_film(tmp_path: Path) -> None:
    (tmp_path / "tale.json").write_text(story(["p1", "p2"]).model_dump_json())
    line = f"{PROGRAM} render tale.json -o film --plugin {PLUGIN} --backbone blocks --json | head -1"
    line += "; exit ${PIPESTATUS[0]}"
    done = subprocess.run(
        ["bash", "-c", line], cwd=tmp_path, env=clean_environ(), capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 6
    assert done.stderr == "standard output cannot be written: Broken pipe; the run continues without it\n"
    assert (tmp_path / "film" / "film.mp4").is_file()
