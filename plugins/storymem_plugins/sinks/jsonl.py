"""Events as JSON lines in a file, for dashboards and logs."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TextIO

from storymem.errors import SettingsError
from storymem.events import Event
from storymem.interfaces import EventSink, PluginSettings


class JsonLinesSettings(PluginSettings):
    """Settings of :class:`JsonLines`.

    Attributes:
        path: The file; events of later runs are appended.
    """

    path: Path


class JsonLines(EventSink[JsonLinesSettings]):
    """Append every event to a file, one JSON object a line, with the time in seconds since 1970 under ``time``."""

    def __init__(self, settings: JsonLinesSettings) -> None:
        super().__init__(settings)
        try:
            self._file: TextIO = settings.path.open("a", encoding="utf-8")
        except OSError as error:
            raise SettingsError(f"sink jsonl: {settings.path}: cannot be written: {error.strerror}") from error

    def handle(self, event: Event) -> None:
        """Write one line, at once."""
        self._file.write(json.dumps({"time": time.time(), **event.to_json()}, ensure_ascii=False) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
