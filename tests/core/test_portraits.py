"""Portraits: one reference image of each character that lacks one, made before the film and recalled by its shots."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from core_support import PLUGIN, Stage, check_tidy, digest, shot, story, storymem
from hypothesis import given

from storymem.errors import ScriptError, ShotError
from storymem.interfaces import Keyframe
from storymem.media.images import write_png
from storymem.portraits import make_portraits, portrait_script, subjects, with_portraits
from storymem.session import Session
from storymem.testing import strategies
from storymem.values.picture import read_png
from storymem.values.script import Entity, StoryScript

CAST: list[dict[str, Any]] = [
    {"id": "fox", "look": "small red fox. "},
    {"id": "owl/1", "name": "Old Owl"},
    {"id": "bear", "references": ["bear.png"]},
    {"id": "extra"},
    {"id": "wood", "name": "dark wood", "kind": "place"},
]
TALE = story(
    [shot("a fox runs", entities=["fox"]), shot("they meet", cut=False, entities=["fox", "owl/1", "bear", "wood"])],
    entities=CAST,
    style="Ink.",
    seed=7,
)


def portraits(stage: Stage, script: StoryScript = TALE, **settings: Any) -> dict[str, Path]:
    backbone = {"name": "blocks", "journal": str(stage.journal)}
    with Session(plugins=[PLUGIN], backbone=backbone, **settings) as session:
        return make_portraits(script, stage.folder("cast"), session)


def test_who_gets_one() -> None:
    assert [entity.id for entity in subjects(TALE)] == ["fox", "owl/1"]  # the bear has one, nobody sees the extra
    made = portrait_script(TALE)
    assert [scene.shots[0].prompt for scene in made.scenes] == [
        "Medium shot by day. fox, small red fox, stands and faces the camera.",
        "Medium shot by day. Old Owl stands and faces the camera in dark wood.",
    ]
    assert (made.style, made.seed, made.title) == ("Ink.", 7, "Portraits of Tale")


def test_the_best_judge_among_the_scores_says_how_good_a_keyframe_is() -> None:
    scored = Keyframe("a", "1.1", 0, 0, scores={"sharpness": 30.0, "aesthetic": 5.0, "other": 1.0})
    assert scored.quality() == 5.0
    assert scored.quality(("other", "aesthetic")) == 1.0
    assert Keyframe("b", "1.1", 0, 1).quality() == 0.0


@given(strategies.scripts())
def test_of_any_script(script: StoryScript) -> None:
    cast = subjects(script)
    if not cast:
        with pytest.raises(ScriptError, match="nobody needs a portrait"):
            portrait_script(script)
        return
    made = portrait_script(script)
    assert StoryScript.model_validate(made.model_dump()) == made
    assert tuple(made.entities) == cast
    assert [scene.shots[0].entities for scene in made.scenes] == [(entity.id,) for entity in cast]
    pictures = {entity.id: Path(f"{number}.png") for number, entity in enumerate(cast)}
    assert not subjects(with_portraits(script, pictures, Path()))


def test_made_once_and_of_one_character_alone(stage: Stage) -> None:
    made = portraits(stage)
    assert {name: path.name for name, path in made.items()} == {"fox": "01_fox.png", "owl/1": "02_owl_1.png"}
    assert len(stage.made()) == 2
    with stage.store("cast") as store:
        assert [take.recalled for take in store.takes()] == [(), ()]
        kept = {id_ for ids in store.selections().values() for id_ in ids}
        assert len(kept) > 2
    pixels = {name: read_png(path) for name, path in made.items()}
    made["fox"].unlink()
    assert portraits(stage) == made
    assert stage.made() == []
    assert all(np.array_equal(read_png(path), pixels[name]) for name, path in made.items())
    check_tidy(stage.folder("cast"))


def test_another_take_is_alone_as_well(stage: Stage) -> None:
    before = digest(portraits(stage)["owl/1"])
    done = storymem("redo", stage.folder("cast"), "2.1", cwd=stage.root)
    assert done.returncode == 0, done.stderr
    assert len(stage.made()) == 3
    made = portraits(stage)
    assert stage.made() == []
    assert digest(made["owl/1"]) != before
    with stage.store("cast") as store:
        assert [take.recalled for take in store.takes()] == [(), (), ()]


def test_every_shot_of_a_character_recalls_it(stage: Stage) -> None:
    script = story([shot("a", entities=["fox"]), shot("b", entities=["fox"])], entities=[{"id": "fox"}])
    made = portraits(stage, script)
    told = with_portraits(script, made, stage.root)
    assert told.entities == (Entity(id="fox", references=("cast/01_fox.png",)),)
    stage.render(told, base=stage.root, policy="sink_recent").check()
    with stage.store() as store:
        assert all("ref:fox:0" in [k.name for k in take.recalled] for take in store.takes())


def test_rejected_and_misplaced(stage: Stage) -> None:
    strict = {"name": "sharpness", "threshold": 1e9}
    with pytest.raises(ShotError, match=r"portrait of 'fox': every frame of shot 1\.1 of .*cast was rejected"):
        portraits(stage, selector="uniform", filters=[strict])
    with pytest.raises(ScriptError, match=r"portrait .* must lie below"):
        with_portraits(TALE, {"fox": stage.root / "a.png"}, stage.root / "elsewhere")


def test_command(stage: Stage) -> None:
    root = stage.root
    write_png(root / "bear.png", np.full((8, 8, 3), 90, np.uint8))
    script = root / "tale.json"
    script.write_text(TALE.model_dump_json())
    tiny = ("--plugin", PLUGIN, "--backbone", "blocks")
    done = storymem("portraits", script, *tiny, cwd=root)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(f"{root / 'tale_portraits.json'} (2 portraits in {root / 'tale_portraits'})\n")
    entities = {e["id"]: e for e in json.loads((root / "tale_portraits.json").read_text())["entities"]}
    assert entities["fox"]["references"] == ["tale_portraits/01_fox.png"]
    assert entities["bear"]["references"] == ["bear.png"]
    film = storymem("render", "tale_portraits.json", *tiny, "--policy", "sink_recent", "-o", "film", cwd=root)
    assert film.returncode == 0, film.stderr
    again = storymem("portraits", "tale_portraits.json", *tiny, cwd=root)
    assert again.returncode == 2
    assert again.stderr.count("\n") == 1
    assert "nobody needs a portrait" in again.stderr
