"""The run's log, and the tracebacks of plugin bugs: in ``run.log``, with ``--debug``, and in no message."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from core_support import PLUGIN, Program, Stage, chain

from storymem.errors import ShotError
from storymem.values.events import ShotFailed

BUG = "shot 1.1: backbone Tiny failed: ValueError: tensor on the wrong device"


def log(stage: Stage) -> list[str]:
    return (stage.folder() / "run.log").read_text("utf-8").splitlines()


def test_every_run_adds_what_happened_with_its_time(stage: Stage) -> None:
    stage.render(chain(2))
    first = log(stage)
    assert all(line[:4].isdigit() and line[25:27] == "  " for line in first), first
    said = [line.split("  ", 1)[1] for line in first]
    workers = "1 thread of this process, sharing one copy of the weights"
    assert said[0] == f"Tale: 2 shots with blocks, into {stage.folder()}; {workers}"
    assert [line.split(" in ")[0] for line in said[1:3]] == ["shot 1.1: take 1", "shot 1.2: take 1"]
    assert said[3].startswith("film: 10 frames joined in ")
    stage.render(chain(2))
    assert log(stage)[: len(first)] == first
    assert len(log(stage)) == len(first) + 1, "the second run only starts: everything is there"


@pytest.mark.parametrize("executor", ["thread", "process"])
def test_a_bugs_traceback_is_in_the_log_and_the_event(stage: Stage, executor: str) -> None:
    result = stage.render(chain(2), fault={"p1": "raise"}, policy="none", executor=executor)
    assert dict(result.failures) == {"1.1": BUG}
    (event,) = stage.of(ShotFailed)
    assert event.error == BUG
    for text in (event.details, "\n".join(log(stage)), result.details["1.1"]):
        assert "Traceback (most recent call last):" in text
        assert "in _raise" in text
        assert 'raise ValueError("tensor on the wrong device")' in text
    with pytest.raises(ShotError) as caught:
        result.check()
    assert "Traceback" not in str(caught.value)
    assert "in _raise" in caught.value.details


def test_a_selectors_bug_has_its_traceback_too(stage: Stage) -> None:
    stage.render(chain(1), selector={"name": "every", "fault": "raise"})
    assert "RuntimeError: selector out of memory" in stage.of(ShotFailed)[0].details
    assert any("in select" in line for line in log(stage))


def test_an_expected_error_has_no_traceback(stage: Stage) -> None:
    result = stage.render(chain(1), fault={"p1": "refuse"})
    assert stage.of(ShotFailed)[0].details == ""
    assert dict(result.details) == {}
    assert not any("Traceback" in line for line in log(stage))
    assert any("weights.bin: cannot be read" in line for line in log(stage))


@pytest.mark.parametrize("debug", [False, True])
def test_the_command_line_shows_it_if_asked(stage: Stage, program: Program, debug: bool) -> None:
    tale = stage.root / "tale.json"
    tale.write_text(json.dumps(chain(1).model_dump(mode="json")))
    options = ("--plugin", PLUGIN, "--backbone", "blocks", "--set", "backbone.fault.p1=raise", "-q")
    done = program(*(["--debug"] if debug else []), "render", tale, "-o", "run", *options, cwd=stage.root)
    assert done.returncode == 4
    assert ("in _raise" in done.stderr) == debug
    assert done.stderr.splitlines()[-1].startswith("error: failed shots: 1, ")


def test_debug_shows_where_an_expected_error_comes_from(program: Program, tmp_path: Path) -> None:
    done = program("--debug", "status", "nothing", cwd=tmp_path)
    assert done.returncode == 5
    assert "Traceback (most recent call last):" in done.stderr
    assert done.stderr.endswith("error: nothing: is not a run folder (no run.sqlite); render into it first\n")
    assert "Traceback" not in program("status", "nothing", cwd=tmp_path).stderr
