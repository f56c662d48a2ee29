"""A revision changes what it names and nothing else, and the diff tells exactly that."""

from __future__ import annotations

from pathlib import Path

import pytest

from storymem.errors import ScriptError
from storymem.plugin import PluginHost
from storymem.script.changes import ChangeKind, diff_scripts, render_diff
from storymem.script.edits import with_ids
from storymem.script.loader import load_script
from storymem.script.revision import (
    AddEntity,
    ChangeLook,
    InsertAfter,
    Remove,
    Retell,
    RevisionStep,
    Rewrite,
    apply_revision,
)
from storymem.values.script import Entity, Shot, StoryScript

EXAMPLES = Path(__file__).parents[2] / "examples" / "stories"


@pytest.fixture(scope="module")
def fox() -> StoryScript:
    return load_script(EXAMPLES / "fox_and_lantern.json", PluginHost())


def shots(script: StoryScript) -> dict[str, Shot]:
    return {shot.id: shot for scene in with_ids(script).scenes for shot in scene.shots}


def test_rewrite_touches_one_shot(fox: StoryScript) -> None:
    after = apply_revision(fox, [Rewrite(shot="2.1", prompt="The fox weeps.")])
    assert [(c.what, c.field) for c in diff_scripts(fox, after)] == [("shot 2.1", "prompt")]
    assert {k: s for k, s in shots(after).items() if k != "2.1"} == {k: s for k, s in shots(fox).items() if k != "2.1"}
    assert shots(after)["2.1"].entities == shots(fox)["2.1"].entities


def test_inserted_shots_get_fresh_ids_and_shift_no_other(fox: StoryScript) -> None:
    steps: list[RevisionStep] = [
        InsertAfter(shot="1.2", prompt="New.", entities=("fox",)),
        InsertAfter(shot="1.2a", prompt="Newer."),
        InsertAfter(shot="1.2", prompt="Newest."),
    ]
    after = apply_revision(fox, steps)
    assert [shot.id for shot in after.scenes[0].shots] == ["1.1", "1.2", "1.2c", "1.2a", "1.2b", "1.3"]
    changes = diff_scripts(fox, after)
    assert {change.what for change in changes} == {"shot 1.2a", "shot 1.2b", "shot 1.2c"}
    assert {change.kind for change in changes} == {ChangeKind.ADDED}


def test_removing_a_cut_hands_the_cut_on(fox: StoryScript) -> None:
    fox = fox.with_shot("1.2", cut=False)
    after = apply_revision(fox, [Remove(shot="1.1")])
    assert after.scenes[0].shots[0].id == "1.2"
    assert after.scenes[0].shots[0].cut
    kinds = [(c.what, c.kind, c.field) for c in diff_scripts(fox, after)]
    assert kinds == [("shot 1.2", ChangeKind.CHANGED, "cut"), ("shot 1.1", ChangeKind.REMOVED, "")]


def test_a_scene_without_shots_goes(fox: StoryScript) -> None:
    after = apply_revision(fox, [Remove(shot="1.1"), Remove(shot="1.2"), Remove(shot="1.3")])
    assert len(after.scenes) == 2
    with pytest.raises(ScriptError, match="the changed script is not valid"):
        apply_revision(fox, [Remove(shot=shot) for shot in shots(fox)])


def test_a_new_look_reaches_every_prompt(fox: StoryScript) -> None:
    after = apply_revision(fox, [ChangeLook(entity="fox", look="small grey fox")])
    old, new = fox.entities[0].look, "small grey fox"
    for shot_id, shot in shots(fox).items():
        assert shots(after)[shot_id].prompt == shot.prompt.replace(old, new)


def test_add_and_retell(fox: StoryScript) -> None:
    bear = Entity(id="bear", look="big brown bear")
    steps: list[RevisionStep] = [
        AddEntity(entity=bear),
        Rewrite(shot="3.2", prompt="A big brown bear sits.", entities=("bear",), cut=False),
        Retell(overview="A bear comes."),
    ]
    after = apply_revision(fox, steps)
    assert after.entities[-1] == bear
    assert render_diff(diff_scripts(fox, after)).splitlines()[:3] == [
        "story: overview changed",
        f"  - {fox.overview}",
        "  + A bear comes.",
    ]
    assert not shots(after)["3.2"].cut


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([Rewrite(shot="9.9", prompt="x")], r"change 1 \(rewrite\): shot 9\.9: the script has no such shot"),
        ([Retell(overview="x"), Remove(shot="0.1")], r"change 2 \(remove\): shot 0\.1"),
        ([ChangeLook(entity="ghost", look="x")], r"change 1 \(change_look\): there is no entity 'ghost'"),
        ([Rewrite(shot="1.1", prompt="x", entities=("ghost",))], "'ghost' is not among"),
        ([Rewrite(shot="1.1", prompt="x", cut=False)], "the first shot has nothing to continue"),
        ([AddEntity(entity=Entity(id="fox"))], "'fox' is used twice"),
        ([InsertAfter(shot="1.1", prompt=str(n)) for n in range(27)], "no id is free after 1.1"),
    ],
)
def test_impossible_changes(fox: StoryScript, steps: list[RevisionStep], message: str) -> None:
    with pytest.raises(ScriptError, match=message):
        apply_revision(fox, steps)


def test_diff_tells_moves(fox: StoryScript) -> None:
    script = with_ids(fox)
    first, *rest = script.scenes
    turned = first.model_copy(update={"shots": (first.shots[0], first.shots[2], first.shots[1])})
    moved = script.model_copy(update={"scenes": (turned, *rest)})
    assert [change.kind for change in diff_scripts(script, moved)] == [ChangeKind.MOVED]
    assert diff_scripts(script, script) == []
    assert render_diff([]) == ""
