"""A run as one HTML page that needs nothing else: no script, no request, every picture inside."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import groupby

from storymem.report.markup import POLICY, Pictures, anchor, facts, table, text
from storymem.report.reading import CastRow, RunReport, ShotReport
from storymem.report.shots import shot_part, way_in
from storymem.report.style import STYLE


def report_page(report: RunReport) -> str:
    """Return the page: facts, storyboard, cast, every shot, timings, settings."""
    pictures = Pictures(report.album)
    entities = {row.entity.id: row.entity for row in report.cast}
    body = [
        _head(report),
        "<h2 id=board>Storyboard</h2>",
        *_board(report, pictures),
        *_cast(report, pictures),
        "<h2 id=shots>Shots</h2>",
        *(shot_part(shot, entities, pictures) for shot in report.shots),
        *_timings(report),
        _settings(report),
    ]
    title = text(report.script.title)
    head = (
        f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f'<meta name="viewport" content="width=device-width"><title>{title}</title>'
        f"<style>{STYLE.replace('RATIO', _ratio(report))}{pictures.style()}</style>"
    )
    return f'<!doctype html><html lang="en"><head>{head}</head><body><main>{"".join(body)}</main></body></html>\n'


def _ratio(report: RunReport) -> str:
    sizes = (f"{take.width}/{take.height}" for shot in report.shots for take in shot.takes)
    return next(sizes, "16/9")


def _head(report: RunReport) -> str:
    script, shots = report.script, report.shots
    done = [shot for shot in shots if shot.status.take]
    takes = [take for shot in shots for take in shot.takes]
    first = takes[0] if takes else None
    film = sum(_film_seconds(shot) for shot in done)
    pairs = [
        ("shots", f"{len(done)} of {len(shots)} finished"),
        ("length of the shots", f"{film:.1f} s" if done else ""),
        ("size", f"{first.width}x{first.height}, {first.fps} frames a second" if first else ""),
        ("time of the backbone", f"{sum(t.seconds for t in takes):.1f} s for {len(takes)} takes" if takes else ""),
        ("style", script.style),
        ("made", max((take.created for take in takes), default="")),
    ]
    notes = "".join(f'<p class="note">{text(note)}</p>' for note in report.notes)
    links = "".join(
        f'<a href="#{name.lower()}">{name}</a>' for name in ("Board", "Cast", "Shots", "Timings", "Settings")
    )
    return f"<h1>{text(script.title)}</h1><p>{text(script.overview)}</p>{notes}{facts(pairs)}<nav>{links}</nav>"


def _film_seconds(shot: ShotReport) -> float:
    take = shot.status.take
    return (take.frames - shot.first) / take.fps if take else 0.0


def _board(report: RunReport, pictures: Pictures) -> Iterator[str]:
    for scene, shots in groupby(report.shots, lambda shot: shot.shot.scene):
        title = report.script.scenes[scene].title
        yield f"<h3>Scene {scene + 1}{f': {text(title)}' if title else ''}</h3>"
        yield f'<div class="board">{"".join(_card(shot, pictures) for shot in shots)}</div>'


def _card(shot: ShotReport, pictures: Pictures) -> str:
    id_, state = shot.shot.id, shot.status.state
    length = f"{_film_seconds(shot):.1f} s" if shot.status.take else text(state)
    recalled = f", {len(shot.recalled)} recalled" if shot.recalled else ""
    return (
        f'<a class="card {text(state)}" href="#{anchor(id_)}">{pictures.show(shot.poster, f"shot {id_}")}'
        f"<b>{text(id_)}</b> <span>{length}, {text(way_in(shot))}{recalled}</span>"
        f"<p>{text(shot.shot.shot.prompt)}</p></a>"
    )


def _cast(report: RunReport, pictures: Pictures) -> Iterator[str]:
    yield "<h2 id=cast>Cast</h2>"
    if not report.cast:
        yield "<p>The script names no entities.</p>"
    for row in report.cast:
        yield _cast_row(row, pictures)


def _cast_row(row: CastRow, pictures: Pictures) -> str:
    entity = row.entity
    references = f"<h4>Reference images</h4>{pictures.row(row.references, entity.label)}" if row.references else ""
    figures = "".join(
        f'<figure><a href="#{anchor(s.shot.id)}">{pictures.show(s.poster, f"{entity.label} in shot {s.shot.id}")}</a>'
        f"<figcaption>{text(s.shot.id)}</figcaption></figure>"
        for s in row.shots
    )
    shown = f'<div class="row">{figures}</div>' if figures else "<p>Shown in no shot.</p>"
    return (
        f'<section class="cast"><h3>{text(entity.label)} <span>{text(entity.kind)}</span></h3>'
        f"<p>{text(entity.look)}</p>{references}{shown}</section>"
    )


def _timings(report: RunReport) -> Iterator[str]:
    yield "<h2 id=timings>Timings</h2>"
    rows = [(shot, shot.status.take) for shot in report.shots]
    longest = max((take.seconds for _, take in rows if take), default=0.0)
    yield '<div class="bars">'
    for shot, take in rows:
        width = 100 * take.seconds / longest if take and longest else 0.0
        value = f"{take.seconds:.1f} s" if take else text(shot.status.state)
        yield (
            f'<a href="#{anchor(shot.shot.id)}">{text(shot.shot.id)}</a>'
            f'<span><i style="width:{width:.1f}%"></i></span><span>{value}</span>'
        )
    yield "</div>"


def _settings(report: RunReport) -> str:
    rows = [(key, json.dumps(value, ensure_ascii=False)) for key, value in sorted(report.settings.items())]
    given = table(("setting", "value"), rows) if rows else "<p>Nothing but defaults.</p>"
    return f"<h2 id=settings>Settings as given</h2>{given}"
