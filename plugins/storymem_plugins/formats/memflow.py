"""MemFlow: one group of prompts a line, played without cuts.

Each line becomes a scene that begins with a cut. A file of many groups holds many stories; the setting ``line``
picks one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, JsonValue

from storymem.interfaces import PluginSettings, ScriptFormat
from storymem.script.loader import validate_script
from storymem.values.script import StoryScript
from storymem_plugins.formats.losses import lost_by_shots, lost_by_story
from storymem_plugins.formats.reading import Node

METADATA = "memflow"


class MemFlowSettings(PluginSettings):
    """How groups are read.

    Attributes:
        line: Only this line, counted from 1; 0 for all lines, one scene each.
    """

    line: Annotated[int, Field(ge=0)] = 0


class MemFlow(ScriptFormat[MemFlowSettings]):
    """MemFlow prompt groups (JSON lines); one scene a line, without cuts inside."""

    def detect(self, data: JsonValue) -> bool:
        """Whether it is a list of tables, or one table, with ``prompts``."""
        groups = data if isinstance(data, list) else [data]
        return bool(groups) and all(isinstance(group, dict) and "prompts" in group for group in groups)

    def parse(self, data: JsonValue, source: Path) -> StoryScript:
        """Return the script; the file's name becomes the title."""
        root = Node(source, data if isinstance(data, list) else [data])
        groups = root.filled()
        if self.settings.line:
            if self.settings.line > len(groups):
                root.fail(f"line {self.settings.line}: there are only {len(groups)}")
            groups = [groups[self.settings.line - 1]]
        native: JsonValue = {
            "title": source.stem[:200] or "untitled",
            "scenes": [{"shots": _shots(group.field("prompts"))} for group in groups],
        }
        return validate_script(native, source)

    def dump(self, script: StoryScript) -> tuple[JsonValue, list[str]]:
        """Return one group a scene; everything but prompts is lost, also cuts inside a scene."""
        data: JsonValue = [{"prompts": [shot.prompt for shot in scene.shots]} for scene in script.scenes]
        losses = [f"the title {script.title!r}, unless it is the file's name"]
        losses += ["the overview"] if script.overview else []
        losses += [f"{len(script.entities)} entities"] if script.entities else []
        inside = [
            script.shot_id(i, j)
            for i, scene in enumerate(script.scenes)
            for j, shot in enumerate(scene.shots)
            if shot.cut is (j > 0)
        ]
        losses += [f"cuts as they are at {', '.join(inside[:5])}"] if inside else []
        return data, [*losses, *lost_by_story(script), *lost_by_shots(script, {"cut", "entities"})]


def _shots(prompts: Node) -> list[JsonValue]:
    return [{"prompt": prompt.prompt(), "cut": index == 0} for index, prompt in enumerate(prompts.filled())]
