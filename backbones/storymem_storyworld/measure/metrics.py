"""What became of a story in its film: identity drift, presence, place drift and prompt adherence.

What a film should show is given as the concepts of its prompts, in story order; a character is its kind, a place its
kind of place, as in every episode of the storyworld. Identity is measured against the *first appearance in the film*,
not against the world's truth: the text never told how a character looks, so any look is right as long as it stays. All
samples keep their recurrence gap: the number of shots since the entity was last due on screen (1 in the next shot).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields
from itertools import pairwise
from typing import TypeVar

from storymem_storyworld.language.understand import Concepts
from storymem_storyworld.readout.read import ClipReading, FigureReading

Seen = TypeVar("Seen")
GAPS = ((1, 1), (2, 3), (4, 7), (8, 15), (16, 40))  # buckets of recurrence gaps, as EntityBench counts them


@dataclass(frozen=True)
class Sample:
    """One measured value and the recurrence gap it belongs to (0 for first appearances)."""

    gap: int
    value: float


@dataclass(frozen=True)
class Measures:
    """Samples of one or many films.

    Attributes:
        identity_drift: Mean absolute RGB difference of coat and outfit from the first appearance, in [0, 1].
        accessories: 1 where hat, scarf and pattern are those of the first appearance, each a third.
        presence: 1 where a character that is due is seen, else 0.
        place_drift: Mean absolute difference of a place's palette numbers from its first appearance, in [0, 1].
        adherence: By concept (place, time, size, pan, motion, cast): 1 where the film shows what the prompt tells.
    """

    identity_drift: tuple[Sample, ...] = ()
    accessories: tuple[Sample, ...] = ()
    presence: tuple[Sample, ...] = ()
    place_drift: tuple[Sample, ...] = ()
    adherence: dict[str, tuple[Sample, ...]] = field(default_factory=dict)

    def summary(self) -> dict[str, float]:
        """Means by name, such as `identity_drift`, `identity_drift/gap_4_7`, `adherence/place`; empty ones left out.

        Means of drifts and accessories leave out first appearances, which define them.
        """
        named = {item.name: getattr(self, item.name) for item in fields(self) if item.name != "adherence"}
        found: dict[str, float] = {}
        for name, samples in named.items():
            found |= _mean(name, samples)
            for low, high in GAPS:
                found |= _mean(f"{name}/gap_{low}_{high}", [s for s in samples if low <= s.gap <= high])
        for concept, samples in self.adherence.items():
            found |= _mean(f"adherence/{concept}", samples)
        return found


def _mean(name: str, samples: Sequence[Sample]) -> dict[str, float]:
    return {name: sum(sample.value for sample in samples) / len(samples)} if samples else {}


def _colour_distance(first: FigureReading, later: FigureReading) -> float:
    pairs = zip((*first.coat, *first.outfit), (*later.coat, *later.outfit), strict=True)
    return sum(abs(a - b) for a, b in pairs) / 6


def _same_accessories(first: FigureReading, later: FigureReading) -> float:
    same = (first.hat == later.hat, first.scarf == later.scarf, first.pattern == later.pattern)
    return sum(same) / len(same)


def _palette_distance(first: ClipReading, later: ClipReading) -> float:
    return sum(abs(a - b) for a, b in zip(first.palette, later.palette, strict=True)) / 2


def _gaps(positions: Sequence[int]) -> list[int]:
    """Shots since the last appearance, for each appearance; 0 for the first."""
    return [0, *(later - earlier for earlier, later in pairwise(positions))]


def _against_first(
    appearances: Iterable[tuple[int, Seen | None]], compare: Callable[[Seen, Seen], float]
) -> list[Sample]:
    """Compare everything seen to the first time it was seen; `appearances` are (gap, what was seen or None)."""
    first: Seen | None = None
    samples: list[Sample] = []
    for gap, seen in appearances:
        if seen is None:
            continue
        if first is None:
            first = seen
        else:
            samples.append(Sample(gap, compare(first, seen)))
    return samples


def _told(shot: Concepts, reading: ClipReading) -> dict[str, list[bool]]:
    """For each concept that the prompt tells: whether the clip shows it."""
    plain = {
        "place": [shot.place == reading.place] if shot.place else [],
        "time": [shot.time == reading.time] if shot.time else [],
        "size": [shot.size == reading.size] if shot.size else [],
        "pan": [shot.pan == reading.pan],
        "cast": [{kind for kind, _ in shot.cast} == set(reading.figures)],
    }
    figures = [(reading.figures.get(kind), motion) for kind, motion in shot.cast if motion]
    return plain | {"motion": [figure is not None and figure.motion == motion for figure, motion in figures]}


def _adherence(shots: Sequence[Concepts], readings: Sequence[ClipReading]) -> dict[str, tuple[Sample, ...]]:
    found: dict[str, list[Sample]] = {}
    for shot, reading in zip(shots, readings, strict=True):
        for concept, answers in _told(shot, reading).items():
            found.setdefault(concept, []).extend(Sample(0, float(right)) for right in answers)
    return {concept: tuple(samples) for concept, samples in found.items()}


def _with_gaps(shows: Sequence[bool]) -> list[tuple[int, int]]:
    """(gap, position) of each shot for which `shows` is true."""
    positions = [position for position, shown in enumerate(shows) if shown]
    return list(zip(_gaps(positions), positions, strict=True)) if positions else []


def measure(shots: Sequence[Concepts], readings: Sequence[ClipReading]) -> Measures:
    """Measure one film.

    Args:
        shots: What each shot should show, in story order (`understand` reads it from the prompts).
        readings: What was read from each shot's clip.

    Raises:
        ValueError: If there is not one reading for each shot.
    """
    if len(readings) != len(shots):
        raise ValueError(f"{len(readings)} readings for {len(shots)} shots")
    drift, accessories, presence, places = list[Sample](), list[Sample](), list[Sample](), list[Sample]()
    for kind in dict.fromkeys(kind for shot in shots for kind, _ in shot.cast):
        due = _with_gaps([kind in dict(shot.cast) for shot in shots])
        seen = [(gap, readings[at].figures.get(kind)) for gap, at in due]
        drift += _against_first(seen, _colour_distance)
        accessories += _against_first(seen, _same_accessories)
        presence += [Sample(gap, float(figure is not None)) for gap, figure in seen]
    for place in dict.fromkeys(shot.place for shot in shots if shot.place):
        views = [(gap, readings[at]) for gap, at in _with_gaps([shot.place == place for shot in shots])]
        places += _against_first(views, _palette_distance)
    return Measures(tuple(drift), tuple(accessories), tuple(presence), tuple(places), _adherence(shots, readings))


def merged(films: Iterable[Measures]) -> Measures:
    """All samples of several films together."""
    all_films = list(films)

    def joined(name: str) -> tuple[Sample, ...]:
        return tuple(sample for film in all_films for sample in getattr(film, name))

    concepts = dict.fromkeys(concept for film in all_films for concept in film.adherence)
    told = {concept: tuple(s for film in all_films for s in film.adherence.get(concept, ())) for concept in concepts}
    return Measures(joined("identity_drift"), joined("accessories"), joined("presence"), joined("place_drift"), told)
