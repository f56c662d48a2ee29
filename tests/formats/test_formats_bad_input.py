"""Every form's bad inputs: the message names the file, the key path and the reason."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from storymem.errors import ScriptError, StoryMemError
from storymem.plugin import PluginHost
from storymem.script.loader import load_script

Data = Any

NATIVE: Data = {
    "title": "Two walks",
    "entities": [{"id": "fox", "look": "red fox"}],
    "scenes": [{"shots": [{"prompt": "A fox walks.", "entities": ["fox"]}, {"prompt": "It stops.", "cut": False}]}],
}
ST_BENCH: Data = {
    "story_name": "Two walks",
    "story_overview": "A fox walks twice.",
    "scenes": [{"scene_num": 1, "video_prompts": ["A fox walks.", "It stops."], "cut": [True, "False"]}],
}
ENTITYBENCH: Data = {
    **ST_BENCH,
    "entity_schedule": {"1:1": {"characters": ["Fox"], "places": ["Wood"], "objects": []}},
    "entity_descriptions": {"Character 1": {"name": "Fox", "label": "Character 1", "description": "red"}},
}
MEMENTO: Data = {**ST_BENCH, "reconstruct_target": "[Person A] tall man\n[Animal B] red fox"}
VIMAX: Data = {
    "story_overview": "A fox walks.",
    "scenes": [{"scene_num": 1, "shots": [{"shot_id": 1, "first_frame": "A fox.", "video_prompt": "It walks."}]}],
}
VISTORY: Data = {
    "Story_type": "fable",
    "Characters": {"Fox": {"name_en": "Fox", "prompt_en": "red fox", "tag": "realistic"}},
    "Shots": [
        {
            "index": 1,
            "Setting Description": {"en": "A wood"},
            "Characters Appearing": {"en": ["Fox"]},
            "Static Shot Description": {"en": "The fox sits"},
        }
    ],
}
HOLOCINE: Data = {
    "global_caption": "The scene features [character1], a red fox.",
    "shot_captions": ["[character1] walks.", "[character1] stops."],
    "num_frames": 81,
    "shot_cut_frames": [40],
}
MEMFLOW: Data = {"prompts": ["A fox walks.", "The fox stops."]}
GOOD = {
    "native": NATIVE, "st_bench": ST_BENCH, "entitybench": ENTITYBENCH, "memento": MEMENTO, "vimax": VIMAX,
    "vistory": VISTORY, "holocine": HOLOCINE, "memflow": MEMFLOW,
}  # fmt: skip


@pytest.fixture(scope="module")
def host() -> PluginHost:
    return PluginHost()


def write(tmp_path: Path, data: Data) -> Path:
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(data))
    return path


@pytest.mark.parametrize("name", GOOD)
def test_the_good_ones_load(tmp_path: Path, host: PluginHost, name: str) -> None:
    script = load_script(write(tmp_path, GOOD[name]), host)
    assert script.scenes[0].shots[0].cut


def changed(data: Data, *path: Any, to: Any) -> Data:
    data = copy.deepcopy(data)
    at = data
    for key in path[:-1]:
        at = at[key]
    if to is Ellipsis:
        del at[path[-1]]
    else:
        at[path[-1]] = to
    return data


LONG = "x" * 10_000_000
# ruff: noqa: E501
CASES: list[tuple[Data, str]] = [
    (changed(NATIVE, "scenes", to=...), "scenes: missing"),
    (changed(NATIVE, "scenes", to=[]), "scenes: "),
    (changed(NATIVE, "colour", to="red"), "colour: unknown key"),
    (changed(NATIVE, "title", to=3), "title: Input should be a valid string"),
    (changed(NATIVE, "scenes", 0, "shots", 0, "prompt", to="  "), r"scenes\.0\.shots\.0\.prompt: "),
    (changed(NATIVE, "scenes", 0, "shots", 1, "prompt", to=LONG), r"scenes\.0\.shots\.1\.prompt: .*20000"),
    (changed(NATIVE, "scenes", 0, "shots", 0, "cut", to="yes"), r"scenes\.0\.shots\.0\.cut: "),
    (changed(NATIVE, "scenes", 0, "shots", 0, "cut", to=False), r"scenes\.0\.shots\.0\.cut: the first shot"),
    (changed(NATIVE, "scenes", 0, "shots", 0, "id", to="1.2"), r"scenes\.0\.shots\.1: id 1\.2 is already used"),
    (changed(NATIVE, "scenes", 0, "shots", 0, "entities", to=["owl"]), "'owl' is not among"),
    (changed(NATIVE, "entities", to=[{"id": "fox"}, {"id": "fox"}]), r"entities\.1\.id: 'fox' is used twice"),
    (changed(NATIVE, "metadata", to=[1]), "metadata: "),
    ({**NATIVE, "a\nb": 1}, "a b: unknown key"),
    ({**NATIVE, "x" * 9000: 1}, "xxx"),
    (changed(ST_BENCH, "story_name", to=7), "story_name: must be text, not 7"),
    (changed(ST_BENCH, "scenes", 0, "cut", to=[True]), r"scenes\.0\.cut: has 1 entries, but scenes\.0\.video_prompts has 2"),
    (changed(ST_BENCH, "scenes", 0, "cut", to="False"), r"scenes\.0\.cut: one value for 2 shots"),
    (changed(ST_BENCH, "scenes", 0, "cut", 1, to=None), r"scenes\.0\.cut\.1: is null"),
    (changed(ST_BENCH, "scenes", 0, "cut", to=[True] * 3), r"scenes\.0\.cut: has 3 entries, but scenes\.0\.video_prompts has 2$"),
    (changed(ST_BENCH, "scenes", 0, "cut", 1, to=2), r"scenes\.0\.cut\.1: must be true or false, not 2"),
    (changed(ST_BENCH, "scenes", 0, "cut", 1, to="maybe"), r"scenes\.0\.cut\.1: must be true or false, not 'maybe'"),
    (changed(ST_BENCH, "scenes", 0, "cut", 0, to="False"), r"scenes\.0\.cut: the first shot has nothing to continue"),
    (changed(ST_BENCH, "scenes", 0, "video_prompts", 1, to=None), r"scenes\.0\.video_prompts\.1: must be text, not null"),
    (changed(ST_BENCH, "scenes", 0, "video_prompts", 0, to=LONG), r"video_prompts\.0: has 10000000 characters; at most 20000"),
    ({**ST_BENCH, "scenes": [{"video_prompts": [], "cut": []}]}, r"scenes\.0\.video_prompts: must not be empty"),
    (changed(ENTITYBENCH, "entity_schedule", "9:1", to={}), r"entity_schedule\.9:1: there is no shot 9:1"),
    (changed(ENTITYBENCH, "entity_schedule", "1:1", "ghosts", to=[]), r"entity_schedule\.1:1\.ghosts: unknown column"),
    (changed(ENTITYBENCH, "entity_schedule", "1:1", "characters", to="Fox"), "characters: must be a list"),
    (changed(ENTITYBENCH, "entity_schedule", to=[1]), "entity_schedule: must be a table, not a list"),
    (changed(ENTITYBENCH, "scenes", 0, "scene_num", to="one"), r"scenes\.0\.scene_num: must be a number"),
    (changed(MEMENTO, "reconstruct_target", to="tall man"), "reconstruct_target: line 1 must be a tag and a look"),
    (changed(MEMENTO, "reconstruct_target", to="[A] x\n[A] y"), r"line 2: \[A\] is given twice"),
    (changed(MEMENTO, "reconstruct_target", to=["[A] x"]), "reconstruct_target: must be text, not a list"),
    (changed(VIMAX, "scenes", 0, "shots", 0, "video_prompt", to=""), r"shots\.0\.video_prompt: must not be empty"),
    (changed(VIMAX, "scenes", 0, "shots", 0, "shot_id", to="first"), r"shot_id: must be a number"),
    (
        changed(VIMAX, "scenes", 0, "shots", to=VIMAX["scenes"][0]["shots"] * 2),
        r"scenes\.0\.shots\.1\.shot_id: shot 1 is there twice",
    ),
    (changed(VISTORY, "Shots", to=[]), "Shots: must not be empty"),
    (changed(VISTORY, "Shots", 0, "Static Shot Description", "en", to=4), r"Static Shot Description\.en: must be text"),
    (changed(VISTORY, "Shots", to=VISTORY["Shots"] * 2), r"Shots\.1\.index: shot 1 is there twice"),
    (changed(VISTORY, "Characters", to={"../..": {}}), r"Characters\.\.\./\.\.: this key leads out"),
    (changed(VISTORY, "Characters", to={"..": {}}), "this key leads out"),
    (changed(VISTORY, "Characters", to={"/etc": {}}), "this key leads out"),
    (changed(VISTORY, "Characters", to={"a\0b": {}}), "this key is no folder name"),
    (changed(VISTORY, "Characters", to={"x" * 5000: {}}), "this key is no folder name"),
    (changed(VISTORY, "Characters", to=[1]), "Characters: must be a table"),
    (changed(HOLOCINE, "shot_cut_frames", to=[1, 2]), "shot_cut_frames: has 2 entries, but 2 shots have 1 cuts"),
    (changed(HOLOCINE, "shot_cut_frames", to=[0]), "shot_cut_frames: must rise"),
    (changed(HOLOCINE, "shot_captions", to=["a", 1]), r"shot_captions\.1: must be text"),
    (changed(HOLOCINE, "shot_captions", to=[]), "shot_captions: must not be empty"),
    ({"prompt": "[per shot caption] a [per shot caption] b"}, "prompt: .*is there twice"),
    (changed(MEMFLOW, "prompts", to=[]), r"prompts: must not be empty"),
    (changed(MEMFLOW, "prompts", 1, to=" "), r"prompts\.1: must not be empty"),
    (changed(MEMFLOW, "prompts", to="a"), "prompts: must be a list, not 'a'"),
    ({"frames": 3}, "is not a story script of any known form"),
    ([], "is not a story script of any known form"),
    ("Once upon a time", "is not a story script of any known form"),
    (None, "is not a story script of any known form"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "message"), CASES, ids=range(len(CASES)))
def test_bad_input(tmp_path: Path, host: PluginHost, data: Data, message: str) -> None:
    with pytest.raises(ScriptError, match=message) as raised:
        load_script(write(tmp_path, data), host)
    text = str(raised.value)
    assert text.startswith(f"{tmp_path / 'bad.json'}: ")
    assert "\n" not in text
    assert len(text) < 600


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("odd", [None, 3, "x", [], {}, [None], {"a": None}, True, 1.5, [[]], [{}]])
def test_no_value_anywhere_gives_a_traceback(tmp_path: Path, host: PluginHost, name: str, odd: Data) -> None:
    """Put an odd value in every place of a good file: it loads, or fails with one line."""
    for where in places(GOOD[name]):
        path = write(tmp_path, changed(GOOD[name], *where, to=odd))
        assert "\n" not in problem_of(path, host)


def problem_of(path: Path, host: PluginHost) -> str:
    try:
        load_script(path, host)
    except StoryMemError as error:
        return str(error)
    return ""


def places(data: Data, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    pairs: Any = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    found = [at] if at else []
    for key, value in pairs:
        found += places(value, (*at, key))
    return found


@pytest.mark.parametrize("name", GOOD)
def test_truncated_anywhere(tmp_path: Path, host: PluginHost, name: str) -> None:
    text = json.dumps(GOOD[name])
    path = tmp_path / "cut.json"
    for end in range(0, len(text), 7):
        path.write_text(text[:end])
        with pytest.raises(ScriptError, match=r"cut\.json: line 1 column"):
            load_script(path, host)
