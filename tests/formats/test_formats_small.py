"""Forms of which no public file is at hand, by small files of our own; and what each form loses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from storymem.errors import ScriptError
from storymem.interfaces import ScriptFormat
from storymem.plugin import Kind, PluginHost
from storymem.script.loader import load_script
from storymem.script.services import read_script
from storymem.values.script import EntityKind, StoryScript

EXAMPLES = Path(__file__).parents[2] / "examples" / "stories"


@pytest.fixture(scope="module")
def host() -> PluginHost:
    return PluginHost()


def form(host: PluginHost, name: str, **settings: Any) -> ScriptFormat:
    plugin = host.build(Kind.SCRIPT_FORMAT, name, settings)
    assert isinstance(plugin, ScriptFormat)
    return plugin


STORY = {
    "Story_type": "Fable",
    "Characters": {
        "Fox": {"name_en": "Rusty", "name_ch": "小红", "prompt_en": "a red fox in a scarf", "prompt_ch": "红狐狸"},
        "Owl": {"name_en": "Old Owl", "prompt_en": "a brown owl", "tag": "animal"},
    },
    "Shots": [
        {
            "index": number,
            "Setting Description": {"en": place, "ch": "森林"},
            "Characters Appearing": {"en": cast, "ch": ["小红"]},
            "Static Shot Description": {"en": text, "ch": "小红坐着"},
            "Shot Perspective Design": {"en": "Medium shot", "ch": "中景"},
            "Plot Correspondence": {"en": "not used", "ch": "不用"},
        }
        for number, place, cast, text in (
            (1, "A wood at night", ["Rusty"], "Rusty sits."),
            (2, "A wood at night", "rusty, Old Owl and Villagers", "Both look up"),
            (3, "A village", ["Fox"], "Rusty walks."),
        )
    ],
}  # fmt: skip


def story_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "07"
    (folder / "image" / "Fox").mkdir(parents=True)
    for name in ("01.png", "00.jpg", "notes.txt"):
        if name.endswith("txt"):
            (folder / "image" / "Fox" / name).write_text("no picture")
        else:
            Image.new("RGB", (8, 8), "orange").save(folder / "image" / "Fox" / name)
    (folder / "story.json").write_text(json.dumps(STORY))
    return folder / "story.json"


def test_vistorybench(tmp_path: Path, host: PluginHost) -> None:
    script = load_script(story_folder(tmp_path), host)
    assert script.title == "07"
    assert [len(scene.shots) for scene in script.scenes] == [2, 1]
    assert script.scenes[0].setting == "A wood at night"
    fox, owl = script.entities
    assert (fox.id, fox.name, fox.look) == ("Fox", "Rusty", "a red fox in a scarf")
    assert fox.references == ("image/Fox/00.jpg",)
    assert owl.references == ()
    assert [shot.entities for scene in script.scenes for shot in scene.shots] == [("Fox",), ("Fox", "Owl"), ("Fox",)]
    assert script.scenes[0].shots[1].prompt == "Medium shot. A wood at night. Both look up."
    assert script.metadata["vistorybench"] == {"Story_type": "Fable", "unregistered": {"1.2": ["Villagers"]}}


def test_vistorybench_in_chinese_with_all_pictures(tmp_path: Path, host: PluginHost) -> None:
    path = story_folder(tmp_path)
    script = read_script(path, host, {"language": "ch", "pictures": 9})[1]
    assert script.entities[0].name == "小红"
    assert script.entities[0].references == ("image/Fox/00.jpg", "image/Fox/01.png")
    assert script.scenes[0].shots[0].prompt == "中景. 森林. 小红坐着."
    assert len(script.scenes) == 1


@pytest.mark.parametrize("key", ["..", "../../secret", "/etc", "."])
def test_pictures_never_come_from_elsewhere(tmp_path: Path, host: PluginHost, key: str) -> None:
    path = story_folder(tmp_path)
    (tmp_path / "secret").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "secret" / "a.png")
    path.write_text(json.dumps({**STORY, "Characters": {key: {}}}))
    with pytest.raises(ScriptError, match="leads out of the folder"):
        load_script(path, host)


def test_a_linked_folder_is_elsewhere_too(tmp_path: Path, host: PluginHost) -> None:
    path = story_folder(tmp_path)
    (tmp_path / "secret").mkdir()
    (path.parent / "image" / "Owl").symlink_to(tmp_path / "secret")
    with pytest.raises(ScriptError, match=r"Characters\.Owl: this key leads out"):
        load_script(path, host)


HOLOCINE_TEXT = (
    "[global caption] The scene is a tidy office. [character1], a tall man in a grey suit. [character2] is a woman "
    "with red hair. This scene contains 3 shots. [per shot caption] Wide shot of [character1] at a desk. |\n"
    "[shot cut] Close-up of [character2]. | [shot cut] [character1] and [character2] shake hands."
)


@pytest.mark.parametrize("name", ["office.txt", "office.json", "table.json"])
def test_holocine_both_forms(tmp_path: Path, host: PluginHost, name: str) -> None:
    path = tmp_path / name
    table = {"prompt": HOLOCINE_TEXT, "num_frames": 241, "shot_cut_frames": [81, 161]}
    text = HOLOCINE_TEXT if name == "office.txt" else json.dumps(HOLOCINE_TEXT if name == "office.json" else table)
    path.write_text(text)
    script = load_script(path, host)
    assert [shot.prompt for shot in script.scenes[0].shots] == [
        "Wide shot of [character1] at a desk.",
        "Close-up of [character2].",
        "[character1] and [character2] shake hands.",
    ]
    assert [(e.id, e.label, e.look) for e in script.entities] == [
        ("character1", "[character1]", "tall man in a grey suit"),
        ("character2", "[character2]", "woman with red hair"),
    ]
    assert script.scenes[0].shots[2].entities == ("character1", "character2")
    assert all(shot.cut for shot in script.scenes[0].shots)
    data, losses = form(host, "holocine").dump(script)
    assert isinstance(data, dict)
    assert data["shot_captions"] == [shot.prompt for shot in script.scenes[0].shots]
    assert data.get("num_frames") == (241 if name == "table.json" else None)
    assert [loss for loss in losses if not loss.startswith("the title")] == []


def test_memflow_lines_are_scenes(tmp_path: Path, host: PluginHost) -> None:
    path = tmp_path / "groups.jsonl"
    path.write_text('{"prompts": ["a", "b"]}\n\n{"prompts": ["c", "d", "e"]}\n')
    script = load_script(path, host)
    assert [[shot.cut for shot in scene.shots] for scene in script.scenes] == [[True, False], [True, False, False]]
    one = read_script(path, host, {"line": 2})[1]
    assert [shot.prompt for shot in one.scenes[0].shots] == ["c", "d", "e"]
    with pytest.raises(ScriptError, match="line 3: there are only 2"):
        read_script(path, host, {"line": 3})
    data, losses = form(host, "memflow").dump(script)
    assert data == [{"prompts": ["a", "b"]}, {"prompts": ["c", "d", "e"]}]
    assert losses == ["the title 'groups', unless it is the file's name"]


def full_script() -> StoryScript:
    return StoryScript.model_validate(
        {
            "title": "All",
            "overview": "All there is.",
            "style": "oil paint",
            "negative_prompt": "blur",
            "seed": 4,
            "entities": [{"id": "fox", "name": "Rusty", "look": "red"}, {"id": "s", "kind": "style"}],
            "scenes": [
                {
                    "title": "One",
                    "setting": "wood",
                    "shots": [
                        {"prompt": "a", "entities": ["fox"], "transition": "dissolve", "frames": 5, "seed": 1},
                        {"prompt": "b", "id": "1.1a", "cut": False, "overrides": {"budget": 2}},
                    ],
                }
            ],
            "metadata": {"note": 1},
        }
    )


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("st_bench", {"cut"}),
        ("entitybench", {"cut", "entities"}),
        ("memento", {"cut"}),
        ("vimax", set()),
        ("holocine", set()),
        ("memflow", {"cut"}),
    ],
)
def test_everything_lost_is_named(host: PluginHost, name: str, kept: set[str]) -> None:
    told = " | ".join(form(host, name).dump(full_script())[1])
    for part in ("style 'oil paint'", "negative prompt", "seed 4", "scene titles", "scene settings", "metadata 'note'"):
        assert part in told
    for part in (
        "transition of 1.1",
        "frames of 1.1",
        "seed of 1.1",
        "overrides of 1.1a",
        "ids of inserted shots 1.1a",
    ):
        assert part in told
    assert ("missing cuts of 1.1a" in told) is ("cut" not in kept)
    assert ("entit" in told) is True
    assert "oil paint" not in json.dumps(form(host, name).dump(full_script())[0])


def test_nothing_is_lost_in_our_own_form(host: PluginHost) -> None:
    data, losses = form(host, "storymem").dump(full_script())
    assert losses == []
    assert StoryScript.model_validate(data) == full_script()


def test_vistorybench_is_read_only(host: PluginHost) -> None:
    with pytest.raises(ScriptError, match="can be read but not written"):
        form(host, "vistorybench").dump(full_script())


@pytest.mark.parametrize("name", ["st_bench", "entitybench", "memento", "vimax", "holocine", "memflow"])
def test_what_was_written_is_read_again(tmp_path: Path, host: PluginHost, name: str) -> None:
    for path in sorted(EXAMPLES.glob("*.json")):
        script = load_script(path, host)
        data = form(host, name).dump(script)[0]
        target = tmp_path / "again.json"
        target.write_text(json.dumps(data))
        found, again = read_script(target, host)
        assert found == name
        prompts = [shot.prompt for scene in script.scenes for shot in scene.shots]
        assert [shot.prompt for scene in again.scenes for shot in scene.shots] == prompts


def test_entitybench_keeps_kinds_and_looks(tmp_path: Path, host: PluginHost) -> None:
    script = load_script(EXAMPLES / "glass_mountain.json", host)
    target = tmp_path / "again.json"
    target.write_text(json.dumps(form(host, "entitybench").dump(script)[0]))
    again = load_script(target, host)
    looks = {e.label: (e.kind, e.look) for e in script.entities if e.kind is not EntityKind.STYLE}
    assert {e.id: (e.kind, e.look) for e in again.entities} == looks
