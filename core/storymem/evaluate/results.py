"""What an evaluation came to, as records, JSON, CSV and a table. Knows no film and no model."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from storymem.interfaces import Measurement, Scope


@dataclass(frozen=True, slots=True)
class ColumnResult:
    """One column of one film.

    Attributes:
        suite: Name of its suite.
        name: Name of the column.
        better: ``higher``, ``lower`` or ``neither``.
        frames: Which frames it looked at.
        source: Whose formula it is.
        reimplementation: Whether the number is ours after another's description.
        models: Roles of the models it looked through.
        note: What a reader must know.
        values: Its values, those of the whole film first.
        empty: Why there are none; empty if there are.
        problems: One line for each shot it could not use.
    """

    suite: str
    name: str
    better: str
    frames: str
    source: str
    reimplementation: bool
    models: tuple[str, ...]
    note: str
    values: tuple[Measurement, ...] = ()
    empty: str = ""
    problems: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Suite and name, ``vbench.subject_consistency``."""
        return f"{self.suite}.{self.name}"

    def of(self, scope: Scope) -> list[Measurement]:
        """Return the values of one scope, in their order."""
        return [value for value in self.values if value.scope == scope]

    @property
    def film(self) -> float | None:
        """The value for the whole film, or None."""
        return next((value.value for value in self.values if value.scope == Scope.FILM), None)

    def to_json(self) -> dict[str, JsonValue]:
        """Return plain data."""
        return {
            "suite": self.suite,
            "column": self.name,
            "film": self.film,
            "better": self.better,
            "frames": self.frames,
            "source": self.source,
            "reimplementation": self.reimplementation,
            "models": list(self.models),
            "note": self.note,
            "empty": self.empty,
            "problems": list(self.problems),
            "values": [
                {"scope": str(v.scope), "subject": list(v.subject), "value": v.value, "samples": v.samples}
                for v in self.values
            ],
        }


@dataclass(frozen=True, slots=True)
class ModelResult:
    """A model of an evaluation: role, plugin, SHA-256 of its files by name, or why it is missing."""

    role: str
    plugin: str
    weights: Mapping[str, str] = field(default_factory=dict)
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One film, evaluated.

    Attributes:
        title: The story's title.
        path: Run folder, folder of clips or film.
        shots: Ids of the shots that were read.
        frames: Frames read, by shot.
        columns: The columns of all suites.
        models: The models.
        problems: What is wrong with the film itself, one line each.
    """

    title: str
    path: str
    shots: tuple[str, ...]
    frames: Mapping[str, int]
    columns: tuple[ColumnResult, ...]
    models: tuple[ModelResult, ...] = ()
    problems: tuple[str, ...] = ()

    def column(self, label: str) -> ColumnResult:
        """Return a column by its :attr:`ColumnResult.label`; raises KeyError if there is none."""
        for column in self.columns:
            if column.label == label:
                return column
        raise KeyError(label)

    def to_json(self) -> dict[str, JsonValue]:
        """Return plain data."""
        return {
            "title": self.title,
            "path": self.path,
            "shots": list(self.shots),
            "frames": dict(self.frames),
            "problems": list(self.problems),
            "models": [
                {"role": m.role, "plugin": m.plugin, "sha256": dict(m.weights), "missing": m.missing}
                for m in self.models
            ],
            "columns": [column.to_json() for column in self.columns],
        }


def csv_of(evaluations: Sequence[Evaluation]) -> str:
    """Return films as CSV, one line a value, the subject's ids with spaces between, the weights as name:SHA-256."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["film", "path", "suite", "column", "scope", "subject", "value", "samples", "reimplementation", "weights"]
    )
    for evaluation in evaluations:
        writer.writerows(_csv_rows(evaluation))
    return text.getvalue()


def _csv_rows(evaluation: Evaluation) -> Iterator[list[object]]:
    models = {model.role: model for model in evaluation.models}
    for column in evaluation.columns:
        weights = " ".join(_short_weights(models[role]) for role in column.models if role in models)
        ours = "yes" if column.reimplementation else "no"
        for v in column.values:
            place = [evaluation.title, evaluation.path, column.suite, column.name, str(v.scope), " ".join(v.subject)]
            yield [*place, repr(v.value), v.samples, ours, weights]


def _short_weights(model: ModelResult) -> str:
    return ";".join(f"{name}:{digest[:12]}" for name, digest in model.weights.items()) or f"{model.plugin}:none"


def table(evaluations: Sequence[Evaluation]) -> Iterator[str]:
    """Yield the lines of a table for people: one film a column, then models, notes, and everything that went wrong."""
    if not evaluations:
        return
    labels = list(dict.fromkeys(column.label for e in evaluations for column in e.columns))
    width = max([len(label) for label in labels] + [10])
    heads = [evaluation.title[:24] for evaluation in evaluations]
    yield f"{'':<{width}}  " + "  ".join(f"{head:>12}" for head in heads)
    for label in labels:
        cells = (_cell(e, label).rjust(max(12, len(h))) for e, h in zip(evaluations, heads, strict=True))
        yield f"{label:<{width}}  " + "  ".join(cells)
    yield from _footnotes(evaluations)


def _cell(evaluation: Evaluation, label: str) -> str:
    value = next((c.film for c in evaluation.columns if c.label == label), None)
    return "-" if value is None else f"{value:.4f}"


def _footnotes(evaluations: Sequence[Evaluation]) -> Iterator[str]:
    lines: dict[str, None] = {}  # in order, each once
    for evaluation in evaluations:
        for model in evaluation.models:
            if not model.missing:
                lines[f"model {model.role}: {model.plugin} {_short_weights(model)}"] = None
    for evaluation in evaluations:
        lines |= dict.fromkeys(f"{evaluation.path}: {problem}" for problem in evaluation.problems)
        for column in evaluation.columns:
            ours = f"reimplementation of {column.source}" if column.reimplementation else column.source
            lines[f"{column.label}: {ours}; {column.frames}{'; ' + column.note if column.note else ''}"] = None
            if column.empty:
                lines[f"{column.label}: empty: {column.empty}"] = None
            lines |= dict.fromkeys(f"{column.label}: {problem}" for problem in column.problems)
    if lines:
        yield ""
        yield from lines
