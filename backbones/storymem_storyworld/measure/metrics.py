"""What became of a story in its film: identity drift, presence, place drift and prompt adherence.

What a film should show is given as the concepts of its prompts, in story order; a character is its kind, a place its
kind of place, as in every episode of the storyworld. Identity is measured against the *first appearance in the film*,
not against the world's truth: what the text does not tell of a look may be anything as long as it stays. What it does
tell is counted apart (`Measures.told`). All
samples keep their recurrence gap: the number of shots since the entity was last due on screen (1 in the next shot).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields
from itertools import pairwise
from typing import TypeVar

from storymem_storyworld.language.looks import COLOUR_ATTRIBUTES, ToldLook
from storymem_storyworld.language.understand import Concepts
from storymem_storyworld.readout.read import ClipReading, FigureReading
from storymem_storyworld.world.colours import colour_name

Seen = TypeVar("Seen")
_GROUPED = ("adherence", "told")  # samples by name
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
        accessory_drift: Mean absolute RGB difference of hat and scarf, where worn, from the first appearance.
        adherence: By concept (place, time, size, pan, motion, cast): 1 where the film shows what the prompt tells; a
            character that is there twice is not the cast that was told.
        told: 1 where what is told of a look is seen, by group: `colour`, `accessory` (hat, scarf, pattern), each also
            with `/first` (first appearances), `/later` and `/against` (what the film showed of it last contradicts
            the words); `binding` (two characters in one shot, both with looks told), `prop_colour`.
    """

    identity_drift: tuple[Sample, ...] = ()
    accessories: tuple[Sample, ...] = ()
    presence: tuple[Sample, ...] = ()
    place_drift: tuple[Sample, ...] = ()
    accessory_drift: tuple[Sample, ...] = ()
    adherence: dict[str, tuple[Sample, ...]] = field(default_factory=dict)
    told: dict[str, tuple[Sample, ...]] = field(default_factory=dict)

    def summary(self) -> dict[str, float]:
        """Means by name, such as `identity_drift`, `identity_drift/gap_4_7`, `adherence/place`; empty ones left out.

        Means of drifts and accessories leave out first appearances, which define them.
        """
        named = {item.name: getattr(self, item.name) for item in fields(self) if item.name not in _GROUPED}
        found: dict[str, float] = {}
        for name, samples in named.items():
            found |= _mean(name, samples)
            for low, high in GAPS:
                found |= _mean(f"{name}/gap_{low}_{high}", [s for s in samples if low <= s.gap <= high])
        for group in _GROUPED:
            for name, samples in getattr(self, group).items():
                found |= _mean(f"{group}/{name}", samples)
        return found


def _mean(name: str, samples: Sequence[Sample]) -> dict[str, float]:
    return {name: sum(sample.value for sample in samples) / len(samples)} if samples else {}


def _colour_distance(first: FigureReading, later: FigureReading) -> float:
    pairs = zip((*first.coat, *first.outfit), (*later.coat, *later.outfit), strict=True)
    return sum(abs(a - b) for a, b in pairs) / 6


def _same_accessories(first: FigureReading, later: FigureReading) -> float:
    same = (first.hat == later.hat, first.scarf == later.scarf, first.pattern == later.pattern)
    return sum(same) / len(same)


def _accessory_drift(first: FigureReading, later: FigureReading) -> float | None:
    """None where neither hat nor scarf is worn both times."""
    pairs = [(first.hat_colour, later.hat_colour)] if "none" not in (first.hat, later.hat) else []
    pairs += [(first.scarf_colour, later.scarf_colour)] if first.scarf and later.scarf else []
    differences = [abs(a - b) for pair in pairs for a, b in zip(*pair, strict=True)]
    return sum(differences) / len(differences) if differences else None


def _palette_distance(first: ClipReading, later: ClipReading) -> float:
    return sum(abs(a - b) for a, b in zip(first.palette, later.palette, strict=True)) / 2


def _gaps(positions: Sequence[int]) -> list[int]:
    """Shots since the last appearance, for each appearance; 0 for the first."""
    return [0, *(later - earlier for earlier, later in pairwise(positions))]


def _against_first(
    appearances: Iterable[tuple[int, Seen | None]], compare: Callable[[Seen, Seen], float | None]
) -> list[Sample]:
    """Compare everything seen to the first time it was seen, where it can be; `appearances` are (gap, seen or None)."""
    first: Seen | None = None
    samples: list[Sample] = []
    for gap, seen in appearances:
        if seen is None:
            continue
        if first is None:
            first = seen
        elif (value := compare(first, seen)) is not None:
            samples.append(Sample(gap, value))
    return samples


def _anybody_twice(reading: ClipReading) -> bool:
    return any(figure.twice for figure in reading.figures.values())


