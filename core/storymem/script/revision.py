"""A revision: a short list of changes to a script, applied exactly, with everything else left as it is.

Whoever revises (a language model, a person, a program) says what to change; applying it is mechanical. Shots
that are not named keep their ids, words and seeds, and so their takes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any, Literal, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from storymem.errors import ScriptError
from storymem.script.edits import change_shot, with_ids
from storymem.validation import describe
from storymem.values.script import Entity, Prompt, Scene, Shot, StoryScript


class _Change(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Rewrite(_Change):
    """Replace a shot's prompt, and optionally what it shows and whether it is a cut."""

    op: Literal["rewrite"] = "rewrite"
    shot: str
    prompt: Prompt
    entities: tuple[str, ...] | None = None
    cut: bool | None = None


class InsertAfter(_Change):
    """Add a shot after another one, in its scene, with a fresh id such as 2.3a."""

    op: Literal["insert_after"] = "insert_after"
    shot: str
    prompt: Prompt
    entities: tuple[str, ...] = ()
    cut: bool = True


class Remove(_Change):
    """Remove a shot. A shot that continued it begins as the removed one began."""

    op: Literal["remove"] = "remove"
    shot: str


class ChangeLook(_Change):
    """Give an entity another look, also where prompts repeat the old one word for word."""

    op: Literal["change_look"] = "change_look"
    entity: str
    look: Prompt


class AddEntity(_Change):
    """Add an entity, for shots that are added or rewritten after it."""

    op: Literal["add_entity"] = "add_entity"
    entity: Entity


class Retell(_Change):
    """Replace the overview."""

    op: Literal["retell"] = "retell"
    overview: Prompt


RevisionStep = Annotated[Rewrite | InsertAfter | Remove | ChangeLook | AddEntity | Retell, Field(discriminator="op")]


@runtime_checkable
class ScriptReviser(Protocol):
    """A planner that can also revise a script."""

    def revise(self, script: StoryScript, request: str, progress: Callable[[str], None]) -> StoryScript:
        """Return ``script`` changed as ``request`` asks in plain words, and in nothing else."""


def apply_revision(script: StoryScript, steps: Sequence[RevisionStep]) -> StoryScript:
    """Return the script with ``steps`` applied in order; the steps name shots by their ids in ``script``.

    Raises:
        ScriptError: A step names a shot or entity that is not there, or the result is not a valid script.
    """
    script = with_ids(script)
    for number, step in enumerate(steps, start=1):
        try:
            script = _APPLY[type(step)](script, step)
        except ScriptError as error:
            raise ScriptError(f"change {number} ({step.op}): {error}") from error
    try:
        return StoryScript.model_validate(dict(script))
    except ValidationError as error:
        raise ScriptError(f"the changed script is not valid: {describe(error)}") from error


def _rewrite(script: StoryScript, step: Rewrite) -> StoryScript:
    changed = {"prompt": step.prompt, "entities": step.entities, "cut": step.cut}
    given = {key: value for key, value in changed.items() if value is not None}
    return change_shot(script, step.shot, partial(_fixed, given))


def _insert_after(script: StoryScript, step: InsertAfter) -> StoryScript:
    i, j = script.locate(step.shot)
    shot = Shot(prompt=step.prompt, id=_free_id(script, step.shot), cut=step.cut, entities=step.entities)
    shots = script.scenes[i].shots
    return _with_shots(script, i, (*shots[: j + 1], shot, *shots[j + 1 :]))


def _remove(script: StoryScript, step: Remove) -> StoryScript:
    i, j = script.locate(step.shot)
    removed, rest = script.scenes[i].shots[j], script.scenes[i].shots[j + 1 :]
    following = rest[0] if rest else script.scenes[i + 1].shots[0] if i + 1 < len(script.scenes) else None
    if removed.cut and following is not None and not following.cut:
        script = change_shot(script, following.id, lambda shot: {"cut": True})
    shots = script.scenes[i].shots
    return _with_shots(script, i, (*shots[:j], *shots[j + 1 :]))


def _change_look(script: StoryScript, step: ChangeLook) -> StoryScript:
    old = next((entity for entity in script.entities if entity.id == step.entity), None)
    if old is None:
        raise ScriptError(f"there is no entity {step.entity!r}")
    entities = tuple(e.model_copy(update={"look": step.look}) if e is old else e for e in script.entities)
    script = script.model_copy(update={"entities": entities})
    for shot in [shot for scene in script.scenes for shot in scene.shots if old.look and old.look in shot.prompt]:
        fields = {"prompt": shot.prompt.replace(old.look, step.look)}
        script = change_shot(script, shot.id, partial(_fixed, fields))
    return script


def _fixed(fields: dict[str, Any], _shot: Shot) -> dict[str, Any]:
    return fields


def _add_entity(script: StoryScript, step: AddEntity) -> StoryScript:
    return script.model_copy(update={"entities": (*script.entities, step.entity)})


def _retell(script: StoryScript, step: Retell) -> StoryScript:
    return script.model_copy(update={"overview": step.overview})


def _with_shots(script: StoryScript, scene: int, shots: tuple[Shot, ...]) -> StoryScript:
    scenes: list[Scene] = list(script.scenes)
    scenes[scene : scene + 1] = [scenes[scene].model_copy(update={"shots": shots})] if shots else []
    return script.model_copy(update={"scenes": tuple(scenes)})


def _free_id(script: StoryScript, after: str) -> str:
    taken = {shot.id for scene in script.scenes for shot in scene.shots}
    stem = after.rstrip("abcdefghijklmnopqrstuvwxyz")
    for letter in "abcdefghijklmnopqrstuvwxyz":
        if f"{stem}{letter}" not in taken:
            return f"{stem}{letter}"
    raise ScriptError(f"no id is free after {after}: 26 shots were inserted there already; renumber the script")


_APPLY: dict[type[BaseModel], Callable[..., StoryScript]] = {
    Rewrite: _rewrite,
    InsertAfter: _insert_after,
    Remove: _remove,
    ChangeLook: _change_look,
    AddEntity: _add_entity,
    Retell: _retell,
}
