"""Metrics on finished runs: what they see of the film, plain metrics in ``storymem evaluate``, missing films."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from core_support import Program, chain, flip, story
from gate_support import GATE, GateStage, attempts_at, gate_module
from PIL import Image

from storymem.errors import RunStoreError
from storymem.film.review import FinishedFilm
from storymem.interfaces import FinishedShot
from storymem.media.video import read_clip


@pytest.fixture
def stage(tmp_path: Path) -> GateStage:
    return GateStage(tmp_path)


def measured(program: Program, stage: GateStage, *more: str) -> dict[str, float]:
    asked = ("--suite", "looks", "--plugin", GATE, "--json", "--no-cache", "--quiet")
    done = program("evaluate", stage.folder(), *asked, *more, cwd=stage.root)
    assert done.returncode == 0, done.stderr
    (film,) = json.loads(done.stdout)
    return {column["column"]: column["film"] for column in film["columns"]}


def seen(stage: GateStage) -> list[FinishedShot]:
    with stage.store() as store:
        return list(FinishedFilm(store).shots())


def picture(path: Path, colour: tuple[int, int, int]) -> str:
    noise = np.random.default_rng(colour[0]).integers(0, 100, (16, 32, 3)) + np.asarray(colour)
    Image.fromarray(noise.astype(np.uint8)).save(path)
    return path.name


def with_references(stage: GateStage) -> Any:
    names = [picture(stage.root / f"{i}.png", (10 + 40 * i, 60, 90)) for i in range(3)]
    people = [
        {"id": "anna", "references": names[:2]},
        {"id": "nobody"},
        {"id": "ben", "references": names[2:]},
    ]
    return story(
        [{"prompt": "Anna waits.", "entities": ["anna"]}, {"prompt": "Ben comes.", "entities": ["ben"], "cut": False}],
        entities=people,
    )


# -- what metrics see -----------------------------------------------------------------------------------------


def test_clips_are_the_masters_without_repeated_frames(stage: GateStage) -> None:
    stage.render(chain(2, cut=False))
    first, second = seen(stage)
    assert first.clip.content_hash() == attempts_at("1.1", "p1", 1)[0].clip
    with stage.store() as store:
        take = next(take for take in store.takes() if take.shot == "1.2")
        master = read_clip(store.objects.path(take.master, ".mkv"), take.fps)
    assert (len(master), len(second.clip)) == (5, 4)
    assert np.array_equal(second.clip.frames, master.frames[1:])
    assert [shot.shot.id for shot in (first, second)] == ["1.1", "1.2"]


def test_recalled_keyframes_and_references_are_found_with_their_pictures(stage: GateStage) -> None:
    stage.render(with_references(stage), base=stage.root, budget=8, policy="sink_recent")
    first, second = seen(stage)
    assert [(k.shot, k.frame, k.entities) for k in first.recalled] == [
        ("ref:anna", 0, ("anna",)),
        ("ref:anna", 1, ("anna",)),
        ("ref:ben", 2, ("ben",)),
    ]
    assert all(k.is_reference for k in first.recalled)
    own = [k for k in second.recalled if not k.is_reference]
    assert all(k.scores["sharpness"] > 0 for k in stage.keyframes()["1.1"])
    assert len(own) == len(second.recalled) - 3 > 0
    for keyframe in own:
        assert np.array_equal(keyframe.load(), first.clip.frames[keyframe.frame])
        assert (keyframe.shot, keyframe.position, keyframe.entities) == ("1.1", 0, ("anna",))
    for keyframe, colour in zip(first.recalled, (10, 50, 90), strict=True):
        assert keyframe.load()[..., 0].min() >= colour


def test_what_a_metric_reads_is_what_redo_made(stage: GateStage) -> None:
    stage.render(chain(1))
    with stage.opened(write=True) as run:
        run.redo("1.1", prompt="another day")
    stage.render(chain(1))
    (shot,) = seen(stage)
    assert shot.shot.prompt == "another day"
    assert shot.clip.content_hash() == attempts_at("1.1", "another day", 1)[0].clip


# -- the command ----------------------------------------------------------------------------------------------


def test_a_plain_metric_gives_numbers_for_the_film_and_is_closed(stage: GateStage, program: Program) -> None:
    stage.render(with_references(stage), base=stage.root, budget=8, policy="sink_recent")
    before = gate_module().Looks.closed
    numbers = measured(program, stage)
    assert gate_module().Looks.closed == before + 1
    assert {key: numbers[key] for key in ("shots", "1.1.frames", "1.2.frames")} == {
        "shots": 2,
        "1.1.frames": 5,
        "1.2.frames": 4,
    }
    assert (numbers["1.1.recalled"], numbers["1.1.references"]) == (3, 3)
    assert numbers["1.2.references"] + numbers["1.2.from_first"] == numbers["1.2.recalled"] > 3
    assert numbers["1.1.mean"] == pytest.approx(seen(stage)[0].clip.frames.mean())


def test_an_unknown_metric_is_named(stage: GateStage, program: Program) -> None:
    stage.render(chain(1))
    done = program("evaluate", stage.folder(), "--suite", "look", "--plugin", GATE, cwd=stage.root)
    assert done.returncode == 3
    assert "unknown metric 'look': did you mean 'looks'?" in done.stderr


# -- films that are not there -----------------------------------------------------------------------------------


def test_of_an_unfinished_run_the_finished_shots_are_measured(stage: GateStage, program: Program) -> None:
    stage.render(chain(3), tiny={"fault": {"p2": "raise"}}, policy="none")
    with pytest.raises(RunStoreError, match=r"shots 1\.2 are not finished; storymem resume"):
        seen(stage)
    done = program("evaluate", stage.folder(), "--suite", "vbench", "--no-cache", "--json", "--quiet", cwd=stage.root)
    assert done.returncode == 0, done.stderr
    (film,) = json.loads(done.stdout)
    assert film["shots"] == ["1.1", "1.3"]
    assert "shots 1.2 are not finished; storymem resume; the finished ones are read from" in film["problems"][0]


def test_a_shot_that_failed_after_a_change_is_not_measured_by_its_old_take(stage: GateStage) -> None:
    stage.render(chain(2), policy="none")
    stage.render(story(["p1", "p9"]), tiny={"fault": {"p9": "raise"}}, policy="none")
    with pytest.raises(RunStoreError, match=r"shots 1\.2 are not finished"):
        seen(stage)


def test_lost_files_are_one_clear_line(stage: GateStage, program: Program) -> None:
    stage.render(chain(2), policy="none")
    with stage.store() as store:
        take = next(take for take in store.takes() if take.shot == "1.2")
        master = store.objects.path(take.master, ".mkv")
    flip(master)
    with pytest.raises(RunStoreError, match="does not have its recorded content"):
        seen(stage)
    assert program("verify", stage.folder(), cwd=stage.root).returncode == 5
    with pytest.raises(RunStoreError, match=r"shots 1\.2 are not finished; storymem resume"):
        seen(stage)
    stage.render(chain(2), policy="none")
    assert len(seen(stage)) == 2


def test_a_folder_without_a_run_is_named(stage: GateStage, program: Program) -> None:
    done = program("evaluate", stage.root / "nothing", "--no-cache", cwd=stage.root)
    assert done.returncode == 6
    assert "nothing: does not exist; name a run folder, a folder of clips, or a film" in done.stderr
    with stage.store(write=True) as store, pytest.raises(RunStoreError, match="was never rendered into"):
        FinishedFilm(store)
