"""Who and what each shot shows: by the script's own schedule or, where it has none, by its prompts.

Three sources, the first that applies:

``schedule``
    Some shot lists entities. The lists are taken as they are; a shot without a list shows no entity.
``names``
    The script declares entities but no shot lists any: a shot shows those whose name or id is in its
    prompt as whole words, ignoring case.
``prompts``
    The script declares no entities. Of three kinds of mark the first is used that recurs in two or more
    shots: tags in square brackets (``[Person A]``), labels that open a line (``Anna: a tall woman``), and
    capitalised names inside sentences that are never written in lower case.

Nothing is inferred in silence: of any source but the first, policies give notice when the run starts. Knows nothing of
pictures; what a keyframe really shows is another matter.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from storymem.values.keyframe import Keyframe
from storymem.values.script import Entity, StoryScript
from storymem.values.storyboard import BoardShot, Storyboard

_TAG = re.compile(r"\[([^\[\]\n]{1,60})\]")
_LABEL = re.compile(r"^\s*([A-Z][\w.'-]*(?: [\w.'-]+){0,4}):\s", re.MULTILINE)
_NAME = re.compile(r"(?<=[a-z,] )[A-Z][\w'-]+(?: [A-Z][\w'-]+)*")
_WORD = re.compile(r"[^\W\d_][\w'-]*")
#: Structure of prompts, not something to be seen.
_STRUCTURE = re.compile(r"(global|shot|per shot) caption|shot cut|(shot|scene|cut) ?\d*", re.IGNORECASE)


class Source(StrEnum):
    """Where a cast comes from; see the module's description."""

    SCHEDULE = "schedule"
    NAMES = "names"
    PROMPTS = "prompts"


@dataclass(frozen=True)
class Cast:
    """The entities of every shot.

    Attributes:
        source: How they were found.
        by_shot: For each position, the ids of the entities that the shot shows, without repeats.
    """

    source: Source
    by_shot: tuple[tuple[str, ...], ...]

    def of(self, shot: BoardShot) -> tuple[str, ...]:
        """Return the entities that ``shot`` shows and so needs to remember."""
        return self.by_shot[shot.position]

    def shown(self, keyframe: Keyframe) -> tuple[str, ...]:
        """Return the entities that a keyframe is said to show."""
        if self.source is Source.SCHEDULE or keyframe.is_reference:
            return keyframe.entities
        return self.by_shot[keyframe.position]

    def appearances(self, entity: str, before: int) -> list[int]:
        """Return the positions below ``before`` of the shots that show ``entity``, ascending."""
        positions = self._appearances.get(entity, [])
        return positions[: bisect_left(positions, before)]

    def edge_appearances(self, entity: str, before: int, most: int) -> list[int]:
        """Return at most ``most`` of :meth:`appearances`: the earliest half and the latest half."""
        positions = self._appearances.get(entity, [])
        end = bisect_left(positions, before)
        if end <= most:
            return positions[:end]
        early = (most + 1) // 2
        return positions[:early] + positions[end - (most - early) : end]

    @cached_property
    def _appearances(self) -> Mapping[str, list[int]]:
        found: dict[str, list[int]] = {}
        for position, entities in enumerate(self.by_shot):
            for entity in entities:
                found.setdefault(entity, []).append(position)
        return found


def cast_of(board: Storyboard) -> Cast:
    """Return the cast of a story."""
    if any(shot.entities for shot in board):
        return Cast(Source.SCHEDULE, tuple(tuple(dict.fromkeys(shot.entities)) for shot in board))
    if board.entities:
        return Cast(Source.NAMES, tuple(_named(board)))
    return Cast(Source.PROMPTS, tuple(_marked([shot.shot.prompt for shot in board])))


def remark(cast: Cast) -> str:
    """Return what the user should know of how a cast was found; empty if the script schedules it."""
    found = sorted({entity for entities in cast.by_shot for entity in entities})
    if cast.source is Source.SCHEDULE:
        return ""
    if cast.source is Source.NAMES:
        return f"no shot lists its entities; found {', '.join(found) or 'none of them'} by name in the prompts"
    inferred = f"inferred from its prompts: {', '.join(found)}" if found else "and none recur in its prompts"
    return f"the script has no entities, {inferred}; storymem entities adds them"


def _named(board: Storyboard) -> Iterable[tuple[str, ...]]:
    patterns = {
        entity.id: re.compile("|".join(_whole(word) for word in sorted({entity.label, entity.id})), re.IGNORECASE)
        for entity in board.script.entities
    }
    for shot in board:
        yield tuple(name for name, pattern in patterns.items() if pattern.search(shot.shot.prompt))


def _whole(words: str) -> str:
    return rf"(?<!\w){re.escape(words)}(?!\w)"


def _marked(prompts: Sequence[str]) -> list[tuple[str, ...]]:
    for marks in (_tags, _labels, _names):
        found = _recurring(marks(prompts))
        if any(found):
            return found
    return [() for _ in prompts]


def _recurring(found: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    shots = Counter(mark for marks in found for mark in marks)
    return [tuple(mark for mark in marks if shots[mark] > 1) for marks in found]


def _by_pattern(pattern: re.Pattern[str]) -> Callable[[Sequence[str]], list[tuple[str, ...]]]:
    def find(prompts: Sequence[str]) -> list[tuple[str, ...]]:
        marks = ((" ".join(m.split()) for m in pattern.findall(prompt)) for prompt in prompts)
        return [tuple(dict.fromkeys(m for m in each if m and not _STRUCTURE.fullmatch(m))) for each in marks]

    return find


_tags = _by_pattern(_TAG)
_labels = _by_pattern(_LABEL)


def _names(prompts: Sequence[str]) -> list[tuple[str, ...]]:
    common = {word for prompt in prompts for word in _WORD.findall(prompt) if word[0].islower()}
    inside = dict.fromkeys(name for prompt in prompts for name in _NAME.findall(prompt))
    names = [name for name in inside if not any(word.lower() in common for word in name.split())]
    patterns = {name: re.compile(_whole(name)) for name in names}
    return [tuple(name for name, pattern in patterns.items() if pattern.search(prompt)) for prompt in prompts]


def with_found_entities(script: StoryScript) -> StoryScript:
    """Return a script whose shots list the entities that :func:`cast_of` finds; one that lists them stays as it is.

    Entities found by tags and names are taken for characters: only their names are known.
    """
    board = Storyboard(script)
    cast = cast_of(board)
    if cast.source is Source.SCHEDULE:
        return script
    known = {entity.id for entity in script.entities}
    names = dict.fromkeys(name for entities in cast.by_shot for name in entities)
    new = tuple(Entity(id=name) for name in names if name not in known)
    made = script.model_copy(update={"entities": (*script.entities, *new)})
    for shot in board:
        made = made.with_shot(shot.id, entities=cast.of(shot))
    return made
