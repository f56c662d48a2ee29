"""Runs suites over a film: every shot is decoded once, and what cannot be computed is said and left out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from storymem.errors import SettingsError, StoryMemError
from storymem.evaluate.results import ColumnResult, Evaluation, ModelResult
from storymem.interfaces import (
    Column,
    FeatureSource,
    Film,
    FilmView,
    FinishedShot,
    Measurement,
    Metric,
    MetricSuite,
    Scope,
)
from storymem.interfaces.metric import Reader
from storymem.values.clip import Frames
from storymem.values.storyboard import Storyboard

#: Told the id of each shot once it was read.
Progress = Callable[[str], None]


class ReadableFilm(FilmView, Protocol):
    """A film with what else an evaluation wants to know of it."""

    title: str
    path: str
    #: Whether it came with a script, whose prompts mean something.
    has_script: bool
    #: What is wrong with it, one line each; may grow while its shots are read.
    problems: list[str]

    def references(self) -> Mapping[str, Sequence[Frames]]:
        """Return reference images by entity id."""


@dataclass(frozen=True)
class _Asked:
    """A column, its suite's name and models."""

    suite: str
    column: Column
    features: FeatureSource

    @cached_property
    def unusable(self) -> str:
        """Why it cannot be computed at all; empty if it can."""
        return next((reason for role in self.column.needs if (reason := self.features.missing(role))), "")


@dataclass
class _Reading:
    """What was read of a film: readings by reader and shot, failures likewise, and frames by shot."""

    values: dict[Reader, dict[str, Any]] = field(default_factory=dict)
    failures: dict[Reader, dict[str, str]] = field(default_factory=dict)
    frames: dict[str, int] = field(default_factory=dict)


def evaluate(
    film: ReadableFilm,
    suites: Mapping[str, Metric[Any]],
    features: Mapping[str, FeatureSource],
    models: Callable[[], Iterable[ModelResult]] = tuple,
    progress: Progress = lambda shot: None,
) -> Evaluation:
    """Evaluate one film.

    A column whose models are missing, a shot that cannot be used and a value that is not finite cost only themselves;
    each is said in one line of the result.

    Args:
        film: The film.
        suites: Metrics by name; those that are no :class:`MetricSuite` give columns for the whole film alone.
        features: The models of each suite, by its name.
        models: Says which models were used; called last.
        progress: Told each shot.
    """
    asked = [_Asked(name, c, features[name]) for name, suite in suites.items() for c in _columns(suite)]
    usable = [one for one in asked if not one.unusable]
    reading = _read(film, {one.column.read: one.features for one in usable}, progress)
    sampled = _sampled(film, [one.column for one in usable], reading.frames)
    references = film.references() if usable else {}
    results = []
    for one in asked:
        result, column = _labelled(one.suite, one.column, one.features), one.column
        if one.unusable:
            results.append(replace(result, empty=one.unusable))
            continue
        read = reading.values.get(column.read, {})
        view = Film(film.board, read, references, one.features, sampled.get(id(column)), film.has_script)
        results.append(_measured(result, column, view, reading))
    results += [r for name, suite in suites.items() for r in _plain_metric(name, suite, film)]
    frames = dict(reading.frames)
    problems = tuple(film.problems)
    return Evaluation(film.title, film.path, tuple(frames), frames, tuple(results), tuple(models()), problems)


def evaluate_without_models(suite: MetricSuite[Any], film: FilmView) -> Mapping[str, float]:
    """Return a suite's values for the whole film that need no model, by column."""
    columns = [column for column in suite.columns() if not column.needs]
    reading = _read(film, {column.read: _NoModels() for column in columns}, lambda shot: None)
    found: dict[str, float] = {}
    for column in columns:
        view = Film(film.board, reading.values.get(column.read, {}), {}, _NoModels())
        result = _measured(_labelled("", column, _NoModels()), column, view, reading)
        if result.film is not None:
            found[column.name] = result.film
    return found


class _NoModels:
    """A feature source that has nothing."""

    def missing(self, role: str) -> str:
        return f"{role}: no model was given"

    def has(self, role: str) -> bool:
        return False

    def __getattr__(self, name: str) -> Any:
        def refuse(role: str, *rest: object) -> Any:
            raise SettingsError(self.missing(role))

        return refuse


