"""Compares methods, each with its films of the same stories: values, intervals, and differences from the first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from storymem.errors import SettingsError
from storymem.evaluate.results import ColumnResult, Evaluation
from storymem.evaluate.statistics import LEAST_STORIES, Interval, difference, interval, values_of
from storymem.interfaces import Measurement, Scope

#: Which values an interval is made of, the first a column has; the others depend on these.
_SCOPES = (Scope.SHOT, Scope.APPEARANCE, Scope.PAIR, Scope.CHAIN, Scope.ENTITY)


@dataclass(frozen=True, slots=True)
class Method:
    """What is compared: a memory policy, or whatever else made the films.

    Attributes:
        label: For people; unique.
        films: Evaluations by story title.
        seconds: What its shots cost on average; None where that is not known.
    """

    label: str
    films: Mapping[str, Evaluation]
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """One method in one column.

    Attributes:
        value: Mean over its films; None where it has none.
        own: The value's interval.
        change: Difference from the first method, on what both have; None for the first method itself.
    """

    value: float | None = None
    own: Interval | None = None
    change: Interval | None = None

    def verdict(self, better: str) -> str:
        """Return what the difference means, in words."""
        if self.change is None:
            return ""
        if self.change.units < 2:
            return "too few to tell"
        if self.change.is_noise:
            return "within noise"
        if better == "neither":
            return "higher" if self.change.mean > 0 else "lower"
        return "better" if (self.change.mean > 0) == (better == "higher") else "worse"


@dataclass(frozen=True, slots=True)
class Row:
    """One column of a suite, for all methods."""

    column: ColumnResult
    units: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Methods against the first of them.

    Attributes:
        methods: In the order given.
        stories: Titles of the stories that all of them have.
        rows: One a column.
        notes: What a reader must know.
    """

    methods: tuple[Method, ...]
    stories: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = field(default=())


def compare(methods: Sequence[Method]) -> Comparison:
    """Compare methods on the stories that all of them have.

    Raises:
        SettingsError: There are fewer than two, two have one label, or no story is common to all.
    """
    labels = [method.label for method in methods]
    if len(labels) < 2 or len(set(labels)) < len(labels):
        raise SettingsError(
            f"compare: give at least two methods with different names, not {', '.join(labels) or 'none'}"
        )
    stories = [title for title in methods[0].films if all(title in method.films for method in methods)]
    if not stories:
        raise SettingsError(f"compare: {', '.join(labels)} have no story in common; films are matched by title")
    notes = []
    if left := sorted({title for method in methods for title in method.films} - set(stories)):
        notes.append(f"Stories that some methods lack are left out: {', '.join(left)}.")
    labelled = dict.fromkeys(c.label for method in methods for film in method.films.values() for c in film.columns)
    rows = [_row(label, methods, stories) for label in labelled]
    return Comparison(tuple(methods), tuple(stories), tuple(rows), tuple(notes))


def _row(label: str, methods: Sequence[Method], stories: Sequence[str]) -> Row:
    by_story = len(stories) >= LEAST_STORIES
    found = [{title: _column(method.films[title], label) for title in stories} for method in methods]
    measured = [_measurements(columns, by_story) for columns in found]
    cells = [_cell(own, measured[0] if i else None) for i, own in enumerate(measured)]
    first = next(column for columns in found for column in columns.values() if column is not None)
    filled = next((c for columns in found for c in columns.values() if c is not None and c.values), first)
    return Row(filled, "stories" if by_story else "shots", tuple(cells))


def _column(film: Evaluation, label: str) -> ColumnResult | None:
    return next((column for column in film.columns if column.label == label), None)


def _measurements(columns: Mapping[str, ColumnResult | None], by_story: bool) -> list[Measurement]:
    """Return what a column's mean is made of, the subjects led by the story."""
    found: list[Measurement] = []
    for title, column in columns.items():
        if column is None:
            continue
        if by_story:
            if column.film is not None:
                found.append(Measurement(Scope.FILM, (title,), column.film))
            continue
        scope = next((scope for scope in (*_SCOPES, Scope.FILM) if column.of(scope)), Scope.FILM)
        found += [Measurement(v.scope, (title, *v.subject), v.value, v.samples) for v in column.of(scope)]
    return found


def _cell(own: Sequence[Measurement], first: Sequence[Measurement] | None) -> Cell:
    if not own:
        return Cell()
    changed = difference(first, own) if first is not None else []
    change = interval(values_of(changed, _units(changed))) if changed else None
    measured = interval(values_of(own, _units(own)))
    return Cell(measured.mean, measured, change)


def _units(measurements: Sequence[Measurement]) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Return what each subject depends on: its shots, or itself where it is about no shot."""
    return {m.subject: tuple(_units_of(m)) for m in measurements}


def _units_of(m: Measurement) -> Iterator[str]:
    title, *ids = m.subject
    match m.scope:
        case Scope.SHOT | Scope.PAIR:
            yield from (f"{title} {shot}" for shot in ids)
        case Scope.APPEARANCE:
            yield f"{title} {ids[1]}"
        case _:
            yield " ".join(m.subject)
