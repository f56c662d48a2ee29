"""What a take was shown is recorded with it, and stays what is shown, whatever becomes of the shots it came from."""

from __future__ import annotations

import json

import numpy as np
from core_support import Program, Stage, check_tidy, shot, story

from storymem.interfaces import Keyframe
from storymem.values.events import ShotFinished, ShotStarted
from storymem.values.picture import read_png

OPTIONS = {"policy": "recent", "budget": 2, "selector": {"name": "every", "step": 2}}
BEFORE, AFTER = story(["p1", "p2", "p3"]), story(["other", "p2", "p3"])


def recalled(stage: Stage, name: str) -> tuple[Keyframe, ...]:
    with stage.opened() as run:
        return run.status()[name].recalled


def pinned(stage: Stage) -> tuple[Keyframe, ...]:
    """Render, pin shot 2, change shot 1, render again; return what shot 2 was shown."""
    stage.render(BEFORE, **OPTIONS).check()
    shown = recalled(stage, "1.2")
    assert [k.name for k in shown] == [f"1.1:{k.frame}" for k in stage.keyframes()["1.1"][-2:]]
    with stage.opened(write=True) as run:
        run.pin("1.2", 1)
    stage.made()
    stage.render(AFTER, **OPTIONS).check()
    assert "other" in stage.made()
    assert not {k.id for k in stage.keyframes()["1.1"]} & {k.id for k in shown}, "shot 1 gives other pictures now"
    return shown


def test_status_names_what_the_pinned_take_saw(stage: Stage, program: Program) -> None:
    shown = pinned(stage)
    assert recalled(stage, "1.2") == shown
    (event,) = [event for event in stage.of(ShotFinished) if event.shot == "1.2"]
    assert event.recalled == tuple(k.name for k in shown)
    row = json.loads(program("status", stage.folder(), "--json", cwd=stage.root).stdout)["shots"][1]
    assert [entry["id"] for entry in row["recalled"]] == [k.id for k in shown]
    takes = json.loads(program("takes", stage.folder(), "1.2", "--json", cwd=stage.root).stdout)
    assert [entry["id"] for entry in takes[0]["recalled"]] == [k.id for k in shown]


def test_its_pictures_can_be_looked_at_also_after_a_prune(stage: Stage) -> None:
    shown = pinned(stage)
    pixels = [k.load() for k in shown]
    with stage.opened(write=True) as run:
        old, _ = run.prune()
    assert ("1.1", 1) in old
    found = recalled(stage, "1.2")
    assert [k.id for k in found] == [k.id for k in shown]
    assert all(np.array_equal(k.load(), picture) for k, picture in zip(found, pixels, strict=True))
    check_tidy(stage.folder())


def test_a_new_take_names_its_own(stage: Stage) -> None:
    shown = pinned(stage)
    with stage.opened(write=True) as run:
        run.pin("1.2", None)
    stage.render(AFTER, **OPTIONS).check()
    now = recalled(stage, "1.2")
    assert [k.id for k in now] == [k.id for k in stage.keyframes()["1.1"][-2:]]
    assert not {k.id for k in now} & {k.id for k in shown}
    with stage.store() as store:
        assert [[k.id for k in take.recalled] for take in store.takes("1.2")] == [
            [k.id for k in shown],
            [k.id for k in now],
        ]


def test_the_result_gives_pictures_and_reasons(stage: Stage) -> None:
    script = story(
        [shot("p1", entities=["fox"]), shot("p2", entities=["fox"])],
        entities=[{"id": "fox"}],
    )
    result = stage.render(script).check()
    assert result.shots["1.1"].recalled == ()
    (first, *_) = result.shots["1.2"].recalled
    (event,) = [event for event in stage.of(ShotStarted) if event.shot == "1.2"]
    assert tuple(k.name for k in result.shots["1.2"].recalled) == event.recalled
    assert first.reason
    assert first.entities == ("fox",)
    (name,) = (stage.folder() / "keyframes").glob(f"01_01_f{first.frame:04d}.png")
    assert np.array_equal(first.load(), read_png(name))
    with stage.opened() as run:
        assert run.status()["1.2"].to_json()["recalled"][0]["reason"] == first.reason
