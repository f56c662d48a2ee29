"""Mechanical changes to a script: small, named, and applied without asking any model.

Every edit gives a new, valid script. Ids that were counted are written down first where an edit could shift
them, so that takes stay with their shots.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from storymem.script.mentions import with_look
from storymem.values.script import Scene, Shot, StoryScript


@dataclass(frozen=True, slots=True)
class Edit(ABC):
    """One change to a script."""

    @abstractmethod
    def apply(self, script: StoryScript) -> StoryScript:
        """Return the changed script."""

    @abstractmethod
    def __str__(self) -> str:
        """Say in a few words what is done."""


@dataclass(frozen=True, slots=True)
class MakeCut(Edit):
    """Let a shot start with a cut."""

    shot: str

    def apply(self, script: StoryScript) -> StoryScript:
        """Return the script with that shot a cut."""
        return change_shot(script, self.shot, lambda shot: {"cut": True})

    def __str__(self) -> str:
        return "make it a cut"


@dataclass(frozen=True, slots=True)
class AddLook(Edit):
    """Put an entity's look before a prompt."""

    shot: str
    entity: str

    def apply(self, script: StoryScript) -> StoryScript:
        """Return the script with that prompt longer by the look."""
        entity = next(e for e in script.entities if e.id == self.entity)
        return change_shot(script, self.shot, lambda shot: {"prompt": with_look(shot.prompt, entity)})

    def __str__(self) -> str:
        return f"put the look of {self.entity!r} before the prompt"


@dataclass(frozen=True, slots=True)
class ListEntity(Edit):
    """Add an entity to those that a shot shows."""

    shot: str
    entity: str

    def apply(self, script: StoryScript) -> StoryScript:
        """Return the script with that shot listing the entity."""
        return change_shot(
            script, self.shot, lambda shot: {"entities": tuple(dict.fromkeys((*shot.entities, self.entity)))}
        )

    def __str__(self) -> str:
        return f"add {self.entity!r} to the shot's entities"


@dataclass(frozen=True, slots=True)
class DropEntity(Edit):
    """Remove an entity that no shot shows."""

    entity: str

    def apply(self, script: StoryScript) -> StoryScript:
        """Return the script without the entity."""
        kept = tuple(entity for entity in script.entities if entity.id != self.entity)
        return script.model_copy(update={"entities": kept})

    def __str__(self) -> str:
        return f"remove {self.entity!r}"


def change_shot(script: StoryScript, shot_id: str, change: Callable[[Shot], dict[str, Any]]) -> StoryScript:
    """Return the script with fields of one shot replaced by what ``change`` makes of it; raises as `with_shot`."""
    i, j = script.locate(shot_id)
    return script.with_shot(shot_id, **change(script.scenes[i].shots[j]))


def with_ids(script: StoryScript) -> StoryScript:
    """Return the script with every shot's id written down."""
    scenes = tuple(_numbered(script, i, scene) for i, scene in enumerate(script.scenes))
    return script.model_copy(update={"scenes": scenes})


def _numbered(script: StoryScript, i: int, scene: Scene) -> Scene:
    shots = (shot.model_copy(update={"id": script.shot_id(i, j)}) for j, shot in enumerate(scene.shots))
    return scene.model_copy(update={"shots": tuple(shots)})
