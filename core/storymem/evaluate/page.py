"""The comparison as one HTML page that needs nothing else: table, charts, pictures, sources."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from html import escape

from storymem.evaluate.charts import COLOURS, line_chart, scatter
from storymem.evaluate.comparison import Cell, Comparison, Row
from storymem.evaluate.pictures import PictureRow
from storymem.evaluate.results import ColumnResult, ModelResult
from storymem.evaluate.statistics import DRAWS
from storymem.interfaces import Scope

#: Rows of pictures by story, then by entity, then by method.
PictureRows = Mapping[str, Mapping[str, Mapping[str, PictureRow]]]

_STYLE = """
:root { color-scheme: light dark; --line: #8884; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; } .wide { overflow-x: auto; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
td small { opacity: .7; display: block; } .better { color: #08803f; } .worse { color: #c0341d; }
svg { width: 100%; max-width: 40rem; } svg text { font-size: 11px; fill: currentColor; }
.grid { stroke: currentColor; opacity: .15; } .key span { margin-right: 1rem; } .key b { font-size: 1.2em; }
.row { display: flex; gap: 4px; overflow-x: auto; align-items: end; } figure { margin: 0; }
figcaption { font-size: 11px; opacity: .7; } .row strong { min-width: 8rem; align-self: center; }
"""


def comparison_page(comparison: Comparison, pictures: PictureRows) -> str:
    """Return the page."""
    title = " against ".join(method.label for method in comparison.methods)
    body = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{_scope_of(comparison)}</p>",
        *(f"<p>{escape(note)}</p>" for note in comparison.notes),
        _key(comparison),
        _table(comparison),
        *_charts(comparison),
        *_pictures(comparison, pictures),
        *_sources(comparison),
    ]
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    style = f"<style>{_STYLE}</style>"
    return f'<!doctype html><html lang="en"><head>{head}{style}</head><body>{"".join(body)}</body></html>\n'


def _scope_of(comparison: Comparison) -> str:
    stories = comparison.stories
    shots = sum(len(comparison.methods[0].films[title].shots) for title in stories)
    drawn = comparison.rows[0].units if comparison.rows else "shots"
    named = f": {escape(', '.join(stories))}" if len(stories) <= 6 else ""
    return (
        f"{len(stories)} {'story' if len(stories) == 1 else 'stories'}{named}; {shots} shots each. Values are means "
        f"with 95 % bootstrap intervals, paired, over {drawn} ({DRAWS} draws). A difference is from "
        f"{escape(comparison.methods[0].label)}, on what both have; one whose interval holds 0 is called noise."
    )


def _key(comparison: Comparison) -> str:
    marks = (
        f'<span><b style="color:{COLOURS[i % len(COLOURS)]}">●</b> {escape(method.label)}</span>'
        for i, method in enumerate(comparison.methods)
    )
    return f'<p class="key">{"".join(marks)}</p>'


def _table(comparison: Comparison) -> str:
    head = "".join(f"<th>{escape(method.label)}</th>" for method in comparison.methods)
    rows = "".join(_row(row) for row in comparison.rows)
    cost = [method.seconds for method in comparison.methods]
    if any(seconds is not None for seconds in cost):
        cells = "".join(f"<td>{'' if s is None else f'{s:.2f}'}</td>" for s in cost)
        rows += f"<tr><th>seconds a shot<small> as the runs recorded them</small></th>{cells}</tr>"
    return f'<div class="wide"><table><thead><tr><th></th>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _row(row: Row) -> str:
    arrow = {"higher": " ↑", "lower": " ↓"}.get(row.column.better, "")
    cells = "".join(_cell(cell, row.column.better) for cell in row.cells)
    return f"<tr><th>{escape(row.column.label)}{arrow}</th>{cells}</tr>"


def _cell(cell: Cell, better: str) -> str:
    if cell.value is None or cell.own is None:
        return "<td>-</td>"
    spread = f"<small>{cell.own.low:.4f} to {cell.own.high:.4f}</small>" if cell.own.units > 1 else ""
    verdict = cell.verdict(better)
    change = ""
    if cell.change is not None:
        c = cell.change
        change = f'<span class="{verdict}">{c.mean:+.4f}, {verdict}</span><small>{c.low:+.4f} to {c.high:+.4f}</small>'
    return f"<td>{cell.value:.4f}{spread}{change}</td>"


def _charts(comparison: Comparison) -> Iterator[str]:
    story = comparison.stories[0]
    shots = comparison.methods[0].films[story].shots
    place = {shot: i for i, shot in enumerate(shots)}
    for row in comparison.rows:
        columns = _columns(comparison, row.column.label, story)
        by_shot = {
            label: [(float(place[v.subject[0]]), v.value) for v in column.of(Scope.SHOT) if v.subject[0] in place]
            for label, column in columns.items()
        }
        if any(len(points) > 1 for points in by_shot.values()):
            yield f"<h3>{escape(row.column.label)} by shot, {escape(story)}</h3>"
            yield line_chart(by_shot, shots, row.column.label)
        yield from _gap_chart(row, columns, story)
    yield from _cost_charts(comparison)


def _gap_chart(row: Row, columns: Mapping[str, ColumnResult], story: str) -> Iterator[str]:
    labels = list(dict.fromkeys(v.subject[0] for column in columns.values() for v in column.of(Scope.GAP)))
    labels.sort(key=lambda label: int(label.split("-")[0].rstrip("+")))
    if len(labels) > 1:
        lines = {
            method: [(float(labels.index(v.subject[0])), v.value) for v in column.of(Scope.GAP)]
            for method, column in columns.items()
        }
        yield f"<h3>{escape(row.column.label)} by shots between appearances, {escape(story)}</h3>"
        yield line_chart(lines, labels, row.column.label)


def _cost_charts(comparison: Comparison) -> Iterator[str]:
    if all(method.seconds is None for method in comparison.methods):
        return
    for row in comparison.rows:
        if "consistency" in row.column.name or row.column.name.startswith(("cs_", "cids_", "identity")):
            points = {
                method.label: (method.seconds, cell.value)
                for method, cell in zip(comparison.methods, row.cells, strict=True)
                if method.seconds is not None and cell.value is not None
            }
            if len(points) > 1:
                yield f"<h3>{escape(row.column.label)} against cost</h3>"
                yield scatter(points, "seconds a shot", row.column.label)


def _columns(comparison: Comparison, label: str, story: str) -> dict[str, ColumnResult]:
    found = {}
    for method in comparison.methods:
        for column in method.films[story].columns:
            if column.label == label:
                found[method.label] = column
    return found


def _pictures(comparison: Comparison, pictures: PictureRows) -> Iterator[str]:
    for story, entities in pictures.items():
        yield f"<h2>Who looks the same where: {escape(story)}</h2>"
        for methods in entities.values():
            yield f"<h3>{escape(next(iter(methods.values())).name)}</h3>"
            for method in comparison.methods:
                if method.label in methods:
                    yield _picture_row(method.label, methods[method.label])


def _picture_row(label: str, row: PictureRow) -> str:
    figures = "".join(
        f'<figure><img src="{uri}" alt="{escape(row.name, quote=True)} in shot {escape(shot)}">'
        f"<figcaption>{escape(shot)}</figcaption></figure>"
        for shot, uri in row.pictures.items()
    )
    return f'<div class="row"><strong>{escape(label)}</strong>{figures}</div>'


def _sources(comparison: Comparison) -> Iterator[str]:
    yield "<h2>What the numbers are</h2><ul>"
    for row in comparison.rows:
        c = row.column
        ours = f"reimplementation of {c.source}" if c.reimplementation else c.source
        text = "; ".join(filter(None, [ours, c.frames, c.note, f"empty: {c.empty}" if c.empty else ""]))
        yield f"<li><b>{escape(c.label)}</b>: {escape(text)}</li>"
    yield "</ul><ul>"
    yield from _once(
        f"<li>{escape(model.role)}: {escape(model.plugin)} {escape(_hashes(model))}</li>"
        for method in comparison.methods
        for film in method.films.values()
        for model in film.models
        if not model.missing
    )
    yield from _once(
        f"<li>{escape(film.path)}: {escape(problem)}</li>"
        for method in comparison.methods
        for film in method.films.values()
        for problem in (*film.problems, *(p for column in film.columns for p in column.problems))
    )
    yield "</ul>"


def _hashes(model: ModelResult) -> str:
    return ", ".join(f"{name} {digest}" for name, digest in model.weights.items())


def _once(lines: Iterable[str]) -> Iterator[str]:
    yield from dict.fromkeys(lines)
