"""Script files in the forms that other projects use."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path

from pydantic import JsonValue

from storymem.errors import ScriptError
from storymem.interfaces.plugin import Plugin, SettingsT
from storymem.values.script import StoryScript


class ScriptFormat(Plugin[SettingsT]):
    """Turns parsed data (from JSON, JSON5, YAML, TOML or JSON lines) into a script."""

    @abstractmethod
    def detect(self, data: JsonValue) -> bool:
        """Whether ``data`` has this form; judged by its content, quickly, without raising."""

    @abstractmethod
    def parse(self, data: JsonValue, source: Path) -> StoryScript:
        """Return the script.

        Args:
            data: Parsed content for which ``detect`` was true.
            source: The file, for messages and for reference images beside it.

        Raises:
            ScriptError: Names the file, the key and the reason.
        """

    def dump(self, script: StoryScript) -> tuple[JsonValue, list[str]]:
        """Return the script in this form, and what the form cannot hold.

        Raises:
            ScriptError: This form is read-only.
        """
        raise ScriptError(f"format {type(self).__name__} can be read but not written")
