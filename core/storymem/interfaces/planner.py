"""From an idea or a written story to a script."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from storymem.interfaces.plugin import Plugin, SettingsT
from storymem.values.script import Entity, StoryScript


@dataclass(frozen=True, slots=True)
class Brief:
    """What the user asks of a planner.

    Attributes:
        text: An idea of one line, a finished story, or a long text.
        shots: Wanted number of shots, 1 or more.
        style: Look of the film, free text.
        language: Language of the prompts, as an English name.
        cast: Entities that must be used as they are, with their reference images.
        seed: For planners that sample.
    """

    text: str
    shots: int = 8
    style: str = ""
    language: str = "English"
    cast: tuple[Entity, ...] = ()
    seed: int = 0


class ScriptPlanner(Plugin[SettingsT]):
    """Writes a script for a brief."""

    @abstractmethod
    def plan(self, brief: Brief, progress: Callable[[str], None]) -> StoryScript:
        """Return a valid script.

        Args:
            brief: What is wanted.
            progress: Called with one line per stage; raises :class:`storymem.errors.Cancelled` to stop.
        """
