"""Every policy in a real run: the same film with one worker and with three, and what it recalls is what it saw."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from storymem.api import Storyteller
from storymem.plugin import Kind, PluginHost
from storymem.testing import EventRecorder, FakeBackbone, FakeBackboneSettings, FakeEncoder
from storymem.values.events import Notice, ShotFinished, ShotStarted
from storymem.values.script import Entity, Scene, Shot, StoryScript

HOST = PluginHost()
POLICIES = [e.name for e in HOST.registry if e.kind is Kind.MEMORY_POLICY and e.owner.distribution == "storymem"]
SHOTS = (("a", True), ("b", True), ("ab", True), ("b", False), ("c", True), ("ac", True))


def story() -> StoryScript:
    entities = tuple(Entity(id=letter, look=f"the look of {letter}") for letter in "abc")
    shots = tuple(Shot(prompt=f"shot {k}", entities=tuple(e), cut=cut) for k, (e, cut) in enumerate(SHOTS))
    return StoryScript(title="t", overview="a story", entities=entities, scenes=(Scene(shots=shots),))


def render(folder: Path, workers: int, seconds: float = 0.0, **settings: Any) -> tuple[EventRecorder, bytes]:
    recorder = EventRecorder()
    backbone = FakeBackbone(FakeBackboneSettings(steps=1, seconds=seconds))
    with Storyteller(
        folder, plugins=HOST, backbone=backbone, encoder=FakeEncoder(), workers=workers, budget=3, **settings
    ) as teller:
        result = teller.render(story(), recorder).check()
    assert result.film is not None
    return recorder, result.film.read_bytes()


@pytest.mark.parametrize("policy", POLICIES)
def test_workers_change_neither_memory_nor_film(tmp_path: Path, policy: str) -> None:
    alone, film = render(tmp_path / "one", 1, policy=policy)
    together, same = render(tmp_path / "three", 3, policy=policy)
    recalled = {event.shot: event.recalled for event in alone.of(ShotStarted)}
    assert {event.shot: event.recalled for event in together.of(ShotStarted)} == recalled
    assert film == same
    assert recalled["1.1"] == ()
    assert all(len(pictures) <= 3 for pictures in recalled.values())
    assert (recalled["1.6"] != ()) == (policy != "none")


@pytest.mark.parametrize(
    ("policy", "independent"), [("scheduled_coverage", True), ("earliest_appearance", True), ("sink_recent", False)]
)
def test_shots_that_share_nothing_are_made_side_by_side(tmp_path: Path, policy: str, independent: bool) -> None:
    recorder, _ = render(tmp_path / "run", 2, seconds=0.1, policy=policy)
    order = [(type(event), event.shot) for event in recorder.events if isinstance(event, ShotStarted | ShotFinished)]
    both_started = order.index((ShotStarted, "1.2")) < order.index((ShotFinished, "1.1"))
    assert both_started == independent


def test_a_composition_runs_by_name(tmp_path: Path) -> None:
    parts = [{"policy": "entity_bank", "most": 2}, {"policy": {"name": "sink_recent", "sink": 1}}]
    recorder, _ = render(tmp_path / "run", 1, policy={"name": "compose", "parts": parts})
    assert len({event.shot: event.recalled for event in recorder.of(ShotStarted)}["1.6"]) == 3


def test_how_a_cast_was_found_is_said_once(tmp_path: Path) -> None:
    unlisted = story().model_copy(update={"scenes": (Scene(shots=(Shot(prompt="a waits"), Shot(prompt="a and b"))),)})
    recorder = EventRecorder()
    with Storyteller(tmp_path / "run", plugins=HOST, backbone=FakeBackbone(), policy="entity_bank") as teller:
        teller.render(unlisted, recorder)
    assert [event.text for event in recorder.of(Notice)] == [
        "no shot lists its entities; found a, b by name in the prompts"
    ]


def test_a_composition_finds_policies_of_local_files(tmp_path: Path) -> None:
    plugin = tmp_path / "newest.py"
    plugin.write_text(
        "from storymem.interfaces import MemoryPolicy\n"
        "from storymem.plugin import hookimpl\n"
        "class Newest(MemoryPolicy):\n"
        '    """Recall the newest keyframe."""\n'
        "    def recall(self, shot, view, budget):\n"
        "        return view[-1:]\n"
        "@hookimpl\n"
        "def storymem_memory_policies(register):\n"
        "    register('newest', Newest)\n"
    )
    recorder = EventRecorder()
    policy = {"name": "compose", "parts": [{"policy": "newest"}]}
    with Storyteller(tmp_path / "run", plugins=[plugin], backbone=FakeBackbone(), policy=policy) as teller:
        teller.render(story(), recorder)
    recalled = {event.shot: event.recalled for event in recorder.of(ShotStarted)}
    assert [name.split(":")[0] for name in recalled["1.5"]] == ["1.4"]
