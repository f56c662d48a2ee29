"""The planner without a model: exact counts, the story's own words, entities, cuts, and determinism."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storymem.errors import ScriptError
from storymem.interfaces import Brief
from storymem.script.lint import has_errors, lint
from storymem.values.script import Entity, EntityKind, Shot, StoryScript
from storymem_plugins.planning.dividing import allot, merge_down, split_evenly
from storymem_plugins.planning.outline import Outline
from storymem_plugins.planning.outline.clauses import clauses_of
from storymem_plugins.planning.outline.sentences import split_story, split_title

TALE = """# The Lantern

A small red fox finds a lantern in the snow. It carries the lantern through the dark forest. "Who are you?" asked
the old owl. The fox waves.

***

The next morning Mira, a young climber with a copper braid, walks to Oslo. Mr. Brown waits in Oslo. Mira waves to
Mr. Brown. She smiles.
"""


def plan(text: str, shots: int = 8, **more: object) -> StoryScript:
    return Outline().plan(Brief(text, shots=shots, **more), lambda line: None)  # type: ignore[arg-type]


def all_shots(script: StoryScript) -> list[Shot]:
    return [shot for scene in script.scenes for shot in scene.shots]


def test_a_tale() -> None:
    script = plan(TALE, 8)
    assert script.title == "The Lantern"
    kinds = {entity.id: entity.kind for entity in script.entities}
    assert {"fox", "owl", "Mira"} <= {name for name, kind in kinds.items() if kind is EntityKind.CHARACTER}
    assert kinds["lantern"] is EntityKind.OBJECT
    assert (kinds["forest"], kinds["Oslo"]) == (EntityKind.PLACE, EntityKind.PLACE)
    looks = {entity.id: entity.look for entity in script.entities}
    assert looks["fox"] == "small red fox"
    assert looks["Mira"] == "young climber with a copper braid"
    assert looks["owl"] == "old owl"
    assert looks["lantern"] == ""
    assert [scene.setting for scene in script.scenes] == ["snow", "forest", "Oslo"]


def test_pronouns_are_replaced_and_speech_is_shown() -> None:
    prompts = [shot.prompt for shot in all_shots(plan(TALE, 8))]
    assert any("The fox carries the lantern" in prompt for prompt in prompts)
    assert any("The old owl speaks." in prompt for prompt in prompts)
    assert any("Mira smiles." in prompt for prompt in prompts)
    assert not any('"' in prompt for prompt in prompts)


def test_every_shown_look_is_told() -> None:
    script = plan(TALE, 8)
    looks = {entity.id: entity.look for entity in script.entities}
    for shot in all_shots(script):
        assert all(looks[name] in shot.prompt for name in shot.entities)
    # The tale has seven sentences, so that one shot shows a moment again, and lint says so.
    assert {finding.rule for finding in lint(script, 8)} <= {"entity-once", "same-prompt"}


def test_an_action_goes_on_without_a_cut_where_the_place_stays() -> None:
    script = plan("A fox walks in a forest. It stops. It waves. A dog runs on a beach. It stops.", 5)
    # The third shot comes closer, which without a cut would be a jump.
    assert [shot.cut for shot in all_shots(script)] == [True, False, True, True, False]
    first, second = all_shots(script)[:2]
    assert first.prompt.split(".")[0] == second.prompt.split(".")[0] == "Wide shot"


def test_an_idea_becomes_one_moment_in_many_framings() -> None:
    prompts = [shot.prompt for shot in all_shots(plan("a fox finds a lantern in the snow", 100))]
    assert len(set(prompts)) == 100
    assert all("A fox finds a lantern in the snow." in prompt for prompt in prompts)


def test_a_given_cast_is_used() -> None:
    hero = Entity(id="h", name="Rusty", look="grey wolf with one ear", references=("h.png",))
    style = Entity(id="ink", kind=EntityKind.STYLE, look="ink")
    named = plan("Rusty walks home. He sleeps.", 2, cast=(hero, style))
    assert named.entities == (hero, style)
    assert [shot.entities for shot in all_shots(named)] == [("h",), ("h",)]
    unnamed = plan("Somebody walks home.", 2, cast=(hero,))
    assert all_shots(unnamed)[0].entities[0] == "h"
    assert hero.look in all_shots(unnamed)[0].prompt


def test_long_texts_keep_to_the_count_and_the_limit() -> None:
    text = " ".join(f"The fox number {n} walks through the wide forest and finds a stone." for n in range(3000))
    script = plan(text, 12)
    assert len(all_shots(script)) == 12
    assert not has_errors(lint(script, 8))


@pytest.mark.parametrize("text", ["", "   \n\n ", "***", "# Heading only", '"?!"'])
def test_nothing_to_film(text: str) -> None:
    with pytest.raises(ScriptError, match="the brief holds no words"):
        plan(text)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("One. Two! Three? Four… Five", 5),
        ("Mr. Smith met Dr. Brown. They spoke.", 2),
        ("狐狸在雪地里找到灯笼。它带着灯笼走过森林！你好？", 3),  # noqa: RUF001
        ("Elle entre. Élodie sourit.", 2),
        ("It cost 3.50 dollars. Fine.", 2),
        ("One line\nwrapped here. And on.\n\nNew paragraph", 3),
    ],
)
def test_sentences(text: str, count: int) -> None:
    assert len(split_story(text)) == count


def test_nothing_but_speech_is_filmed_all_the_same() -> None:
    assert "Come home, fox." in all_shots(plan('"Come home, fox."', 1))[0].prompt


def test_other_languages_say_that_nothing_is_translated() -> None:
    lines: list[str] = []
    Outline().plan(Brief("Un renard court.", shots=1, language="French"), lines.append)
    assert lines[0].startswith("outline does not translate")


@given(text=st.text(min_size=1, max_size=400), shots=st.integers(1, 30))
@settings(deadline=None, max_examples=80)
def test_any_text_gives_the_count_or_a_clear_no(text: str, shots: int) -> None:
    try:
        script = plan(text, shots)
    except ScriptError as error:
        assert "no words" in str(error)  # noqa: PT017 - either outcome is fine
        return
    assert len(all_shots(script)) == shots
    assert plan(text, shots) == script
    assert not has_errors(lint(script, 8))
    assert StoryScript.model_validate(script.model_dump()) == script


@given(st.lists(st.integers(1, 50), min_size=1, max_size=20), st.integers(0, 200))
def test_allot_is_exact_and_fair(weights: list[int], spare: int) -> None:
    total = len(weights) + spare
    counts = allot(weights, total)
    assert sum(counts) == total
    assert min(counts) >= 1
    for weight, count in zip(weights, counts, strict=True):
        assert abs(count - 1 - spare * weight / sum(weights)) < 1


@given(st.lists(st.integers(), min_size=1, max_size=40), st.integers(1, 40))
def test_splitting_keeps_everything_in_order(items: list[int], parts: int) -> None:
    if parts <= len(items):
        lists = split_evenly(items, parts)
        assert [item for part in lists for item in part] == items
        assert max(map(len, lists)) - min(map(len, lists)) <= 1
    merged = merge_down([[item] for item in items], parts)
    assert [item for part in merged for item in part] == items
    assert len(merged) == min(parts, len(items))


def test_the_same_story_gives_the_same_bytes(tmp_path: Path) -> None:
    assert plan(TALE).model_dump_json() == plan(TALE).model_dump_json()


@pytest.mark.parametrize(
    ("story", "told"),
    [
        ("Tom meets a tall woman. She waves.", "The woman waves."),
        ("The captain, a tall woman in red, meets a dog. The dog runs. She laughs.", "The captain laughs."),
        ("A man finds a dog. It barks.", "The dog barks."),
        ("A man finds a dog. He smiles.", "The man smiles."),
        ("A fox meets an owl. They dance.", "The fox and the owl dance."),
        ("A fox walks. It was night. It sleeps.", "It was night."),
        ("Snow falls. She waits.", "She waits."),
        ("A fox walks. Then it jumps.", "The fox jumps."),
    ],
)
def test_whom_a_pronoun_means(story: str, told: str) -> None:
    assert any(told in shot.prompt for shot in all_shots(plan(story, 3)))


def test_an_object_pronoun_brings_its_character_back() -> None:
    script = plan("A tall woman waits. A dog runs. The dog barks at her.", 3)
    assert set(all_shots(script)[2].entities) == {"woman", "dog"}


@pytest.mark.parametrize(
    ("sentence", "clauses"),
    [
        ("A fox finds a lantern and carries it home.", ["A fox finds a lantern.", "The fox carries it home."]),
        (
            "Mira builds a boat, sails it across the pond, and then finds it again.",
            ["Mira builds a boat.", "Mira sails it across the pond.", "Mira finds it again."],
        ),
        ("A girl walks with cats and dogs in the house.", None),
        ("The robots dance and the lamp glows.", None),
        ("Rain and wind shake the house.", None),
        ("A man reads.", None),
    ],
)
def test_clauses(sentence: str, clauses: list[str] | None) -> None:
    assert clauses_of(sentence) == (clauses or [sentence])


def test_a_named_noun_is_one_entity() -> None:
    script = plan("An old keeper named Tomas lights a lamp. Tomas sleeps.", 2)
    assert [(entity.id, entity.look) for entity in script.entities] == [("Tomas", "old keeper"), ("lamp", "")]


@pytest.mark.parametrize(
    "text", ["the " * 300_000, "Aa " * 300_000, '"' * 50_000, "(" * 500_000, "It " * 200_000, "A" * 900_000]
)
def test_odd_texts_take_no_longer_for_it(text: str) -> None:
    try:
        assert len(all_shots(plan(text, 3))) == 3
    except ScriptError as error:
        assert "no words" in str(error)  # noqa: PT017 - either outcome is fine; a hang is not


def spoken(text: str, shots: int, **more: Any) -> tuple[StoryScript, list[str]]:
    lines: list[str] = []
    return Outline().plan(Brief(text, shots, **more), lines.append), lines


def test_one_sentence_cannot_fill_eight_shots_and_it_says_so() -> None:
    script, lines = spoken("A fox finds a lantern in the snow.", 8)
    assert any("cannot fill 8 shots" in line and "--shots 1" in line and "--planner llm" in line for line in lines)
    assert [f.rule for f in lint(script, 8) if f.shot] == ["same-prompt"] * 7
    assert not any("cannot fill" in line for line in spoken("A fox runs. A dog waits.", 2)[1])


TITLES = {
    "The Fox and the Lantern\n\nA fox finds a lantern.": "The Fox and the Lantern",
    "The Fox\nby Jane Doe\n\nA fox finds a lantern.": "The Fox",
    "The Fox\n=======\nA fox finds a lantern.": "The Fox",
    "Title: Mira Goes Home\nA fox finds a lantern.": "Mira Goes Home",
    "\u201cMira\u201d\n\nA fox finds a lantern.": "Mira",
    "Der Weg nach Hause\n\nA fox finds a lantern.": "Der Weg nach Hause",
}


@pytest.mark.parametrize("text", TITLES)
def test_a_title_is_no_shot_and_no_person(text: str) -> None:
    script, _ = spoken(text, 1)
    assert script.title == TITLES[text]
    assert [e.id for e in script.entities] == ["fox", "lantern"]
    assert "Mira" not in script.scenes[0].shots[0].prompt


@pytest.mark.parametrize("text", ["A fox walks\nthrough the snow.", "A fox walks.\n\nIt stops.", "a fox in the snow"])
def test_a_first_line_that_is_a_sentence_is_no_title(text: str) -> None:
    assert split_title(text) == ("", text)


def test_german_nouns_are_no_characters() -> None:
    script, _ = spoken(
        "Ein Fuchs findet eine Laterne im Schnee. Der Fuchs tr\u00e4gt die Laterne nach Hause. "
        "Im Wald wartet ein M\u00e4dchen namens Mira auf den Fuchs.", 3, language="German",
    )  # fmt: skip
    assert [e.id for e in script.entities] == ["Mira"]
    assert [e.id for e in spoken("Mira meets Tom in Paris. Tom and Mira walk.", 2)[0].entities] == [
        "Mira",
        "Tom",
        "Paris",
    ]


def test_the_setting_of_one_scene_stays_in_it() -> None:
    text = "A fox sleeps in the forest.\n\n***\n\nMira opens a letter. Mira smiles.\n\n***\n\nThe fox wakes."
    script, _ = spoken(text, 4)
    assert [scene.setting for scene in script.scenes] == ["forest", "", ""]
    assert not any("forest" in shot.entities for scene in script.scenes[1:] for shot in scene.shots)
    jump, _ = spoken("Mira sits in the kitchen. The next morning Mira wakes.", 2)
    assert [scene.setting for scene in jump.scenes] == ["kitchen", ""]
