"""What differs between two scripts, shot by shot: shown after a revision, and told to whoever renders again.

Shots are matched by id. Knows nothing about takes: a shot that is not listed here keeps its id and its words.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel, JsonValue

from storymem.values.script import StoryScript


class ChangeKind(StrEnum):
    """What happened to a part of the script."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    MOVED = "moved"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference.

    Attributes:
        what: ``shot 2.3``, ``entity fox``, ``scene 2`` or ``story``.
        kind: What happened to it.
        field: Which field of it changed; empty for what was added, removed or moved.
        before: The old value; None if there was none.
        after: The new value; None if there is none.
    """

    what: str
    kind: ChangeKind
    field: str = ""
    before: JsonValue = None
    after: JsonValue = None

    def to_json(self) -> dict[str, JsonValue]:
        """Return the change as plain data."""
        return {
            "what": self.what,
            "kind": self.kind.value,
            "field": self.field,
            "before": self.before,
            "after": self.after,
        }


def diff_scripts(old: StoryScript, new: StoryScript) -> list[Change]:
    """Return every difference but the metadata's: the story's fields, then entities, scenes and shots."""
    return [
        *_fields(
            "story", _plain(old, {"entities", "scenes", "metadata"}), _plain(new, {"entities", "scenes", "metadata"})
        ),
        *_parts("entity", {e.id: _plain(e) for e in old.entities}, {e.id: _plain(e) for e in new.entities}),
        *_parts("scene", _scenes(old), _scenes(new)),
        *_parts("shot", _shots(old), _shots(new)),
    ]


def render_diff(changes: list[Change]) -> str:
    """Return the changes as text, one block each, old lines marked with ``-`` and new ones with ``+``."""
    return "\n".join(line for change in changes for line in _lines(change))


def _lines(change: Change) -> Iterator[str]:
    yield f"{change.what}: {f'{change.field} ' if change.field else ''}{change.kind.value}"
    yield from (f"  - {line}" for line in _text(change.before))
    yield from (f"  + {line}" for line in _text(change.after))


def _text(value: JsonValue) -> list[str]:
    if value is None:
        return []
    if isinstance(value, dict):
        value = value.get("prompt") or value.get("look") or value.get("setting") or ""
    if isinstance(value, list):
        value = ", ".join(str(item) for item in value)
    return str(value).splitlines() or ['""']


def _parts(
    what: str, old: Mapping[str, dict[str, JsonValue]], new: Mapping[str, dict[str, JsonValue]]
) -> Iterator[Change]:
    moved = _moved(list(old), list(new))
    for name, values in new.items():
        if name not in old:
            yield Change(f"{what} {name}", ChangeKind.ADDED, after=values)
        else:
            yield from _fields(f"{what} {name}", old[name], values)
            if name in moved:
                yield Change(f"{what} {name}", ChangeKind.MOVED)
    for name, values in old.items():
        if name not in new:
            yield Change(f"{what} {name}", ChangeKind.REMOVED, before=values)


def _moved(old: list[str], new: list[str]) -> set[str]:
    """Return the names in both that do not keep the others' order."""
    before, after = [n for n in old if n in set(new)], [n for n in new if n in set(old)]
    matcher = difflib.SequenceMatcher(a=before, b=after, autojunk=False)
    kept = {name for start, _, size in matcher.get_matching_blocks() for name in before[start : start + size]}
    return set(before) - kept


def _fields(what: str, old: Mapping[str, JsonValue], new: Mapping[str, JsonValue]) -> Iterator[Change]:
    for name in new:
        if old.get(name) != new[name]:
            yield Change(what, ChangeKind.CHANGED, name, old.get(name), new[name])


def _scenes(script: StoryScript) -> dict[str, dict[str, JsonValue]]:
    return {str(i + 1): _plain(scene, {"shots"}) for i, scene in enumerate(script.scenes)}


def _shots(script: StoryScript) -> dict[str, dict[str, JsonValue]]:
    return {
        script.shot_id(i, j): {**_plain(shot, {"id"}), "scene": i + 1}
        for i, scene in enumerate(script.scenes)
        for j, shot in enumerate(scene.shots)
    }


def _plain(model: BaseModel, without: set[str] | None = None) -> dict[str, JsonValue]:
    return model.model_dump(mode="json", exclude=without)