def _columns(suite: Metric[Any]) -> Sequence[Column]:
    return suite.columns() if isinstance(suite, MetricSuite) else ()


def _labelled(suite: str, column: Column, features: FeatureSource) -> ColumnResult:
    used = (*column.needs, *(role for role in column.uses if features.has(role)))
    lacking = [role for role in column.uses if not features.has(role)]
    note = "; ".join(filter(None, [column.note, *(f"without {role}" for role in lacking)]))
    return ColumnResult(
        suite, column.name, column.better, column.frames, column.source, column.reimplementation, used, note
    )


def _read(film: FilmView, readers: Mapping[Reader, FeatureSource], progress: Progress) -> _Reading:
    reading = _Reading()
    for shot in film.shots():
        reading.frames[shot.shot.id] = len(shot.clip)
        for reader, features in readers.items():
            _read_one(reading, reader, (shot, film.board, features))
        progress(shot.shot.id)
    return reading


def _read_one(reading: _Reading, reader: Reader, asked: tuple[FinishedShot, Storyboard, FeatureSource]) -> None:
    shot = asked[0]
    try:
        reading.values.setdefault(reader, {})[shot.shot.id] = reader(*asked)
    except StoryMemError as error:
        reading.failures.setdefault(reader, {})[shot.shot.id] = str(error)


def _sampled(film: FilmView, columns: Sequence[Column], lengths: Mapping[str, int]) -> dict[int, Frames]:
    """Return the frames that columns over the whole film asked for, by the column's identity; decodes once more."""
    total = sum(lengths.values())
    wanted = {id(c): list(c.film_frames(total)) for c in columns if c.film_frames is not None and total}
    if not wanted:
        return {}
    indices = {index for chosen in wanted.values() for index in chosen}
    pictures = dict(_frames_at(film, indices))
    sizes = {picture.shape for picture in pictures.values()}
    if len(sizes) > 1:
        return {}
    return {key: np.stack([pictures[i] for i in chosen]) for key, chosen in wanted.items()}


def _frames_at(film: FilmView, indices: set[int]) -> Iterator[tuple[int, Frames]]:
    start = 0
    for shot in film.shots():
        for index in indices.intersection(range(start, start + len(shot.clip))):
            yield index, shot.clip.frames[index - start]
        start += len(shot.clip)
        if start > max(indices):
            return


def _measured(result: ColumnResult, column: Column, view: Film, reading: _Reading) -> ColumnResult:
    failures = reading.failures.get(column.read, {})
    problems = [f"shot {shot} left out: {reason}" for shot, reason in failures.items()]
    if not view.read:
        return replace(result, empty=f"no shot could be used: {next(iter(failures.values()), 'the film has none')}")
    if column.film_frames is not None and view.sampled is None:
        return replace(result, empty="the shots have different sizes, so that their frames make no one clip")
    try:
        values = list(column.measure(view))
    except StoryMemError as error:
        return replace(result, empty=str(error), problems=tuple(problems))
    bad = [value for value in values if not math.isfinite(value.value)]
    problems += [f"{v.scope} {' '.join(v.subject)} left out: its value is not finite".replace("  ", " ") for v in bad]
    good = tuple(value for value in values if math.isfinite(value.value))
    empty = "" if good else "the film has nothing it could be measured on"
    return replace(result, values=good, problems=tuple(problems), empty=empty)


def _plain_metric(name: str, metric: Metric[Any], film: FilmView) -> Iterator[ColumnResult]:
    """Yield the columns of a metric that is no suite."""
    if isinstance(metric, MetricSuite):
        return
    source = type(metric).__name__
    blank = ColumnResult(name, "", "neither", "as the metric chooses", source, False, (), "")
    try:
        numbers = dict(metric.measure(film))
    except StoryMemError as error:
        yield replace(blank, name="all", empty=str(error))
        return
    for key, value in numbers.items():
        values = (Measurement(Scope.FILM, (), float(value)),) if math.isfinite(value) else ()
        yield replace(blank, name=key, values=values, empty="" if values else "its value is not finite")
