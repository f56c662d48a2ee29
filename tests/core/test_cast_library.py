"""The cast library: entities that several stories share, with their looks and pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from core_support import PLUGIN, Program, Stage, check_stores_agree, check_tidy, flip, shot, story
from PIL import Image

from storymem.errors import RunStoreError, ScriptError, SettingsError
from storymem.memory.keep import keep_entity
from storymem.memory.library import CastLibrary, CastMember, with_cast
from storymem.plugin import PluginHost
from storymem.settings import PluginChoice
from storymem.testing import FakeEncoder
from storymem.values.clip import Frames, pixel_hash
from storymem.values.events import ShotStarted
from storymem.values.script import Entity, EntityKind, StoryScript

STORE = PluginChoice(name="sqlite")


def library(folder: Path) -> CastLibrary:
    return CastLibrary(folder, STORE, PluginHost())


def picture(seed: int) -> Frames:
    return np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)


def tale(title: str, *prompts: str, entity: str = "fox", **fields: object) -> StoryScript:
    shots = [shot(prompt, entities=[entity]) for prompt in prompts]
    return story(shots, title=title, entities=[{"id": entity, **fields}])


# -- the library ------------------------------------------------------------------------------------------


def test_what_is_added_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    first, second = picture(1), picture(2)
    fox = CastMember(id="fox", look="small and red", voice="low")
    assert library(tmp_path / "cast").add(fox, [first, second], [{"sharpness": 2.0}, {}]) == 2
    found = library(tmp_path / "cast")
    assert found.members == {"fox": fox}
    kept = found.pictures("fox")
    assert [k.id for k in kept] == [pixel_hash(first), pixel_hash(second)]
    assert [dict(k.scores) for k in kept] == [{"sharpness": 2.0}, {}]
    assert all(np.array_equal(k.load(), p) for k, p in zip(kept, (first, second), strict=True))
    assert [(k.shot, k.position, k.entities) for k in kept] == [("ref:fox", -1, ("fox",))] * 2


def test_adding_again_keeps_pictures_and_changes_what_is_said(tmp_path: Path) -> None:
    opened = library(tmp_path)
    opened.add(CastMember(id="fox", look="red"), [picture(1)])
    assert opened.add(CastMember(id="fox", look="grey"), [picture(1), picture(2)]) == 2
    assert library(tmp_path).members["fox"].look == "grey"
    assert len(list((tmp_path / "objects").glob("*.png"))) == 2


def test_removing_deletes_only_what_nobody_else_has(tmp_path: Path) -> None:
    opened = library(tmp_path)
    opened.add(CastMember(id="fox"), [picture(1), picture(2)])
    opened.add(CastMember(id="vixen"), [picture(2)])
    opened.remove("fox")
    found = library(tmp_path)
    assert list(found.members) == ["vixen"]
    assert found.pictures("fox") == ()
    assert np.array_equal(found.pictures("vixen")[0].load(), picture(2))
    assert len(list((tmp_path / "objects").glob("*.png"))) == 1
    with pytest.raises(SettingsError, match="has no entity 'fox'; it has: vixen"):
        found.remove("fox")


def test_embeddings_are_kept_by_encoder(tmp_path: Path) -> None:
    encoder = FakeEncoder()
    opened = library(tmp_path)
    opened.add(CastMember(id="fox"), [picture(1)], encoder=encoder)
    (kept,) = opened.pictures("fox")
    (vector,) = opened.embeddings(encoder, [kept]).values()
    assert np.array_equal(vector, encoder.encode_images(picture(1)[None])[0])
    assert opened.embeddings(None, [kept]) == {}


@pytest.mark.parametrize("entity", [{"id": "FOX"}, {"id": "e1", "name": "Fox"}, {"id": "e1", "name": "Reynard"}])
def test_a_storys_entity_is_found_by_its_names(tmp_path: Path, entity: dict[str, str]) -> None:
    opened = library(tmp_path)
    opened.add(CastMember(id="fox", name="Reynard", look="red"), [picture(1)])
    assert len(opened.pictures_of(Entity.model_validate(entity))) == 1
    assert opened.pictures_of(Entity(id="owl")) == ()
    script = story([shot("p", entities=[entity["id"]])], entities=[entity])
    assert with_cast(script, opened).entities[0].look == "red"
    own = story([shot("p", entities=[entity["id"]])], entities=[{**entity, "look": "white"}])
    assert with_cast(own, opened) == own


@pytest.mark.parametrize("text", ["{", "[]", '{"entities": 3}', '{"entities": [{"id": ""}]}'])
def test_a_list_that_cannot_be_read_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "cast.json").write_text(text)
    with pytest.raises(SettingsError, match=r"cast\.json: ") as error:
        library(tmp_path)
    assert "\n" not in str(error.value)


# -- two stories, one cast --------------------------------------------------------------------------------


def test_the_second_storys_first_shot_recalls_the_first_storys_look(stage: Stage) -> None:
    stage.render(tale("First", "p1", "p2", look="small red fox"), run="first").check()
    cast = library(stage.root / "cast")
    with stage.opened("first") as run:
        kept = keep_entity(run, "fox", cast, 2)
    assert {k.shot for k in kept} == {"1.1", "1.2"}, "the best of every shot comes first"
    assert cast.members["fox"].look == "small red fox"

    result = stage.render(tale("Second", "q1", "q2"), run="second", library=stage.root / "cast").check()
    shown = result.shots["1.1"].recalled
    assert {k.id for k in shown} == {k.id for k in kept}
    assert {k.shot for k in shown} == {"ref:fox"}
    assert all(np.array_equal(a.load(), b.load()) for a in shown for b in kept if a.id == b.id)
    assert stage.of(ShotStarted)[0].mode == "m2v"
    with stage.store("second") as store:
        take = store.takes("1.1")[0]
        assert take.request["subjects"] == [["fox", "character", "small red fox"]]
    check_stores_agree(stage.folder("second"))
    stage.made()
    assert stage.render(tale("Second", "q1", "q2"), run="second", library=stage.root / "cast").made == 0


def test_the_run_keeps_its_own_copies(stage: Stage) -> None:
    cast = library(stage.root / "cast")
    cast.add(CastMember(id="fox"), [picture(1)])
    stage.render(tale("Tale", "p1"), library=stage.root / "cast").check()
    cast.remove("fox")
    with stage.opened() as run:
        (shown,) = run.status()["1.1"].recalled
        assert np.array_equal(shown.load(), picture(1))
    check_tidy(stage.folder())


def test_the_scripts_own_references_come_before_the_librarys(stage: Stage) -> None:
    Image.fromarray(picture(5)).save(stage.root / "own.png")
    cast = library(stage.root / "cast")
    cast.add(CastMember(id="fox"), [picture(1), picture(5)])
    script = tale("Tale", "p1", references=["own.png"])
    stage.render(script, base=stage.root, library=stage.root / "cast", policy="sink_recent").check()
    with stage.store() as store:
        references = store.references()
    assert references is not None
    assert references.keyframes == (pixel_hash(picture(5)), pixel_hash(picture(1)))


def test_a_damaged_library_picture_is_named(stage: Stage) -> None:
    cast = library(stage.root / "cast")
    cast.add(CastMember(id="fox"), [picture(1)])
    (path,) = (stage.root / "cast" / "objects").glob("*.png")
    Image.fromarray(picture(9)).save(path)
    with pytest.raises(SettingsError, match=rf"cast/objects/{path.name}: does not hold its recorded"):
        stage.render(tale("Tale", "p1"), library=stage.root / "cast")
    flip(path)
    with pytest.raises(SettingsError, match=rf"cast/objects/{path.name}: "):
        stage.render(tale("Tale", "p1"), library=stage.root / "cast")


def test_keeping_names_what_is_missing(stage: Stage) -> None:
    stage.render(tale("Tale", "p1"), filters=[{"name": "exposure", "spread": 255}])
    cast = library(stage.root / "cast")
    with stage.opened() as run:
        with pytest.raises(ScriptError, match="Tale: has no entity 'owl'; it has: fox"):
            keep_entity(run, "owl", cast, 3)
        with pytest.raises(RunStoreError, match="no finished shot that shows 'fox' has a keyframe"):
            keep_entity(run, "fox", cast, 3)
    assert not (stage.root / "cast").exists()


# -- the commands -----------------------------------------------------------------------------------------


def test_add_list_show_and_remove(program: Program, tmp_path: Path) -> None:
    for number in (1, 2):
        Image.fromarray(picture(number)).save(tmp_path / f"{number}.png")
    done = program("cast", "add", "mill", "1.png", "--kind", "place", "--look", "old and grey", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "cast: mill has 1 pictures; use it with --set library=cast\n"
    assert program("cast", "add", "mill", "2.png", cwd=tmp_path).returncode == 0
    (row,) = json.loads(program("cast", "list", "--json", cwd=tmp_path).stdout)
    assert (row["id"], row["kind"], row["look"], row["pictures"]) == ("mill", "place", "old and grey", 2)
    assert program("cast", "list", cwd=tmp_path).stdout.split() == [
        "mill",
        "place",
        "2",
        "pictures",
        "old",
        "and",
        "grey",
    ]
    shown = json.loads(program("cast", "show", "Mill", "--json", cwd=tmp_path).stdout)
    assert [(tmp_path / entry["file"]).is_file() for entry in shown["pictures"]] == [True, True]
    assert program("cast", "show", "mill", cwd=tmp_path).stdout.startswith("mill (place): old and grey\n")
    assert program("cast", "remove", "mill", cwd=tmp_path).stdout == "cast: mill removed\n"
    assert program("cast", "list", cwd=tmp_path).stdout == "cast: is empty; storymem cast add NAME PICTURE...\n"


def test_an_entity_is_a_character_unless_said_otherwise(program: Program, tmp_path: Path) -> None:
    program("cast", "add", "fox", "--library", "other", cwd=tmp_path)
    assert library(tmp_path / "other").members["fox"].kind is EntityKind.CHARACTER


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("show", "fox"), 2, "cast: has no entity 'fox'; it has: none"),
        (("remove", "fox"), 2, "cast: has no entity 'fox'; it has: none"),
        (("add", "fox", "gone.png"), 6, "gone.png: reference image does not exist"),
        (("add", "fox", "--kind", "ghost"), 2, "cast add fox: kind: "),
        (("keep", "run", "fox"), 5, "run: is not a run folder"),
    ],
)
def test_bad_input_is_one_line(program: Program, tmp_path: Path, args: tuple[str, ...], code: int, words: str) -> None:
    done = program("cast", *args, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith(f"error: {words}")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "cast").exists()


def test_keep_and_use_from_the_command_line(stage: Stage, program: Program) -> None:
    for name in ("First", "Second"):
        (stage.root / f"{name}.json").write_text(tale(name, f"{name} p1", f"{name} p2").model_dump_json())
    tiny = ("--plugin", PLUGIN, "--backbone", "blocks", "-q")
    assert program("render", "First.json", "-o", "one", *tiny, cwd=stage.root).returncode == 0
    kept = program("cast", "keep", "one", "fox", "--most", "1", cwd=stage.root)
    assert kept.returncode == 0, kept.stderr
    assert kept.stdout.startswith("cast: took 1 pictures of fox: 1.")
    done = program("render", "Second.json", "-o", "two", *tiny, "--set", "library=cast", cwd=stage.root)
    assert done.returncode == 0, done.stderr
    first, _ = json.loads(program("status", "two", "--json", cwd=stage.root).stdout)["shots"]
    assert [entry["name"] for entry in first["recalled"]] == ["ref:fox:0"]
    assert program("resume", "two", "-q", cwd=stage.root).stdout.endswith("0 shots made, 2 kept)\n")