def _shown(shot: Concepts, reading: ClipReading) -> dict[str, list[bool]]:
    """For each concept that the prompt tells: whether the clip shows it."""
    plain = {
        "place": [shot.place == reading.place] if shot.place else [],
        "time": [shot.time == reading.time] if shot.time else [],
        "size": [shot.size == reading.size] if shot.size else [],
        "pan": [shot.pan == reading.pan],
        "cast": [{kind for kind, _ in shot.cast} == set(reading.figures) and not _anybody_twice(reading)],
    }
    figures = [(reading.figures.get(kind), motion) for kind, motion in shot.cast if motion]
    return plain | {"motion": [figure is not None and figure.motion == motion for figure, motion in figures]}


def _adherence(shots: Sequence[Concepts], readings: Sequence[ClipReading]) -> dict[str, tuple[Sample, ...]]:
    found: dict[str, list[Sample]] = {}
    for shot, reading in zip(shots, readings, strict=True):
        for concept, answers in _shown(shot, reading).items():
            found.setdefault(concept, []).extend(Sample(0, float(right)) for right in answers)
    return {concept: tuple(samples) for concept, samples in found.items()}


def seen_look(figure: FigureReading) -> ToldLook:
    """What would be told of a character as it is seen."""
    hat, scarf = figure.hat != "none", figure.scarf
    return ToldLook(
        colour_name(figure.coat),
        colour_name(figure.outfit),
        figure.pattern,
        figure.hat,
        colour_name(figure.hat_colour) if hat else "",
        "worn" if scarf else "none",
        colour_name(figure.scarf_colour) if scarf else "",
    )


def _obeyed(shots: Sequence[Concepts], readings: Sequence[ClipReading]) -> dict[str, tuple[Sample, ...]]:
    """See `Measures.told`."""
    found: dict[str, list[Sample]] = {}
    last: dict[str, ToldLook] = {}

    def count(right: bool, *names: str) -> None:
        for name in names:
            found.setdefault(name, []).append(Sample(0, float(right)))

    for shot, reading in zip(shots, readings, strict=True):
        seen = {kind: seen_look(figure) for kind, figure in reading.figures.items()}
        both = len(shot.cast) > 1 and all(shot.look_of(kind).items() for kind, _ in shot.cast)
        for kind, _ in shot.cast:
            for name, value in shot.look_of(kind).items():
                group = "colour" if name in COLOUR_ATTRIBUTES else "accessory"
                right = kind in seen and getattr(seen[kind], name) == value
                names = (group, f"{group}/{_memory_says(last.get(kind), name, value)}", *(["binding"] if both else []))
                count(right, *names)
        for prop, colour in shot.prop_colours.items():
            count(prop in reading.props and colour_name(reading.props[prop]) == colour, "prop_colour")
        last |= seen
    return {name: tuple(samples) for name, samples in found.items()}


def _memory_says(last: ToldLook | None, name: str, value: str) -> str:
    if last is None:
        return "first"
    return "later" if getattr(last, name) == value else "against"


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
    drift, accessories, worn, presence, places = (list[Sample]() for _ in range(5))
    for kind in dict.fromkeys(kind for shot in shots for kind, _ in shot.cast):
        due = _with_gaps([kind in dict(shot.cast) for shot in shots])
        seen = [(gap, readings[at].figures.get(kind)) for gap, at in due]
        drift += _against_first(seen, _colour_distance)
        accessories += _against_first(seen, _same_accessories)
        worn += _against_first(seen, _accessory_drift)
        presence += [Sample(gap, float(figure is not None)) for gap, figure in seen]
    for place in dict.fromkeys(shot.place for shot in shots if shot.place):
        views = [(gap, readings[at]) for gap, at in _with_gaps([shot.place == place for shot in shots])]
        places += _against_first(views, _palette_distance)
    looks = tuple(drift), tuple(accessories), tuple(presence), tuple(places), tuple(worn)
    return Measures(*looks, _adherence(shots, readings), _obeyed(shots, readings))


def merged(films: Iterable[Measures]) -> Measures:
    """All samples of several films together."""
    all_films = list(films)

    def joined(name: str) -> tuple[Sample, ...]:
        return tuple(sample for film in all_films for sample in getattr(film, name))

    def grouped(group: str) -> dict[str, tuple[Sample, ...]]:
        names = dict.fromkeys(name for film in all_films for name in getattr(film, group))
        return {name: tuple(s for film in all_films for s in getattr(film, group).get(name, ())) for name in names}

    return Measures(
        joined("identity_drift"),
        joined("accessories"),
        joined("presence"),
        joined("place_drift"),
        joined("accessory_drift"),
        grouped("adherence"),
        grouped("told"),
    )
