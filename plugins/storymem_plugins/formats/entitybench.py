"""EntityBench: ST-Bench's layout with a registry of entities and a schedule of who is seen in which shot.

Beyond ST-Bench: ``entity_schedule`` {"scene:shot": {characters, places, objects}}, ``entity_descriptions``
{label: {name, label, description}}, ``action_descriptions[]`` per scene, and bookkeeping keys. Entities are
the registry's and the schedule's; one that is scheduled but not described has an empty look.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import JsonValue

from storymem.interfaces import ScriptFormat
from storymem.script.loader import validate_script
from storymem.text import composed
from storymem.values.script import Entity, EntityKind, StoryScript
from storymem_plugins.formats.reading import Node
from storymem_plugins.formats.st_bench import carried, dump_story, has_any, has_video_prompts, prompts_of, story

METADATA = "entitybench"
_STORY_KEYS = frozenset({"story_name", "story_overview", "scenes", "entity_schedule", "entity_descriptions"})
#: Schedule keys and the kinds of what they list.
COLUMNS = {"characters": EntityKind.CHARACTER, "places": EntityKind.PLACE, "objects": EntityKind.OBJECT}
_LABELS = {EntityKind.CHARACTER: "Character", EntityKind.PLACE: "Location", EntityKind.OBJECT: "Object"}
_KIND_OF_LABEL = {
    "character": EntityKind.CHARACTER,
    "location": EntityKind.PLACE,
    "object": EntityKind.OBJECT,
}
_LABELLED, _MERGED = "labels", "merged"

Schedule = dict[str, dict[str, list[str]]]


class EntityBench(ScriptFormat):
    """EntityBench episodes, with their entity schedule."""

    def detect(self, data: JsonValue) -> bool:
        """Whether it has ``video_prompts`` and an ``entity_schedule``."""
        return has_video_prompts(data) and has_any(data, "entity_schedule")

    def parse(self, data: JsonValue, source: Path) -> StoryScript:
        """Return the script; entity ids are the names that the schedule uses."""
        root = Node(source, data)
        schedule = _schedule(root)
        native = story(
            root,
            lambda scene, index, prompt: {
                "prompt": prompt,
                "entities": _seen(schedule.get(f"{_number(scene)}:{index + 1}", {})),
            },
        )
        _check_schedule(root)
        native["entities"], registry = _entities(root, schedule)
        extra = carried(root, METADATA, _STORY_KEYS).get(METADATA)
        native["metadata"] = {METADATA: {**(extra if isinstance(extra, dict) else {}), **registry}}
        return validate_script(native, source)

    def dump(self, script: StoryScript) -> tuple[JsonValue, list[str]]:
        """Return EntityBench data; a style entity and what ST-Bench cannot hold are lost."""
        data, losses = dump_story(script, METADATA)
        labels, merged = (_table(data.pop(key, {})) for key in (_LABELLED, _MERGED))
        known = {entity.id: entity for entity in script.entities}
        counts = {"_num_scenes": len(script.scenes), "_num_shots": sum(len(s.shots) for s in script.scenes)}
        data.update({key: count for key, count in counts.items() if key in data})
        data["entity_schedule"] = _dump_schedule(script, known)
        data["entity_descriptions"] = _dump_registry(script, labels, merged)
        losses += [f"style entity {e.id!r}" for e in script.entities if e.kind is EntityKind.STYLE]
        losses += [f"id {e.id!r} (its name {e.name!r} is kept)" for e in script.entities if e.name not in ("", e.id)]
        return data, losses


def _schedule(root: Node) -> Schedule:
    """Return names by column by ``scene:shot``."""
    return {
        key: {column: [composed(name.prompt()) for name in names] for column, names in _columns(row).items()}
        for key, row in root.field("entity_schedule").fields().items()
    }


def _columns(row: Node) -> dict[str, Node]:
    for key, node in row.fields().items():
        if key not in COLUMNS:
            node.fail(f"unknown column; there are {', '.join(COLUMNS)}")
    return row.fields()


def _seen(row: dict[str, list[str]]) -> list[JsonValue]:
    return list(dict.fromkeys(name for column in COLUMNS for name in row.get(column, [])))


def _check_schedule(root: Node) -> None:
    """Fail on rows for shots that are not there; such a file was cut or mixed up."""
    shots = {
        f"{_number(scene)}:{index + 1}" for scene in root.field("scenes") for index in range(len(prompts_of(scene)))
    }
    for key, row in root.field("entity_schedule").fields().items():
        if key not in shots:
            row.fail(f"there is no shot {key}")


def _entities(root: Node, schedule: Schedule) -> tuple[list[JsonValue], dict[str, JsonValue]]:
    """Return entity data, registry first, and what writing the registry again needs.

    A name that two labels describe is one entity, since the schedule tells entities by name alone: the first
    description is its look, and the others are kept by their labels.
    """
    kinds = {
        name: kind for row in schedule.values() for column, kind in COLUMNS.items() for name in row.get(column, [])
    }
    found: dict[str, JsonValue] = {}
    labels: dict[str, JsonValue] = {}
    merged: dict[str, JsonValue] = {}
    registry = root.optional("entity_descriptions")
    for label, entry in (registry.fields() if registry else {}).items():
        name, look = composed(entry.field("name").prompt()), entry.optional("description")
        told = look.text() if look else ""
        if name in found:
            entry.warn(f"{name!r} is described twice; it is one entity, with the look of {labels[name]!r}")
            merged[label] = {"name": name, "description": told}
            continue
        kind = kinds.get(name) or _KIND_OF_LABEL.get(label.partition(" ")[0].lower(), EntityKind.OBJECT)
        found[name] = {"id": name, "kind": kind, "look": told}
        labels[name] = label
    for name, kind in kinds.items():
        found.setdefault(name, {"id": name, "kind": kind})
    return list(found.values()), {_LABELLED: labels, **({_MERGED: merged} if merged else {})}


def _number(scene: Node) -> int:
    """Return a scene's number, by which the schedule calls it; its place in the file if it has none."""
    number = scene.optional("scene_num")
    return number.number() if number else int(scene.path.rpartition(".")[2]) + 1


def _table(value: JsonValue) -> dict[str, JsonValue]:
    return value if isinstance(value, dict) else {}


def _dump_schedule(script: StoryScript, known: dict[str, Entity]) -> dict[str, JsonValue]:
    rows: dict[str, JsonValue] = {}
    for i, scene in enumerate(script.scenes):
        for j, shot in enumerate(scene.shots):
            rows[f"{i + 1}:{j + 1}"] = {
                column: [known[name].label for name in shot.entities if known[name].kind is kind]
                for column, kind in COLUMNS.items()
            }
    return rows


def _dump_registry(
    script: StoryScript, labels: dict[str, JsonValue], merged: dict[str, JsonValue]
) -> dict[str, JsonValue]:
    registry: dict[str, JsonValue] = {}
    for entity in script.entities:
        if entity.kind in _LABELS and (entity.look or entity.id in labels):
            taken = [*registry, *labels.values(), *merged]
            label = str(labels.get(entity.id) or _free_label(_LABELS[entity.kind], taken))
            registry[label] = {"name": entity.label, "label": label, "description": entity.look}
            registry |= {
                other: {"name": entity.label, "label": other, "description": _table(entry).get("description", "")}
                for other, entry in merged.items()
                if _table(entry).get("name") == entity.id
            }
    return registry


def _free_label(word: str, taken: list[JsonValue]) -> str:
    return next(f"{word} {n}" for n in range(1, len(taken) + 2) if f"{word} {n}" not in taken)
