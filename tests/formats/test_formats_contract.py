"""The forms of other projects obey the contract that third parties' forms are held to."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import JsonValue

from storymem.interfaces import ScriptFormat
from storymem.testing.format import FormatContract
from storymem_plugins.formats.holocine import HoloCine
from storymem_plugins.formats.memento import Memento
from storymem_plugins.formats.memflow import MemFlow
from storymem_plugins.formats.vimax import ViMax
from storymem_plugins.formats.vistorybench import ViStoryBench

SCENE: JsonValue = {"scene_num": 1, "video_prompts": ["[Person A] waves.", "She sits."], "cut": [True, False]}


class TestMemento(FormatContract):
    @pytest.fixture
    def script_format(self) -> ScriptFormat[Any]:
        return Memento()

    @pytest.fixture
    def samples(self) -> list[JsonValue]:
        return [{"story_name": "T", "reconstruct_target": "[Person A] tall woman", "scenes": [SCENE]}]


class TestViMax(FormatContract):
    @pytest.fixture
    def script_format(self) -> ScriptFormat[Any]:
        return ViMax()

    @pytest.fixture
    def samples(self) -> list[JsonValue]:
        shots: list[JsonValue] = [
            {"shot_id": 1, "first_frame": "A tall woman.", "video_prompt": "She waves."},
            {"shot_id": 2, "video_prompt": "She sits."},
        ]
        return [{"story_overview": "A wave.", "scenes": [{"scene_num": 1, "shots": shots}]}]


class TestViStoryBench(FormatContract):
    writable = False

    @pytest.fixture
    def script_format(self) -> ScriptFormat[Any]:
        return ViStoryBench()

    @pytest.fixture
    def samples(self) -> list[JsonValue]:
        shot: JsonValue = {
            "index": 1,
            "Setting Description": {"en": "A wood"},
            "Characters Appearing": {"en": ["Ann"]},
            "Static Shot Description": {"en": "Ann sits."},
        }
        return [{"Characters": {"Ann": {"name_en": "Ann", "prompt_en": "tall woman"}}, "Shots": [shot]}]


class TestHoloCine(FormatContract):
    @pytest.fixture
    def script_format(self) -> ScriptFormat[Any]:
        return HoloCine()

    @pytest.fixture
    def samples(self) -> list[JsonValue]:
        return [
            {
                "global_caption": "[character1], a tall woman.",
                "shot_captions": ["[character1] waves.", "She sits."],
                "num_frames": 81,
                "shot_cut_frames": [40],
            },
            "[global caption] [character1], a tall woman. [per shot caption] She waves. [shot cut] She sits.",
        ]


class TestMemFlow(FormatContract):
    @pytest.fixture
    def script_format(self) -> ScriptFormat[Any]:
        return MemFlow()

    @pytest.fixture
    def samples(self) -> list[JsonValue]:
        return [[{"prompts": ["A woman waves.", "She sits."]}], {"prompts": ["A woman waves."]}]
