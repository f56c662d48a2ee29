"""A session: plugins built once for any number of renders, closed once, and never those of the caller."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from core_support import Stage, chain, flip, shot, story

from storymem import Session, Storyteller
from storymem.errors import PluginError, SettingsError
from storymem.plugin import Kind, PluginHost
from storymem.testing import DictStore, EventRecorder, FakeBackbone, FakeEncoder
from storymem.values.events import DamageFound, Event, FilmWritten, Notice, RunFinished, ShotFinished, ShotStarted
from storymem_memory_policies.sink_recent import SinkRecent
from storymem_plugins.selection.uniform import UniformSelector

COUNTED = Path(__file__).with_name("counted_plugin.py")
SETTINGS: dict[str, Any] = {"backbone": "counted", "policy": "talking", "budget": 2, "filters": []}


@pytest.fixture
def log() -> Iterator[list[str]]:
    """What the counted plugins noted."""
    module = sys.modules[PluginHost([COUNTED]).find(Kind.BACKBONE, "counted").load().__module__]
    yield module.emptied()
    module.emptied()


def test_two_stories_are_rendered_with_one_build_and_one_close(tmp_path: Path, log: list[str]) -> None:
    with Session(SETTINGS, plugins=[COUNTED]) as session:
        for title in ("One", "Two"):
            assert session.render(chain(2, title=title), tmp_path / title).check().made == 2
        session.plan(chain(3))
        assert sorted(log) == ["built backbone", "built policy"]
    assert sorted(log[2:]) == ["closed backbone", "closed policy"]


def test_a_storyteller_leaves_the_session_it_was_given_open(tmp_path: Path, log: list[str]) -> None:
    with Session(SETTINGS, plugins=[COUNTED]) as session:
        for name in ("one", "two"):
            with Storyteller(tmp_path / name, session=session) as teller:
                teller.render(chain(1))
        assert not any(line.startswith("closed") for line in log)
    assert log.count("closed backbone") == 1


def test_another_policy_shares_the_plugins_and_closes_nothing(tmp_path: Path, log: list[str]) -> None:
    policy = SinkRecent()
    with Session(SETTINGS, plugins=[COUNTED]) as session:
        session.render(chain(1), tmp_path / "own")
        with session.with_policy(policy) as other:
            other.render(chain(1), tmp_path / "other").check()
        assert log == ["built backbone", "built policy"]
        session.render(chain(1), tmp_path / "again").check()
    assert log.count("built backbone") == log.count("closed backbone") == 1


def test_a_closed_session_builds_again_when_needed(tmp_path: Path, log: list[str]) -> None:
    session = Session(SETTINGS, plugins=[COUNTED])
    session.render(chain(1), tmp_path / "run")
    session.close()
    session.close()
    assert session.render(chain(1), tmp_path / "run").cached == 1
    session.close()
    assert [line for line in log if "backbone" in line] == ["built backbone", "closed backbone"] * 2


class Closing:
    """Counts how often a plugin that was handed in is closed."""

    def close(self) -> None:
        raise AssertionError(f"{type(self).__name__} is the caller's to close")


class OwnBackbone(Closing, FakeBackbone):
    pass


class OwnPolicy(Closing, SinkRecent):
    pass


class OwnSelector(Closing, UniformSelector):
    pass


class OwnEncoder(Closing, FakeEncoder):
    pass


class OwnStore(Closing, DictStore):
    pass


class OwnSink(Closing, EventRecorder):
    pass


def test_objects_handed_in_are_never_closed(tmp_path: Path) -> None:
    sink = OwnSink()
    given: dict[str, Any] = {
        "backbone": OwnBackbone(),
        "policy": OwnPolicy(),
        "selector": OwnSelector(),
        "encoder": OwnEncoder(),
        "store": OwnStore(),
        "sinks": [sink],
        "filters": [],
    }
    with Session(**given) as session:
        session.render(chain(2), tmp_path / "run").check()
        assert session.render(chain(2), tmp_path / "run").cached == 2
    assert len(sink.of(RunFinished)) == 2


def test_a_class_may_be_given_instead_of_an_object(tmp_path: Path) -> None:
    with Session(backbone=FakeBackbone, policy=SinkRecent, sinks=[EventRecorder], filters=[]) as session:
        assert session.render(chain(2), tmp_path / "run").check().made == 2
    with (
        Session(backbone=SinkRecent) as session,
        pytest.raises(PluginError, match="backbone: SinkRecent is not a Backbone"),
    ):
        session.plan(chain(1))


def test_names_and_objects_do_not_mix_in_a_list() -> None:
    with pytest.raises(SettingsError, match="sinks: give all by name or all as objects, not both"):
        Session(sinks=["jsonl", EventRecorder()])


# -- notices ----------------------------------------------------------------------------------------------


def test_a_notice_appears_once_a_run(tmp_path: Path, log: list[str]) -> None:
    """Also where shots were changed by redo, so that the story is planned twice, and where damage starts it over."""
    events: list[Event] = []
    with Session(SETTINGS, plugins=[COUNTED]) as session:
        session.render(chain(2), tmp_path / "run", events.append)
        assert [e.text for e in events if isinstance(e, Notice)] == ["a remark on Tale"]
        with Stage(tmp_path).opened(write=True) as run:
            run.redo("1.2", prompt="other")
        for path in (tmp_path / "run" / "objects").glob("*.mkv"):
            flip(path)
        events.clear()
        session.render(chain(2), tmp_path / "run", events.append).check()
    assert [e.text for e in events if isinstance(e, Notice)] == ["a remark on Tale"]
    assert [e.shots for e in events if isinstance(e, DamageFound)] == [("1.1",)]


# -- the default policy -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("listed", "chosen", "expected"),
    [(True, {}, "scheduled_coverage"), (False, {}, "sink_recent"), (True, {"policy": "recent"}, "recent")],
)
def test_the_policy_suits_the_script_where_none_was_chosen(
    stage: Stage, listed: bool, chosen: dict[str, Any], expected: str
) -> None:
    """One by entities recalls for the fox only what shows it; the others recall the newest as well."""
    script = story(
        [shot("p1", entities=["fox"]), shot("p2", entities=["owl"]), shot("p3", entities=["fox"])]
        if listed
        else ["p1", "p2", "p3"],
        entities=[{"id": "fox"}, {"id": "owl"}],
    )
    stage.render(script, run="default", **chosen).check()
    stage.render(script, run="named", policy=expected).check()
    recalls = []
    for run in ("default", "named"):
        with stage.store(run) as store:
            recalls.append([[k.id for k in take.recalled] for take in store.takes()])
    assert recalls[0] == recalls[1]
    assert recalls[0][2]
    sources = {event.recalled for event in stage.of(ShotStarted) if event.shot == "1.3"}
    assert any(name.startswith("1.2:") for names in sources for name in names) == (expected != "scheduled_coverage")


def test_the_default_budget_is_lowered_to_what_the_backbone_takes(tmp_path: Path) -> None:
    class Small(FakeBackbone):
        def capabilities(self) -> Any:
            from dataclasses import replace

            return replace(super().capabilities(), max_memory=3)

    with Session(backbone=Small()) as session:
        assert {spec.budget for spec in session.plan(chain(2)).specs} == {3}
    with Session(backbone=Small(), budget=4) as session, pytest.raises(SettingsError, match="budget: 4 keyframes; "):
        session.plan(chain(2))


# -- names while a run is going ----------------------------------------------------------------------------


def test_each_shot_can_be_looked_at_before_the_run_ends(stage: Stage) -> None:
    seen: list[list[str]] = []

    def look(event: Event) -> None:
        if isinstance(event, ShotFinished):
            seen.append(sorted(p.name for p in (stage.folder() / "shots").iterdir()))
            assert list((stage.folder() / "keyframes").glob(f"01_0{len(seen)}_f*.png"))
        if isinstance(event, FilmWritten):
            seen.append([])

    stage.render(chain(3), on_event=look).check()
    names = ["01_01.mp4", "01_02.mp4", "01_03.mp4"]
    assert seen == [names[:1], names[:2], names, []]
