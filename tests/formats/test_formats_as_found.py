"""Files as people have them: read where they can only mean one thing, with a line that says so."""

from __future__ import annotations

import copy
import json
import logging
import re
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from storymem.errors import ScriptError
from storymem.interfaces import ScriptFormat
from storymem.plugin import PluginHost
from storymem.script.cut_fixes import fix_cuts
from storymem.script.loader import load_script
from storymem.testing.format import FormatContract
from storymem_plugins.formats.commands import Window
from storymem_plugins.formats.entitybench import EntityBench
from storymem_plugins.formats.prompts import PromptList
from storymem_plugins.formats.reading import Node
from storymem_plugins.formats.st_bench import StBench
from storymem_plugins.formats.tags import looks_after_tags
from storymem_plugins.formats.wan2gp import Wan2GP

SOURCE = Path("story.json")
SCENE: dict[str, Any] = {"scene_num": 1, "video_prompts": ["A fox walks.", "It stops.", "It sleeps."]}
EPISODE: dict[str, Any] = {
    "story_name": "Shirts",
    "story_overview": "",
    "scenes": [{**SCENE, "cut": [True, False, True]}],
    "entity_schedule": {"1:1": {"characters": ["Mira"], "places": [], "objects": ["the shirt"]}},
    "entity_descriptions": {
        "Object 1": {"name": "the shirt", "label": "Object 1", "description": "Dark blue men's shirt"},
        "Character 1": {"name": "Mira", "label": "Character 1", "description": "tall woman"},
        "Object 5": {"name": "the shirt", "label": "Object 5", "description": "Dark blue shirt"},
    },
}


def test_an_entity_under_two_labels_is_one_and_goes_back_as_two(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "storymem.script"):
        script = EntityBench().parse(EPISODE, SOURCE)
    assert "entity_descriptions.Object 5: 'the shirt' is described twice" in caplog.text
    assert [(e.id, e.look) for e in script.entities] == [("the shirt", "Dark blue men's shirt"), ("Mira", "tall woman")]
    data, losses = EntityBench().dump(script)
    assert not losses
    assert isinstance(data, dict)
    assert data["entity_descriptions"] == EPISODE["entity_descriptions"]
    assert EntityBench().parse(data, SOURCE) == script


@given(st.lists(st.sampled_from(["the shirt", "Mira", "a hat"]), min_size=1, max_size=6))
def test_any_registry_of_repeated_names_goes_back_whole(names: list[str]) -> None:
    episode = copy.deepcopy(EPISODE)
    episode["entity_descriptions"] = {
        f"Object {i}": {"name": name, "label": f"Object {i}", "description": f"look {i}"}
        for i, name in enumerate(names)
    }
    data, _ = EntityBench().dump(EntityBench().parse(episode, SOURCE))
    assert isinstance(data, dict)
    written = data["entity_descriptions"]
    assert isinstance(written, dict)
    assert {k: written[k] for k in episode["entity_descriptions"]} == episode["entity_descriptions"]


def test_names_of_one_letter_in_two_forms_are_one(caplog: pytest.LogCaptureFixture) -> None:
    episode = copy.deepcopy(EPISODE)
    episode["entity_descriptions"]["Character 1"]["name"] = unicodedata.normalize("NFD", "José")
    episode["entity_schedule"]["1:1"]["characters"] = ["José"]
    script = EntityBench().parse(episode, SOURCE)
    assert [e.id for e in script.entities] == ["the shirt", "José"]
    assert script.scenes[0].shots[0].entities == ("José", "the shirt")


@pytest.mark.parametrize(
    ("cut", "meant"),
    [
        ([1, 0, "yes"], [True, False, True]),
        (["True", "FALSE", "no"], [True, False, False]),
        ([1.0, 0.0, "1"], [True, False, True]),
        (["y", " off ", "On"], [True, False, True]),
        ([], [True, True, True]),
        (None, [True, True, True]),
        (True, [True, True, True]),
    ],
)
def test_cuts_of_a_certain_meaning(cut: JsonValue, meant: list[bool]) -> None:
    script = StBench().parse({"story_name": "x", "scenes": [{**SCENE, "cut": cut}]}, SOURCE)
    assert [shot.cut for shot in script.scenes[0].shots] == meant


def test_what_is_missing_but_certain(caplog: pytest.LogCaptureFixture) -> None:
    data: JsonValue = {"scenes": [{"video_prompts": "A fox walks.", "first_frame_prompt": ["a", "b"]}]}
    with caplog.at_level(logging.WARNING, "storymem.script"):
        script = StBench().parse(data, SOURCE)
    assert script.title == "story"
    assert [shot.prompt for shot in script.scenes[0].shots] == ["A fox walks."]
    assert "has no story_name" in caplog.text
    assert "does not say which of its 1 shots are cuts" in caplog.text
    assert any("first_frame_prompt" in loss for loss in StBench().dump(script)[1])


