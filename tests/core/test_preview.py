"""What would be made again, said before and compared with what is made; what a render does, seen from outside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from core_support import Program, Stage, chain, shot, story

from storymem.engine.preview import Reason
from storymem.progress import ShotProgress, holder, shots_in_work
from storymem.runs import preview_pin, preview_redo, preview_script
from storymem.session import Session
from storymem.values.events import ShotStep

SETTINGS: list[dict[str, Any]] = [{}, {"policy": "recent", "budget": 1}, {"policy": "none"}]


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("changed", ["1.1", "1.2", "1.4"])
def test_what_is_said_to_be_made_again_is(stage: Stage, settings: dict[str, Any], changed: str) -> None:
    script = story([shot("p1"), shot("p2", cut=False), shot("p3"), shot("p4", cut=False)])
    stage.render(script, **settings).check()
    stage.made()
    after = script.with_prompt(changed, "other")
    with stage.teller(**settings) as teller, stage.opened() as run:
        found = preview_script(run, teller.session, after)
    assert stage.made() == []
    stage.render(after, **settings).check()
    prompts = {"other": changed, **{f"p{n}": f"1.{n}" for n in range(1, 5)}}
    made = {prompts[prompt] for prompt in stage.made()}
    assert {again.shot for again in found if again.certain} <= made <= {again.shot for again in found}
    assert changed in made


def test_each_shot_says_why(stage: Stage) -> None:
    script = story([shot("p1"), shot("p2", cut=False), shot("p3")])
    stage.render(script, policy="none").check()
    with stage.teller(policy="none") as teller, stage.opened() as run:
        found = preview_redo(run, teller.session, "1.1", run.override("1.1", seed=5))
        assert preview_script(run, teller.session, script) == ()
        assert preview_pin(run, teller.session, "1.1", 1) == ()
    assert [(again.shot, again.reason, again.because) for again in found] == [
        ("1.1", Reason.CHANGED, ()),
        ("1.2", Reason.SHOWN, ("1.1",)),
    ]
    assert all(again.seconds is not None for again in found)


def test_an_earlier_take_is_not_made_again_but_what_was_shown_the_later_one_is(stage: Stage) -> None:
    script = story([shot("p1"), shot("p2", cut=False)])
    with stage.teller(policy="none") as teller:
        teller.render(script)
        with stage.opened(write=True) as run:
            run.redo("1.1", prompt="other")
        teller.render(script)
        with stage.opened() as run:
            found = preview_pin(run, teller.session, "1.1", 1)
    assert [(again.shot, again.reason) for again in found] == [("1.2", Reason.SHOWN)]


def test_shots_that_were_never_made_are_listed_and_timed_by_the_others(stage: Stage) -> None:
    stage.render(chain(2), policy="none").check()
    with stage.teller(policy="none") as teller, stage.opened() as run:
        (again,) = preview_script(run, teller.session, chain(3))
    assert (again.shot, again.reason) == ("1.3", Reason.CHANGED)
    assert again.seconds is not None


def test_every_take_has_its_viewing_copy(stage: Stage) -> None:
    stage.render(chain(1)).check()
    with stage.opened(write=True) as run:
        run.redo("1.1", prompt="other")
    stage.render(chain(1)).check()
    with stage.opened() as run:
        copies = run.viewing_copies("1.1")
        assert sorted(copies) == [1, 2]
        assert all(file.path.is_file() for file in copies.values())


def test_a_run_is_watched_without_a_lock(stage: Stage) -> None:
    seen: list[dict[str, ShotProgress] | None] = []

    def look(event: object) -> None:
        if isinstance(event, ShotStep):
            seen.append(shots_in_work(stage.folder()))

    assert shots_in_work(stage.folder()) is None
    stage.render(chain(2), on_event=look).check()
    assert seen
    assert all(shots for shots in seen)
    assert shots_in_work(stage.folder()) is None
    assert holder(stage.folder()) is None


def test_time_left_needs_a_step(stage: Stage) -> None:
    assert ShotProgress("t2v", 0.0).seconds_left is None
    assert ShotProgress("t2v", 0.0, step=2, total=2).seconds_left == 0


def test_the_command_line_says_it_too(program: Program, tmp_path: Path) -> None:
    script = tmp_path / "tale.json"
    script.write_text('{"title": "Tale", "scenes": [{"shots": [{"prompt": "p1"}, {"prompt": "p2"}]}]}')
    with Session(backbone="animatic", size="64x32", frames=5, policy="none") as session:
        session.render(script, tmp_path / "run")
    for arguments, words in (
        (["redo", "run", "1.2", "--seed", "3", "--dry-run"], "shot 1.2: changed\n1 shot: "),
        (["pin", "run", "1.2", "1", "--dry-run"], "nothing\n"),
        (["resume", "run", "--dry-run"], "nothing\n"),
    ):
        done = program(*arguments, cwd=tmp_path)
        assert done.returncode == 0
        assert done.stdout.startswith(words)
    script.write_text(script.read_text().replace("p1", "other"))
    done = program("resume", "run", "--script", "tale.json", "--quiet", cwd=tmp_path)
    assert "1 shots made, 1 kept" in done.stdout
