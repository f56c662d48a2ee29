"""Records events, to look at them afterwards."""

from __future__ import annotations

from typing import TypeVar

from storymem.interfaces import EventSink, NoSettings
from storymem.values.events import Event, ShotEvent

EventT = TypeVar("EventT", bound=Event)


class EventRecorder(EventSink):
    """An event sink, and a callback, that keeps everything.

    Attributes:
        events: In order of arrival.
    """

    def __init__(self, settings: NoSettings | None = None) -> None:
        super().__init__(settings)
        self.events: list[Event] = []

    def handle(self, event: Event) -> None:
        """Keep one event."""
        self.events.append(event)

    def __call__(self, event: Event) -> None:
        self.handle(event)

    def of(self, kind: type[EventT]) -> list[EventT]:
        """Return the events of one type."""
        return [event for event in self.events if isinstance(event, kind)]

    def shots(self, kind: type[ShotEvent]) -> list[str]:
        """Return the shot ids of the events of one type, in order."""
        return [event.shot for event in self.of(kind)]