@pytest.mark.parametrize("cut", [[True], [True, None, 0], [False], [None]])
def test_fix_fills_up_cuts_and_says_so(cut: list[Any]) -> None:
    data: dict[str, Any] = {"story_name": "x", "scenes": [{**SCENE, "cut": [*cut]}]}
    with pytest.raises(ScriptError, match=r"story\.json: scenes\.0\.cut"):
        StBench().parse(copy.deepcopy(data), SOURCE)
    fixed = fix_cuts(data)
    assert all(finding.rule in ("cut-missing", "first-shot-cut") for finding in fixed)
    assert len(fixed) == 3 - len(cut) + sum(value in (None, False) for value in cut[:1]) + cut[1:].count(None)
    StBench().parse(data, SOURCE)
    assert not fix_cuts(data)


TEXT = """# a comment
[/duration=5s,/store_mem=man] A man walks in the rain.

[/load_mem=] [/duration=81] An empty street. [Shot 1] stays.
[/new_shot, /load_mem=man] [/store_mem=woman,dog]
The man meets a woman.
They walk. [/drop_mem=dog]
They sit.
"""


def test_wan2gp_windows() -> None:
    script = Wan2GP().parse(TEXT, Path("rain.txt"))
    assert script.title == "rain"
    shots = script.scenes[0].shots
    assert [shot.prompt for shot in shots] == [
        "A man walks in the rain.",
        "An empty street. [Shot 1] stays.",
        "The man meets a woman.",
        "They walk.",
        "They sit.",
    ]
    assert [shot.cut for shot in shots] == [True, False, True, False, False]
    assert [shot.frames for shot in shots] == [81, 81, None, None, None]
    assert [shot.entities for shot in shots] == [
        ("man",), (), ("man", "woman", "dog"), ("man", "woman", "dog"), ("man", "woman"),
    ]  # fmt: skip
    data, losses = Wan2GP().dump(script)
    assert losses == ["the title 'rain', unless it is the file's name"]
    assert Wan2GP().parse(data, Path("rain.txt")) == script


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[/explode] x", r"rain\.txt: line 1: unknown command /explode"),
        ("[/duration=soon] x", "line 1: /duration=soon: must be frames"),
        ("[/duration=0] x", "line 1: /duration=0: frames are counted"),
        ('! {a}="b"\n[/new_shot] x', "line 1: macros are not expanded"),
        ("# [/new_shot]\n\n", "holds no prompt"),
        ("[/new_shot]\n", "scenes"),
    ],
)
def test_wan2gp_refusals(text: str, message: str) -> None:
    with pytest.raises(ScriptError, match=message):
        Wan2GP().parse(text, Path("rain.txt"))


@given(st.floats(0.1, 600), st.sampled_from([8, 16, 24, 30]))
def test_durations_in_seconds_are_legal_counts(seconds: float, fps: int) -> None:
    window = Window()
    window.read(Node(SOURCE, f"[/duration={seconds:.2f}s] x"), fps)
    assert window.frames is not None
    assert window.frames % 4 == 1
    assert abs(window.frames - seconds * fps) <= 3


def test_plain_lists_of_prompts(tmp_path: Path) -> None:
    host = PluginHost()
    files = {
        "a.txt": "A fox walks.\n\n# later\nIt stops.\n",
        "b.txt": "1. A fox walks.\n2) It stops.\n",
        "c.json": json.dumps(["A fox walks.", "It stops."]),
        "d.json": json.dumps([{"prompt": "A fox walks."}, {"prompt": "It stops.", "cut": "yes"}]),
        "e.yaml": "- A fox walks.\n- It stops.\n",
    }
    for name, content in files.items():
        (tmp_path / name).write_text(content)
        script = load_script(tmp_path / name, host)
        assert [shot.prompt for shot in script.scenes[0].shots] == ["A fox walks.", "It stops."], name
        assert all(shot.cut for shot in script.scenes[0].shots)
        assert script.title == name[0]


def test_looks_after_tags_take_linear_time() -> None:
    """A prompt of nothing but tags was read with the square of its length."""
    text = "[Person A]: x and " * 50_000
    assert looks_after_tags(text, re.compile(r"\s*:\s*")) == {"Person A": "x"}


class TestWan2GP(FormatContract):
    @pytest.fixture
    def script_format(self) -> ScriptFormat[Any]:
        return Wan2GP()

    @pytest.fixture
    def samples(self) -> list[JsonValue]:
        return [TEXT]


class TestPromptList(FormatContract):
    @pytest.fixture
    def script_format(self) -> ScriptFormat[Any]:
        return PromptList()

    @pytest.fixture
    def samples(self) -> list[JsonValue]:
        return [
            ["A fox walks.", "It stops."],
            [{"prompt": "A fox walks."}, {"prompt": "It stops.", "cut": False, "seed": 3}],
        ]
