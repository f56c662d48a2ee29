"""Events as JSON lines in a file, for dashboards and logs. Knows no kind of event."""

from __future__ import annotations

import json
import time
from io import FileIO
from pathlib import Path

from storymem.errors import SettingsError
from storymem.interfaces import EventSink, PluginSettings
from storymem.values.events import Event


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
            # No buffer: a line is there at once and never in pieces, and closing cannot fail.
            self._file = FileIO(settings.path, "a")
        except OSError as error:
            raise self._failed(error) from error

    def handle(self, event: Event) -> None:
        """Write one line, at once.

        Raises:
            SettingsError: The file cannot be written, for example because the disk is full.
        """
        line = json.dumps({"time": time.time(), **event.to_json()}, ensure_ascii=False) + "\n"
        try:
            # Names of files need not be text; what is not becomes an escape that JSON has as well.
            self._file.write(line.encode("utf-8", "backslashreplace"))
        except OSError as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _failed(self, error: OSError) -> SettingsError:
        return SettingsError(f"sink jsonl: {self.settings.path}: cannot be written: {error.strerror}")
