"""A finished film as an editor cuts it: which frames of which file, how they join, and what they show.

Positions are counts of frames from 0. Knows nothing about file formats of editing programs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from math import ceil
from pathlib import Path

from pydantic import JsonValue


@dataclass(frozen=True, slots=True)
class SpokenLine:
    """A line that is heard over a shot: its text, and the name of who says it; ``narration`` if nobody in the story."""

    text: str
    speaker: str = ""
    narration: bool = False


@dataclass(frozen=True, slots=True)
class TimelineShot:
    """One shot of the film and the file it is cut from.

    Attributes:
        id: ``scene.shot`` id.
        scene: Index of its scene, 0 first.
        prompt: What it shows, as written in the script.
        entities: Names of the entities it shows.
        media: Its file.
        available: Number of frames in the file.
        first: The first frame of the file that belongs to the film; those before it are a handle.
        frames: How many frames belong to the film, those of dissolves at both ends included.
        overlap: How many frames at its start are blended with the shot before.
        transition: Name of the way into it.
        lines: Narration, then dialogue, in order.
        details: What else an editor may want to look up: take, seed, mode, what it recalled.
    """

    id: str
    scene: int
    prompt: str
    entities: tuple[str, ...]
    media: Path
    available: int
    first: int
    frames: int
    overlap: int = 0
    transition: str = "cut"
    lines: tuple[SpokenLine, ...] = ()
    details: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Edit:
    """One shot between its two cuts. A dissolve of n frames is cut in its middle and reaches over both sides.

    Attributes:
        shot: The shot.
        start: Frame of the film at which the cut into the shot lies.
        length: Frames from this cut to the next one.
        source: The frame of the file at the cut.
        lead: How many frames a dissolve into the shot begins before the cut.
        trail: How many frames it ends after the cut.
        available: Number of frames in the file.
    """

    shot: TimelineShot
    start: int
    length: int
    source: int
    lead: int
    trail: int
    available: int

    @property
    def begin(self) -> int:
        """Frame of the film at which the shot begins to be seen: where a dissolve into it begins."""
        return self.start - self.lead

    @property
    def end(self) -> int:
        """Frame of the film at which the next cut lies."""
        return self.start + self.length


@dataclass(frozen=True, slots=True)
class Timeline:
    """The film of a run.

    Attributes:
        title: Of the story.
        fps: Frames per second of the film and of every file.
        size: (width, height) in pixels.
        scenes: Titles of the scenes, in story order; empty where a scene has none.
        shots: The shots that are finished, in story order.
        entities: Looks of all entities, by name.
        notes: What an editor must know of this cut, a line each.
    """

    title: str
    fps: int
    size: tuple[int, int]
    scenes: tuple[str, ...]
    shots: tuple[TimelineShot, ...]
    entities: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def length(self) -> int:
        """Number of frames of the film."""
        return sum(shot.frames for shot in self.shots) - sum(shot.overlap for shot in self.shots[1:])

    def edits(self, rate: int | None = None) -> tuple[Edit, ...]:
        """Return the cuts, counted in frames of ``rate`` a second, the film's own if None.

        With a multiple of the film's rate every shot and dissolve begins and ends exactly where it does in the film;
        with another one each of these moves to the nearest frame, half a frame at most, and none drifts.
        """

        def moved(frame: int) -> int:
            return (2 * frame * (rate or self.fps) + self.fps) // (2 * self.fps)  # halves up

        spans = [(moved(begin), moved(begin + shot.frames)) for begin, shot in self._begins()]
        blends = [0, *(before[1] - after[0] for before, after in pairwise(spans)), 0]
        edits = []
        for index, (shot, (begin, end)) in enumerate(zip(self.shots, spans, strict=True)):
            # As programs do that know only centred dissolves: of an odd number, the larger half is behind the cut.
            lead, following = blends[index] // 2, blends[index + 1]
            start, length = begin + lead, end - (following - following // 2) - begin - lead
            # Rounded up, so that a shot whose ends were rounded apart still fits into its file.
            available = ceil(shot.available * (rate or self.fps) / self.fps)
            source = min(moved(shot.first), available - (end - begin)) + lead
            edits.append(Edit(shot, start, length, source, lead, blends[index] - lead, available))
        return tuple(edits)

    def scene_starts(self, rate: int | None = None) -> Iterator[Edit]:
        """Yield the first edit of each scene, counted as :meth:`edits` counts."""
        last: int | None = None
        for edit in self.edits(rate):
            if edit.shot.scene != last:
                yield edit
            last = edit.shot.scene

    def scene_name(self, scene: int) -> str:
        """Return ``Scene 2`` with the scene's title behind it, if it has one."""
        title = self.scenes[scene]
        return f"Scene {scene + 1}: {title}" if title else f"Scene {scene + 1}"

    def _begins(self) -> Iterator[tuple[int, TimelineShot]]:
        """Yield the frame of the film at which each shot begins to be seen, and the shot."""
        begin = 0
        for index, shot in enumerate(self.shots):
            begin -= shot.overlap if index else 0
            yield begin, shot
            begin += shot.frames
