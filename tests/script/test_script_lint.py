"""Each lint rule fires where it should and nowhere else, and every fix leaves a better, valid script."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storymem.errors import ScriptError
from storymem.plugin import PluginHost
from storymem.script.edits import change_shot, with_ids
from storymem.script.lint import apply_fixes, has_errors, lint
from storymem.script.loader import load_script
from storymem.script.mentions import estimate_tokens, mentions, shows_look
from storymem.values.script import Entity, StoryScript

EXAMPLES = Path(__file__).parents[2] / "examples" / "stories"
FOX = {"id": "fox", "look": "small red fox with a white scarf"}
WOOD = {"id": "wood", "kind": "place", "look": "dark pine wood"}
BEACH = {"id": "beach", "kind": "place"}


def script(*shots: dict[str, Any], entities: tuple[dict[str, Any], ...] = (), **more: Any) -> StoryScript:
    return StoryScript.model_validate(
        {"title": "T", "entities": list(entities), "scenes": [{"shots": list(shots)}], **more}
    )


def rules(story: StoryScript, budget: int = 8, **more: Any) -> list[tuple[str, str]]:
    return [(finding.shot, finding.rule) for finding in lint(story, budget, **more)]


@pytest.mark.parametrize("path", sorted(p for p in EXAMPLES.iterdir() if p.suffix in (".json", ".yaml")))
def test_our_own_stories_are_clean(path: Path) -> None:
    assert lint(load_script(path, PluginHost()), 8, base=path.parent) == []


def test_look_missing() -> None:
    story = script(
        {"prompt": "The small red fox with its white scarf sits.", "entities": ["fox"]},
        {"prompt": "The fox sleeps.", "entities": ["fox"]},
        {"prompt": "It wakes.", "entities": ["fox"]},
        {"prompt": "A lamp."},
        entities=(FOX,),
    )
    assert rules(story) == [("1.2", "look-missing"), ("1.3", "look-missing")]
    fixed, done = apply_fixes(story, 8)
    assert fixed.scenes[0].shots[1].prompt == "fox: small red fox with a white scarf. The fox sleeps."
    assert len(done) == 2
    assert lint(fixed, 8) == []


def test_a_style_that_tells_the_look_counts() -> None:
    story = script({"prompt": "A fox."}, {"prompt": "A fox runs."}, style="small red fox with a white scarf")
    assert rules(story) == []


def test_listing_a_named_entity_uncovers_its_look() -> None:
    story = script(
        {"prompt": "The fox sits.", "entities": []},
        {"prompt": "The Fox sits again; a foxglove blooms."},
        {"prompt": "A foxglove blooms."},
        entities=(FOX,),
    )
    unlisted = [shot for shot, rule in rules(story) if rule == "entity-unlisted"]
    assert unlisted == ["1.1", "1.2"]
    fixed, _ = apply_fixes(story, 8)
    assert [shot.entities for shot in fixed.scenes[0].shots] == [("fox",), ("fox",), ()]
    assert lint(fixed, 8) == []


def test_a_name_inside_another_entitys_look_is_not_that_entity() -> None:
    hat = {"id": "hat", "look": "hat with a fox tail"}
    shots = [{"prompt": "A hat with a fox tail.", "entities": ["hat"]}] * 2
    assert "entity-unlisted" not in dict(map(reversed, rules(script(*shots, entities=(FOX, hat)))))


def test_place_change_without_a_cut() -> None:
    story = script(
        {"prompt": "The dark pine wood.", "entities": ["wood"]},
        {"prompt": "The dark pine wood again.", "entities": ["wood"], "cut": False},
        {"prompt": "The beach.", "entities": ["beach"], "cut": False},
        {"prompt": "The beach, later.", "entities": ["beach"], "cut": False},
        entities=(WOOD, BEACH),
    )
    assert rules(story) == [("1.3", "place-change")]
    assert has_errors(lint(story, 8))
    fixed, _ = apply_fixes(story, 8)
    assert [shot.cut for shot in fixed.scenes[0].shots] == [True, False, True, False]


def test_place_change_by_scene_setting() -> None:
    scenes = [
        {"setting": "a wood", "shots": [{"prompt": "a"}]},
        {"setting": "a beach", "shots": [{"prompt": "b", "cut": False}]},
    ]
    story = StoryScript.model_validate({"title": "T", "scenes": scenes})
    assert rules(story) == [("2.1", "place-change")]
    assert "'a wood' to 'a beach'" in lint(story, 8)[0].reason


def test_too_long_counts_the_style_and_takes_a_counter() -> None:
    story = script({"prompt": "word " * 500}, style="and more " * 20)
    assert rules(story) == [("1.1", "prompt-too-long")]
    assert rules(story, token_counter=lambda text: 1) == []
    assert rules(script({"prompt": "word " * 500})) == []


def test_a_look_that_makes_a_prompt_too_long_is_not_put_in() -> None:
    story = script(
        {"prompt": "fox " * 505, "entities": ["fox"]}, {"prompt": "Small red fox, white scarf."}, entities=(FOX,)
    )
    fixed, _ = apply_fixes(story, 8)
    assert "prompt-too-long" not in dict(map(reversed, rules(fixed)))


def test_entities_used_once_or_never() -> None:
    pictured = {"id": "owl", "references": ["a.png"]}
    story = script({"prompt": "A dark pine wood.", "entities": ["wood"]}, entities=(FOX, WOOD, pictured))
    assert [f"{f.rule} {f.reason.split()[0]}" for f in lint(story, 8)] == [
        "entity-unused 'fox'",
        "entity-once 'wood'",
        "entity-unused 'owl'",
    ]
    fixed, _ = apply_fixes(story, 8)
    assert [entity.id for entity in fixed.entities] == ["wood", "owl"]


def test_crowds_references_names_and_repeats(tmp_path: Path) -> None:
    many = tuple({"id": f"e{i}", "references": ["no.png"] if i == 0 else []} for i in range(4))
    twin = {"id": "x", "name": "E1"}
    shots = [{"prompt": "All.", "entities": [f"e{i}" for i in range(4)]}] * 2
    found = rules(script(*shots, entities=(*many, twin)), 3, base=tmp_path)
    assert ("", "reference-missing") in found
    assert ("", "same-name") in found
    assert ("1.1", "entity-crowd") in found
    assert ("1.2", "same-prompt") in found
    pictures = {"id": "e", "references": ["a", "b"]}
    assert ("", "references-crowd") in rules(script({"prompt": "x", "entities": ["e"]}, entities=(pictures,)), 1)


@pytest.mark.parametrize(
    ("prompt", "rule"),
    [
        ("A voice-over tells the tale.", "sound"),
        ("The sound of rain.", "sound"),
        ('The man says: "Come here."', "sound"),
        ("A title card appears.", "lettering"),
        ("A sign that reads STOP.", "lettering"),
        ("The car explodes.", "motion"),
        ("A time-lapse of the sky.", "motion"),
        ("A montage of the town.", "many-shots"),
        ("Then cut to the wood.", "many-shots"),
    ],
)
def test_unfilmable(prompt: str, rule: str) -> None:
    assert rules(script({"prompt": prompt})) == [("1.1", rule)]


@pytest.mark.parametrize(
    "prompt",
    [
        "No text on the wall, no subtitles.",
        "A quiet street without the sound of cars.",
        "She reads a letter at the window.",
        "The man says goodbye with a wave.",
        "A notebook lies open; a poster hangs behind it.",
        "He cuts a loaf of bread.",
    ],
)
def test_no_false_alarms(prompt: str) -> None:
    assert rules(script({"prompt": prompt})) == []


def test_findings_are_plain_data_and_one_line() -> None:
    finding = lint(script({"prompt": "The fox sits.", "entities": ["fox"]}, entities=(FOX,)), 8)[-1]
    assert finding.to_json() == {
        "shot": "1.1",
        "rule": "look-missing",
        "severity": "warning",
        "reason": "'fox' is shown without its look (small red fox with a white scarf)",
        "suggestion": "repeat the look in the prompt",
        "fix": "put the look of 'fox' before the prompt",
    }
    assert str(finding).startswith("shot 1.1: warning [look-missing] ")


@pytest.mark.parametrize(
    ("text", "name", "found"),
    [
        ("The Fox runs", "fox", True),
        ("a foxglove", "fox", False),
        ("Hope smiles", "Hope", True),
        ("they hope", "Hope", False),
        ("[Person A] walks", "[Person A]", True),
        ("小狐狸在雪地里", "狐狸", True),
        ("the fox-hunt", "fox", True),
    ],
)
def test_mentions(text: str, name: str, found: bool) -> None:
    assert mentions(text, Entity(id=name)) is found


def test_looks_in_scripts_without_spaces_are_verbatim() -> None:
    fox = Entity(id="狐狸", look="戴白围巾的红狐狸")
    assert shows_look("雪地里,戴白围巾的红狐狸站着。", fox)
    assert not shows_look("红狐狸站着。", fox)


@given(st.text(max_size=300))
def test_token_estimate_grows_with_text(text: str) -> None:
    assert estimate_tokens(text) <= len(text)
    assert estimate_tokens(text + " word") >= estimate_tokens(text)


WORDS = st.lists(st.sampled_from(["the", "fox", "owl", "wood", "beach", "red", "says", "runs"]), min_size=1, max_size=6)


@given(
    shots=st.lists(
        st.tuples(WORDS, st.booleans(), st.lists(st.sampled_from(["fox", "owl", "wood", "beach"]), max_size=3)),
        min_size=1,
        max_size=6,
    )
)
@settings(deadline=None, max_examples=60)
def test_fixes_settle_and_keep_every_shot(shots: list[tuple[list[str], bool, list[str]]]) -> None:
    owl = {"id": "owl", "look": "old brown owl"}
    story = script(
        *(
            {"prompt": " ".join(words), "cut": cut or not i, "entities": shown}
            for i, (words, cut, shown) in enumerate(shots)
        ),
        entities=(FOX, owl, WOOD, BEACH),
    )
    fixed, _ = apply_fixes(story, 8)
    assert [finding for finding in lint(fixed, 8) if finding.fix] == []
    assert not has_errors(lint(fixed, 8))
    for before, after in zip(story.scenes[0].shots, fixed.scenes[0].shots, strict=True):
        assert after.prompt.endswith(before.prompt)
        assert set(before.entities) <= set(after.entities)
    assert apply_fixes(fixed, 8) == (fixed, [])


def test_edits_say_what_is_wrong() -> None:
    story = script({"prompt": "a"})
    with pytest.raises(ScriptError, match=r"shot 9\.9: the script has no such shot"):
        story.locate("9.9")
    with pytest.raises(ScriptError, match=r"shot 1\.1: prompt: "):
        change_shot(story, "1.1", lambda shot: {"prompt": " "})
    assert with_ids(story).scenes[0].shots[0].id == "1.1"


def test_without_a_cut_the_framing_stays() -> None:
    story = script(
        {"prompt": "Wide shot. The fox walks."},
        {"prompt": "Extreme close-up of the fox.", "cut": False},
        {"prompt": "Close-up. The fox sits.", "cut": False},
        {"prompt": "The camera follows the fox.", "cut": False},
        {"prompt": "Low-angle medium shot of the fox."},
    )
    assert [f.shot for f in lint(story, 8) if f.rule == "framing-change"] == ["1.2"]
    repaired, _ = apply_fixes(story, 8)
    assert [shot.cut for shot in repaired.scenes[0].shots] == [True, True, False, False, True]
