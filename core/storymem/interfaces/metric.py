"""Numbers about a finished film."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from storymem.interfaces.plugin import Plugin, SettingsT
from storymem.values.clip import Clip
from storymem.values.keyframe import Keyframe
from storymem.values.storyboard import BoardShot, Storyboard


@dataclass(frozen=True, slots=True)
class FinishedShot:
    """One shot of a finished run: its place in the story, its clip without dropped frames, what it recalled."""

    shot: BoardShot
    clip: Clip
    recalled: tuple[Keyframe, ...]


class FilmView(Protocol):
    """A finished film, read one shot at a time."""

    board: Storyboard

    def shots(self) -> Iterator[FinishedShot]:
        """Yield the shots in story order; each clip is decoded when its turn comes."""


class Metric(Plugin[SettingsT]):
    """Measures a finished film."""

    @abstractmethod
    def measure(self, film: FilmView) -> Mapping[str, float]:
        """Return numbers by name, each documented with unit and direction by the metric."""
