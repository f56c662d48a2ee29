"""Plain lists of prompts: a text file with one a line, or a JSON array of texts or of tables with ``prompt``.

Every shot is a cut, unless its table says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import JsonValue

from storymem.interfaces import ScriptFormat
from storymem.script.loader import validate_script
from storymem.values.script import StoryScript
from storymem_plugins.formats.commands import BRACKET
from storymem_plugins.formats.holocine import PER_SHOT
from storymem_plugins.formats.losses import lost_by_shots, lost_by_story
from storymem_plugins.formats.reading import Node, lines_of

#: Keys that a table beside ``prompt`` may have; those of our own shots.
_KEYS = frozenset({"prompt", "cut", "seed", "frames"})
_BULLET = re.compile(r"(?:[-*•–]|\(?\d{1,4}[.):])\s+")  # noqa: RUF001 - a dash as people type it


class PromptList(ScriptFormat):
    """Plain lists of prompts."""

    def detect(self, data: JsonValue) -> bool:
        """Whether it is a list of texts or of tables with ``prompt``, or text without other forms' marks."""
        if isinstance(data, str):
            return bool(data.strip()) and PER_SHOT not in data and BRACKET.search(data) is None
        return isinstance(data, list) and bool(data) and all(map(_is_prompt, data))

    def parse(self, data: JsonValue, source: Path) -> StoryScript:
        """Return the script, one scene; the file's name becomes the title."""
        root = Node(source, data)
        if isinstance(data, str) and source.suffix.lower() != ".txt":
            root.fail("is not a story script of any known form: it is one text, and no list of prompts")
        shots = [_shot(item) for item in (_lines(root) if isinstance(data, str) else root.filled())]
        native: JsonValue = {"title": source.stem[:200] or "untitled", "scenes": [{"shots": shots}]}
        return validate_script(native, source)

    def dump(self, script: StoryScript) -> tuple[JsonValue, list[str]]:
        """Return an array of texts, or of tables where shots say more; everything but their prompts is lost."""
        shots = [shot for scene in script.scenes for shot in scene.shots]
        tables: list[dict[str, JsonValue]] = [
            shot.model_dump(mode="json", include=set(_KEYS), exclude_defaults=True) for shot in shots
        ]
        plain = all(table.keys() == {"prompt"} for table in tables)
        losses = [f"the title {script.title!r}, unless it is the file's name"]
        losses += ["the overview"] if script.overview else []
        losses += [f"{len(script.entities)} entities"] if script.entities else []
        losses += [f"the borders of {len(script.scenes)} scenes"] if len(script.scenes) > 1 else []
        data: list[JsonValue] = [table["prompt"] if plain else {**table} for table in tables]
        return data, [*losses, *lost_by_story(script), *lost_by_shots(script, {"cut", "seed", "frames", "entities"})]


def _is_prompt(item: JsonValue) -> bool:
    return isinstance(item, str) or (isinstance(item, dict) and "prompt" in item)


def _lines(root: Node) -> Iterator[Node]:
    """Yield the lines; numbers or bullets before every one of them are no part of the prompts."""
    lines = list(lines_of(root))
    numbered = all(_BULLET.match(line.text()) for line in lines)
    for line in lines:
        yield Node(line.source, _BULLET.sub("", line.text(), count=1), line.path) if numbered else line


def _shot(item: Node) -> JsonValue:
    if isinstance(item.value, str):
        return {"prompt": item.prompt()}
    fields = item.fields()
    for key, node in fields.items():
        if key not in _KEYS:
            node.fail(f"unknown key; a prompt may have {', '.join(sorted(_KEYS))}")
    shot: dict[str, JsonValue] = {
        **{key: node.value for key, node in fields.items()},
        "prompt": item.field("prompt").prompt(),
    }
    return {**shot, "cut": fields["cut"].truth()} if "cut" in fields else shot
