"""The jsonl sink: what a run says, line by line, in one file that several runs may share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from core_support import Program, Stage, chain

from storymem.errors import SettingsError
from storymem.interfaces import EventSink
from storymem.plugin import Kind, PluginHost
from storymem.values.events import RunStarted, ShotFinished, ShotStep

FULL = Path("/dev/full")


def sink(path: Path) -> EventSink[Any]:
    built = PluginHost().build(Kind.EVENT_SINK, "jsonl", {"path": str(path)})
    assert isinstance(built, EventSink)
    return built


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_a_runs_events_are_written_in_order_with_their_time(stage: Stage) -> None:
    path = stage.root / "events.jsonl"
    stage.render(chain(2), sinks=[{"name": "jsonl", "path": str(path)}])
    written = lines(path)
    times = [line.pop("time") for line in written]
    assert written == json.loads(json.dumps([event.to_json() for event in stage.events]))
    assert times == sorted(times)
    assert (written[0]["event"], written[-1]["event"]) == ("RunStarted", "RunFinished")


def test_failures_are_written_too(stage: Stage) -> None:
    path = stage.root / "events.jsonl"
    stage.render(chain(2), fault={"p2": "raise"}, sinks=[{"name": "jsonl", "path": str(path)}])
    (failed,) = [line for line in lines(path) if line["event"] == "ShotFailed"]
    assert failed["shot"] == "1.2"
    assert "tensor on the wrong device" in failed["error"]


def test_later_runs_append(stage: Stage) -> None:
    path = stage.root / "events.jsonl"
    for _ in range(2):
        stage.render(chain(1), sinks=[{"name": "jsonl", "path": str(path)}])
    finished = [line["cached"] for line in lines(path) if line["event"] == "ShotFinished"]
    assert finished == [False, True]


def test_a_line_is_there_at_once_and_two_writers_do_not_mix(tmp_path: Path) -> None:
    one, two = sink(tmp_path / "events.jsonl"), sink(tmp_path / "events.jsonl")
    for number in range(20):
        (one, two)[number % 2].handle(ShotFinished(shot="1.1", take=number, cached=False, recalled=(), seconds=0.5))
        assert [line["take"] for line in lines(tmp_path / "events.jsonl")] == list(range(number + 1))
    one.close()
    two.close()


def test_text_stays_readable_and_names_that_are_no_text_are_escaped(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    folder = "films/b\udce9t\udce9"  # how Python spells a file name in Latin-1
    open_sink = sink(path)
    open_sink.handle(RunStarted(title="Die Möwe\n海鸥 🐦", folder=folder, shots=1, backbone="blocks"))
    open_sink.close()
    assert "Die Möwe\\n海鸥 🐦" in path.read_text("utf-8")
    (line,) = lines(path)
    assert (line["title"], line["folder"]) == ("Die Möwe\n海鸥 🐦", folder)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"sink jsonl: .*none/events\.jsonl: cannot be written: No such file"):
        sink(tmp_path / "none" / "events.jsonl")
    with pytest.raises(SettingsError, match="path"):
        PluginHost().build(Kind.EVENT_SINK, "jsonl", {})


@pytest.mark.skipif(not FULL.exists(), reason="this system has no device that is always full")
def test_a_full_disk_is_named_and_closing_still_works(stage: Stage) -> None:
    full = sink(FULL)
    with pytest.raises(SettingsError, match="sink jsonl: /dev/full: cannot be written: No space left on device"):
        full.handle(ShotStep(shot="1.1", step=1, total=2))
    full.close()
    with pytest.raises(SettingsError, match="No space left on device"):
        stage.render(chain(1), sinks=[{"name": "jsonl", "path": str(FULL)}])
    assert stage.render(chain(1)).film is not None, "the run folder can be used again"


def test_the_command_line_takes_sinks(stage: Stage, program: Program) -> None:
    (stage.root / "story.json").write_text(chain(1).model_dump_json(), "utf-8")
    (stage.root / "storymem.toml").write_text(
        'backbone = "animatic"\nframes = 5\nsinks = [{ name = "jsonl", path = "events.jsonl" }]\n', "utf-8"
    )
    done = program("render", "story.json", "-o", "run", "--quiet", "--trust", cwd=stage.root)
    assert done.returncode == 0, done.stderr
    assert lines(stage.root / "events.jsonl")[-1]["event"] == "RunFinished"
