"""The project's own form: what :class:`storymem.values.script.StoryScript` validates. It holds everything."""

from __future__ import annotations

from pathlib import Path

from pydantic import JsonValue

from storymem.interfaces import ScriptFormat
from storymem.script.loader import validate_script
from storymem.script.writing import to_data
from storymem.values.script import StoryScript
from storymem_plugins.formats.reading import first_of


class Native(ScriptFormat):
    """StoryMem's own scripts, in JSON, JSON5, YAML or TOML; round trips are exact."""

    def detect(self, data: JsonValue) -> bool:
        """Whether it has scenes or a title, and neither ST-Bench's nor ViMax's shots."""
        if not isinstance(data, dict) or not ({"title", "scenes"} & data.keys()):
            return False
        scene = first_of(data, "scenes", 0)
        foreign = isinstance(scene, dict) and "video_prompts" in scene
        return not foreign and first_of(data, "scenes", 0, "shots", 0, "video_prompt") is None

    def parse(self, data: JsonValue, source: Path) -> StoryScript:
        """Validate strictly; unknown keys are errors."""
        return validate_script(data, source)

    def dump(self, script: StoryScript) -> tuple[JsonValue, list[str]]:
        """Return the script's data; nothing is lost."""
        return to_data(script), []
