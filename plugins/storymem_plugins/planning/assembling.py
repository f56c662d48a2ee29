"""From a model's answers to a script that renders: ids, cuts and looks put right mechanically."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from storymem.interfaces import Brief
from storymem.script.edits import DropEntity
from storymem.script.lint import lint
from storymem.values.script import Entity, Scene, Shot, StoryScript
from storymem_plugins.planning.answers import EntityAnswer, OutlineAnswer, ShotAnswer

#: Memory keyframes of a usual run; only decides how many entities in a shot are worth a warning.
BUDGET = 8
_ROUNDS = 64


@dataclass(frozen=True, slots=True)
class ScenePlan:
    """One scene of the outline and how many shots it gets."""

    title: str
    setting: str
    summary: str
    shots: int


def cast_of(brief: Brief, answers: Sequence[EntityAnswer]) -> list[Entity]:
    """Return the given cast as it is, then the model's entities; of one name the first is kept."""
    cast = {entity.label.lower(): entity for entity in brief.cast}
    ids = {entity.id for entity in brief.cast}
    for answer in answers:
        if answer.name.lower() not in cast and answer.name not in ids:
            cast[answer.name.lower()] = Entity(id=answer.name, kind=answer.kind, look=answer.look)
    return list(cast.values())


def scene_of(plan: ScenePlan, answers: Sequence[ShotAnswer], cast: Sequence[Entity]) -> Scene:
    """Return a scene; its first shot is a cut."""
    ids = {entity.label: entity.id for entity in cast}
    shots = tuple(
        Shot(
            prompt=answer.prompt,
            cut=answer.cut or index == 0,
            entities=tuple(dict.fromkeys(ids[name] for name in answer.entities)),
        )
        for index, answer in enumerate(answers)
    )
    return Scene(shots=shots, title=plan.title, setting=plan.setting)


def script_of(
    brief: Brief, outline: OutlineAnswer, cast: Sequence[Entity], scenes: Sequence[Scene], plan: dict[str, JsonValue]
) -> StoryScript:
    """Return the whole script, settled; ``plan`` is its provenance, to which the number of fixes is added."""
    script = StoryScript(
        title=outline.title,
        overview=outline.overview,
        style=brief.style,
        seed=brief.seed,
        entities=tuple(cast),
        scenes=tuple(scenes),
    )
    settled, fixed = settle(script, keep={entity.id for entity in brief.cast})
    return settled.model_copy(update={"metadata": {"plan": {**plan, "mended": fixed}}})


def settle(script: StoryScript, keep: set[str]) -> tuple[StoryScript, int]:
    """Return the script with every fix that lint has, and how many there were.

    Args:
        script: A valid script.
        keep: Ids of entities that stay even if no shot shows them.
    """
    fixed = 0
    for _ in range(_ROUNDS):
        fixes = {
            finding.shot: finding.fix
            for finding in reversed(lint(script, BUDGET))
            if finding.fix and not (isinstance(finding.fix, DropEntity) and finding.fix.entity in keep)
        }
        if not fixes:
            break
        for fix in fixes.values():
            script = fix.apply(script)
        fixed += len(fixes)
    return StoryScript.model_validate(dict(script)), fixed
