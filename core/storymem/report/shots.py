"""The report's part about one shot: what it was shown, what it gives to memory, what was refused, its takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from storymem.report.markup import Pictures, anchor, facts, table, text
from storymem.report.reading import ShotReport
from storymem.store.records import Take
from storymem.values.script import Entity, Shot


def shot_part(shot: ShotReport, entities: Mapping[str, Entity], pictures: Pictures) -> str:
    """Return the section of one shot."""
    id_ = shot.shot.id
    body = [
        f'<section class="shot" id="{anchor(id_)}"><h3>{text(id_)} <span>{text(way_in(shot))}</span></h3>',
        f'<div class="sides"><div class="poster">{pictures.show(shot.poster, f"shot {id_}")}</div><div>',
        f"<p>{text(shot.shot.shot.prompt)}</p>",
        _spoken(shot.shot.shot, entities),
        _facts(shot, entities),
        "</div></div>",
        *_pictures(shot, pictures),
        *_refused(shot),
        *_takes(shot),
        "</section>",
    ]
    return "".join(body)


def way_in(shot: ShotReport) -> str:
    """Return how the shot follows the one before it, in a word or two."""
    chosen = shot.shot.shot.transition
    if chosen is not None:
        return chosen.name
    return "cut" if shot.shot.cut else "continues"


def _facts(shot: ShotReport, entities: Mapping[str, Entity]) -> str:
    take = shot.status.take
    names = ", ".join(entities[entity].label for entity in shot.shot.entities)
    if take is None:
        return facts([("state", shot.status.state), ("why", shot.status.error), ("shows", names)])
    attempts = take.request.get("attempts", 1)
    accepted = "" if take.request.get("accepted", True) else "no: kept for want of a better one, remembers nothing"
    sent = str(take.request.get("prompt", ""))
    return facts(
        [
            ("shows", names),
            ("prompt as sent", sent if sent != shot.shot.shot.prompt else ""),
            ("added by the gate", take.request.get("advice", "")),
            ("mode", take.request.get("mode", "")),
            ("take", f"{take.number} of {len(shot.takes)}{', pinned' if take.pinned else ''}"),
            ("length", f"{(take.frames - shot.first) / take.fps:.2f} s, {take.frames - shot.first} frames"),
            ("made in", f"{take.seconds:.1f} s"),
            ("attempts", attempts if attempts != 1 else ""),
            ("passed the gate", accepted),
            ("seed", take.request.get("seed", "")),
            ("backbone", take.request.get("backbone", "")),
        ]
    )


def _spoken(shot: Shot, entities: Mapping[str, Entity]) -> str:
    lines = [f"<em>{text(shot.narration)}</em>"] if shot.narration.strip() else []
    for line in shot.dialogue:
        name = entities[line.speaker].label if line.speaker in entities else line.speaker
        lines.append(f"<b>{text(name)}</b> {text(line.text)}" if name else text(line.text))
    return f'<p class="lines">{"<br>".join(lines)}</p>' if lines else ""


def _pictures(shot: ShotReport, pictures: Pictures) -> Iterator[str]:
    if shot.handed is not None:
        plural = "frame" if shot.first == 1 else "frames"
        yield f"<h4>Handed over <small>{shot.first} {plural}, which the film leaves out</small></h4>"
        yield pictures.row([shot.handed], "handed over")
    if shot.recalled:
        yield f"<h4>Recalled <small>{len(shot.recalled)}, in the order in which the model was shown them</small></h4>"
        yield pictures.row(shot.recalled, "recalled")
    elif shot.status.take is not None:
        yield "<h4>Recalled <small>nothing</small></h4>"
    if shot.kept:
        yield f"<h4>Given to memory <small>{len(shot.kept)}</small></h4>"
        yield pictures.row(shot.kept, "given to memory")


def _refused(shot: ShotReport) -> Iterator[str]:
    if refused := shot.status.rejections:
        rows = [(r.frame, r.filter, f"{r.score:.4g}", f"{r.threshold:.4g}", r.reason) for r in refused]
        yield f"<details><summary>{len(refused)} refused frames</summary>"
        yield table(("frame", "filter", "score", "threshold", "why"), rows)
        yield "</details>"


def _takes(shot: ShotReport) -> Iterator[str]:
    if len(shot.takes) > 1 or (shot.takes and shot.status.take is None):
        rows = [_take_row(take, shot.status.take) for take in shot.takes]
        yield f"<details><summary>{len(shot.takes)} takes</summary>"
        yield table(("take", "", "seed", "mode", "made in", "when", "prompt"), rows)
        yield "</details>"


def _take_row(take: Take, current: Take | None) -> tuple[object, ...]:
    marks = [
        mark
        for mark, holds in (("in the film", current and take.number == current.number), ("pinned", take.pinned))
        if holds
    ]
    request = take.request
    return (
        take.number,
        ", ".join(marks),
        request.get("seed", ""),
        request.get("mode", ""),
        f"{take.seconds:.1f} s",
        take.created,
        request.get("prompt", ""),
    )
