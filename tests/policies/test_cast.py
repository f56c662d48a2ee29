"""Who a shot shows: the schedule, names in prompts, and marks in prompts."""

from __future__ import annotations

import pytest

from storymem.script.cast import Source, cast_of, remark
from storymem.values.script import Entity, Scene, Shot, StoryScript
from storymem.values.storyboard import Storyboard


def board(
    *prompts: str, entities: tuple[Entity, ...] = (), listed: dict[int, tuple[str, ...]] | None = None
) -> Storyboard:
    shots = tuple(Shot(prompt=p, entities=(listed or {}).get(k, ())) for k, p in enumerate(prompts))
    return Storyboard(StoryScript(title="t", entities=entities, scenes=(Scene(shots=shots),)))


def test_a_schedule_is_taken_as_it_is_and_in_silence() -> None:
    anna = Entity(id="anna", name="Anna")
    cast = cast_of(board("Anna walks.", "Anna sits.", entities=(anna,), listed={0: ("anna", "anna")}))
    assert cast.source is Source.SCHEDULE
    assert cast.by_shot == (("anna",), ())
    assert remark(cast) == ""


def test_declared_names_are_found_as_whole_words() -> None:
    entities = (Entity(id="anna", name="Ann"), Entity(id="kite", name="the red kite"))
    cast = cast_of(board("ANN flies The Red Kite.", "Annabel waits.", "ann's kite", entities=entities))
    assert cast.source is Source.NAMES
    assert cast.by_shot == (("anna", "kite"), (), ("anna", "kite"))
    assert remark(cast) == "no shot lists its entities; found anna, kite by name in the prompts"


@pytest.mark.parametrize(
    ("prompts", "expected"),
    [
        (("[Person A] waits. [shot cut]", "[Person A] and [Dog]. [shot cut]"), (("Person A",), ("Person A",))),
        (("Anna: a tall woman\nwalks", "Anna: in a coat\nBen: once"), (("Anna",), ("Anna",))),
        (("The boat of Anna drifts.", "Anna rows, and Ben waves."), (("Anna",), ("Anna",))),
        (("In the fog a Lantern glows.", "She lifts the Lantern, a lantern of brass."), ((), ())),
        (("a quiet street", "a quiet street"), ((), ())),
    ],
    ids=["tags", "labels", "names", "also_lower_case", "nothing"],
)
def test_marks_that_recur_are_entities(prompts: tuple[str, ...], expected: tuple[tuple[str, ...], ...]) -> None:
    cast = cast_of(board(*prompts))
    assert cast.source is Source.PROMPTS
    assert cast.by_shot == expected
    found = sorted({entity for shown in expected for entity in shown})
    words = f"inferred from its prompts: {', '.join(found)}" if found else "none recur in its prompts"
    assert words in remark(cast)


def test_appearances_at_both_edges() -> None:
    cast = cast_of(board(*["x"] * 9, entities=(Entity(id="a"),), listed=dict.fromkeys(range(9), ("a",))))
    assert cast.appearances("a", 3) == [0, 1, 2]
    assert cast.edge_appearances("a", 9, 3) == [0, 1, 8]
    assert cast.edge_appearances("a", 2, 3) == [0, 1]
    assert cast.edge_appearances("b", 9, 3) == []
