"""The contract of event sinks."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

import storymem.values.events as all_events
from storymem.interfaces import EventSink
from storymem.testing.contract import PluginContract, not_given
from storymem.values.events import Event, ShotEvent

_VALUES = {"str": "1.1", "int": 1, "float": 0.5, "bool": False, "tuple[int, ...]": (0, 4), "tuple[str, ...]": ("1.1",)}


def one_of_each() -> list[Event]:
    """Return an event of every type there is."""
    kinds = [value for value in vars(all_events).values() if isinstance(value, type) and issubclass(value, Event)]
    return [_example(kind) for kind in kinds if kind not in (Event, ShotEvent)]


def _example(kind: type[Event]) -> Event:
    needed = [f for f in dataclasses.fields(kind) if f.default is f.default_factory is dataclasses.MISSING]
    return kind(**{field.name: _VALUES[str(field.type)] for field in needed})


class SinkContract(PluginContract):
    """Subclass it and override :meth:`sink`."""

    @pytest.fixture
    def sink(self) -> EventSink[Any]:
        """Return the sink under test."""
        not_given(self, "sink")

    def test_has_a_fingerprint(self, sink: EventSink[Any]) -> None:
        self.check_plugin(sink)
        sink.close()

    def test_takes_every_event_and_is_closed(self, sink: EventSink[Any]) -> None:
        for event in one_of_each():
            before = event.to_json()
            sink.handle(event)
            assert event.to_json() == before, "a sink must not change events"
        sink.close()
