"""The script as a flat row of shots: what policies, the graph and the engine work on."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from storymem.errors import GraphError
from storymem.values.script import Entity, Shot, StoryScript


@dataclass(frozen=True, slots=True)
class BoardShot:
    """One shot and its place.

    Attributes:
        position: Place in the story, 0 first.
        scene: Index of its scene, 0 first.
        id: ``scene.shot`` id.
        prompt: The shot's prompt followed by the script's style.
        shot: The shot as written.
    """

    position: int
    scene: int
    id: str
    prompt: str
    shot: Shot

    @property
    def entities(self) -> tuple[str, ...]:
        """Ids of the entities it shows."""
        return self.shot.entities

    @property
    def cut(self) -> bool:
        """Whether it starts with a cut."""
        return self.shot.cut


class Storyboard:
    """All shots of a script in story order, with the lookups that policies need."""

    def __init__(self, script: StoryScript) -> None:
        self.script = script
        self.shots: tuple[BoardShot, ...] = tuple(_flatten(script))

    def __len__(self) -> int:
        return len(self.shots)

    def __iter__(self) -> Iterator[BoardShot]:
        return iter(self.shots)

    @cached_property
    def entities(self) -> Mapping[str, Entity]:
        """Entities by id."""
        return {entity.id: entity for entity in self.script.entities}

    @cached_property
    def _positions(self) -> Mapping[str, int]:
        return {shot.id: shot.position for shot in self.shots}

    @cached_property
    def _appearances(self) -> Mapping[str, list[int]]:
        found: dict[str, list[int]] = {}
        for shot in self.shots:
            for entity in dict.fromkeys(shot.entities):
                found.setdefault(entity, []).append(shot.position)
        return found

    def shot(self, shot_id: str) -> BoardShot:
        """Return a shot by id; raises :class:`GraphError` naming the ids there are."""
        if shot_id not in self._positions:
            raise GraphError(f"shot {shot_id}: no such shot; the story has {self.shots[0].id} to {self.shots[-1].id}")
        return self.shots[self._positions[shot_id]]

    def appearances(self, entity: str, before: int) -> list[int]:
        """Return the positions below ``before`` of the shots that show ``entity``, ascending."""
        positions = self._appearances.get(entity, [])
        return positions[: bisect_left(positions, before)]


def _flatten(script: StoryScript) -> Iterator[BoardShot]:
    position = 0
    for i, scene in enumerate(script.scenes):
        for j, shot in enumerate(scene.shots):
            prompt = f"{shot.prompt} {script.style}".strip() if script.style else shot.prompt
            yield BoardShot(position, i, script.shot_id(i, j), prompt, shot)
            position += 1
