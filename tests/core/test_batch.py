"""Many stories over one set of workers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from core_support import PLUGIN, Program, Stage, chain, film_pixels, json_lines, story

from storymem.batch import Batch, StoryState, stories_in
from storymem.engine.cancel import CancelToken
from storymem.errors import Cancelled, SettingsError
from storymem.session import Session
from storymem.values.events import Event, ShotFinished, ShotPlaced
from storymem.values.script import StoryScript


def write(folder: Path, **scripts: StoryScript) -> list[Path]:
    paths = []
    for name, script in scripts.items():
        paths.append(folder / f"{name}.json")
        paths[-1].write_text(script.model_dump_json(), "utf-8")
    return paths


def session(stage: Stage, **settings: object) -> Session:
    backbone = {"name": "blocks", "journal": str(stage.journal), "fault": settings.pop("fault", {})}
    return Session(plugins=[PLUGIN], backbone=backbone, **settings)


def test_a_batch_gives_the_films_that_single_renders_give(stage: Stage) -> None:
    one, two = chain(3, title="One"), story(["a", "b"], ["c"], title="Two")
    scripts = write(stage.root, one=one, two=two)
    stage.render(one, run="one", executor="serial")
    stage.render(two, run="two", executor="serial")
    with session(stage, workers=2) as shared:
        rows = Batch(shared, stories_in(stage.root / "films", scripts)).render()
    assert [(row.story.name, row.state, row.done) for row in rows] == [
        ("one", StoryState.FINISHED, 3),
        ("two", StoryState.FINISHED, 3),
    ]
    for name in ("one", "two"):
        assert film_pixels(stage.root / "films" / name) == film_pixels(stage.folder(name))


def test_workers_and_their_weights_stay_from_story_to_story(stage: Stage) -> None:
    scripts = write(stage.root, **{f"s{n}": chain(2, title=f"S{n}") for n in range(3)})
    loads: list[str] = []

    def watch(name: str, event: Event) -> None:
        if isinstance(event, ShotPlaced) and event.state == "loading":
            loads.append(event.place)

    with session(stage, executor="process") as shared:
        Batch(shared, stories_in(stage.root / "films", scripts), watch).render()
    assert len(loads) == 1


def test_one_bad_story_stops_no_other(stage: Stage) -> None:
    scripts = write(stage.root, bad=story(["x"], title="Bad"), good=story(["a"], title="Good"))
    scripts.append(stage.root / "wrong.json")
    scripts[-1].write_text(json.dumps({"title": "Wrong", "scenes": 3}))
    with session(stage, fault={"x": "raise"}) as shared:
        rows = {row.story.name: row for row in Batch(shared, stories_in(stage.root / "films", scripts)).render()}
    assert rows["good"].state is StoryState.FINISHED
    assert rows["bad"].state is StoryState.FAILED
    assert "tensor on the wrong device" in rows["bad"].error
    assert rows["wrong"].state is StoryState.FAILED
    assert "wrong.json" in rows["wrong"].error


def test_a_batch_that_was_stopped_resumes(stage: Stage) -> None:
    scripts = write(stage.root, **{f"s{n}": chain(3, title=f"S{n}") for n in range(2)})
    cancel = CancelToken()

    def stop(name: str, event: Event) -> None:
        if isinstance(event, ShotFinished):
            cancel.cancel()

    stories = stories_in(stage.root / "films", scripts)
    with session(stage) as shared, pytest.raises(Cancelled):
        Batch(shared, stories, stop, cancel).render()
    first = stage.made()
    with session(stage) as shared:
        rows = Batch(shared, stories).render()
    assert all(row.state is StoryState.FINISHED for row in rows)
    assert len(first) + len(stage.made()) == 6, "a shot was made twice"


def test_remarks_tell_of_idle_workers_and_chains(stage: Stage) -> None:
    scripts = write(stage.root, one=chain(4, cut=False))
    with session(stage, workers=4) as shared:
        remarks = Batch(shared, stories_in(stage.root / "films", scripts)).plan()
    assert "1 stories for 4 workers" in remarks[0]
    assert "4 of 4 shots are made one after another" in remarks[1]


def test_two_scripts_cannot_share_a_folder(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="would both be rendered into"):
        stories_in(tmp_path, [tmp_path / "a.json", tmp_path / "other" / "a.yaml"])


def test_the_command_prints_a_row_a_story_and_json_names_the_story(stage: Stage, program: Program) -> None:
    scripts = write(stage.root, one=story(["a"], title="One"), two=story(["b"], title="Two"))
    arguments = ["batch", *scripts, "--out", stage.root / "films", "--plugin", PLUGIN, "--backbone", "blocks"]
    done = program(*arguments, cwd=stage.root)
    assert done.returncode == 0, done.stderr
    assert [line.split()[:3] for line in done.stdout.splitlines()] == [
        ["finished", "1/1", "one"],
        ["finished", "1/1", "two"],
    ]
    again = json_lines(program(*arguments, "--json", cwd=stage.root).stdout)
    assert {event["story"] for event in again} == {"one", "two"}
