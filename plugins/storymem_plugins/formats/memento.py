"""Memento: ST-Bench's layout with entities told by tags, looks in ``reconstruct_target`` and in each prompt.

Prompts read ``global caption: [Animal A]: look, [Person B]: look; shot caption: ...`` and stay as they are.
"""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import JsonValue

from storymem.interfaces import ScriptFormat
from storymem.script.loader import validate_script
from storymem.values.script import StoryScript
from storymem_plugins.formats.reading import Node
from storymem_plugins.formats.st_bench import carried, dump_story, has_any, has_video_prompts, prompts_of, story
from storymem_plugins.formats.tags import entity, looks_after_tags, shown, tags_in

METADATA = "memento"
_STORY_KEYS = frozenset({"story_name", "story_overview", "scenes", "reconstruct_target"})
_LINE = re.compile(r"^\[(?P<tag>[^\]]{1,60})\]\s*:?\s*(?P<look>.*)$")
_COLON = re.compile(r"\s*:\s*")


class Memento(ScriptFormat):
    """Memento scripts, with their tagged entities."""

    def detect(self, data: JsonValue) -> bool:
        """Whether it has ``video_prompts`` and a ``reconstruct_target``."""
        return has_video_prompts(data) and has_any(data, "reconstruct_target")

    def parse(self, data: JsonValue, source: Path) -> StoryScript:
        """Return the script. Entities are the targets, then tags whose look a prompt's global caption tells."""
        root = Node(source, data)
        looks = _targets(root)
        for scene in root.field("scenes"):
            for prompt in prompts_of(scene):
                for tag, look in looks_after_tags(prompt.text(), _COLON).items():
                    looks.setdefault(tag, look)
                for tag in tags_in(prompt.text()):
                    looks.setdefault(tag, "")
        native = story(root, lambda _scene, _shot, prompt: {"prompt": prompt, "entities": shown(prompt, looks)})
        native["entities"] = [entity(tag, look) for tag, look in looks.items()]
        extra = carried(root, METADATA, _STORY_KEYS).get(METADATA)
        targets: list[JsonValue] = list(_targets(root))
        native["metadata"] = {METADATA: {**(extra if isinstance(extra, dict) else {}), "targets": targets}}
        return validate_script(native, source)

    def dump(self, script: StoryScript) -> tuple[JsonValue, list[str]]:
        """Return Memento data; entities whose names are no tags in the prompts do not fit."""
        data, losses = dump_story(script, METADATA)
        targets = data.pop("targets", None)
        names = set(targets) if isinstance(targets, list) else {e.id for e in script.entities if e.look}
        tagged = {e.id: e for e in script.entities if e.label == f"[{e.id}]"}
        data["reconstruct_target"] = "\n".join(f"{e.label} {e.look}" for e in tagged.values() if e.id in names)
        losses += [
            f"entity {e.id!r}, which prompts do not call by a tag" for e in script.entities if e.id not in tagged
        ]
        return data, losses


def _targets(root: Node) -> dict[str, str]:
    node = root.field("reconstruct_target")
    looks: dict[str, str] = {}
    for number, line in enumerate(node.text().splitlines(), start=1):
        if not line.strip():
            continue
        match = _LINE.match(line.strip())
        if match is None:
            node.fail(f"line {number} must be a tag and a look, such as [Person A] old man in a red coat")
        if match["tag"] in looks:
            node.fail(f"line {number}: [{match['tag']}] is given twice")
        looks[match["tag"]] = match["look"].strip()
    return looks
