"""Where events go besides the caller: files, dashboards, message queues."""

from __future__ import annotations

from abc import abstractmethod

from storymem.interfaces.plugin import Plugin, SettingsT
from storymem.values.events import Event


class EventSink(Plugin[SettingsT]):
    """Receives every event of a run, in order, on the engine's thread. Must be quick."""

    @abstractmethod
    def handle(self, event: Event) -> None:
        """Take one event."""
