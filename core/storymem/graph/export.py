"""The shot graph as Mermaid, DOT, JSON and SVG text, each marked as drawn here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape

from storymem.graph.shotgraph import Edge, ShotGraph
from storymem.text import printable, xml_text

#: Stands in the first lines of every drawing, by which a later one knows that it may replace it.
MARK = "drawn by storymem graph"

_COLUMN, _ROW, _WIDTH, _HEIGHT, _MARGIN = 150, 62, 118, 40, 20


def to_json(graph: ShotGraph) -> str:
    """Return nodes, edges, what each shot sees, and the critical path, as JSON.

    ``sees`` holds the first and last shot of each run of shots in a row: policies that see all earlier shots would
    otherwise need n²/2 ids.
    """
    shots = [
        {
            "id": shot.id,
            "prompt": shot.prompt,
            "entities": list(shot.entities),
            "cut": shot.cut,
            "sees": [[graph.board.shots[p].id for p in ends] for ends in _runs(graph.visible[shot.position])],
        }
        for shot in graph.board
    ]
    edges = [{"from": a, "to": b, "kinds": kinds} for a, b, kinds in _edges(graph)]
    data = {"mark": MARK, "shots": shots, "edges": edges, "critical_path": graph.critical_path()}
    return json.dumps(data, indent=2) + "\n"


def to_mermaid(graph: ShotGraph) -> str:
    """Return a Mermaid flowchart; solid arrows continue or anchor, dotted arrows remember."""
    lines = ["flowchart LR", f"  %% {MARK}"]
    lines += [f'  {_name(shot.id)}["{shot.id}"]' for shot in graph.board]
    for parent, child, kinds in _edges(graph):
        arrow = "-->" if _is_solid(kinds) else "-.->"
        lines.append(f"  {_name(parent)} {arrow} {_name(child)}")
    return "\n".join(lines) + "\n"


def to_dot(graph: ShotGraph) -> str:
    """Return Graphviz DOT; solid edges continue or anchor, dashed edges remember."""
    lines = ["digraph story {", f"  // {MARK}", "  rankdir=LR; node [shape=box];"]
    lines += [f'  "{shot.id}" [tooltip={_dot_text(shot.prompt)}];' for shot in graph.board]
    for parent, child, kinds in _edges(graph):
        style = "solid" if _is_solid(kinds) else "dashed"
        lines.append(f'  "{parent}" -> "{child}" [style={style}, label="{"+".join(kinds)}"];')
    return "\n".join([*lines, "}"]) + "\n"


def to_svg(graph: ShotGraph) -> str:
    """Return a drawing: one column per step that must wait for the one before, arrows as in Mermaid."""
    places = _places(graph)
    width = (max(column for column, _ in places.values()) + 1) * _COLUMN + 2 * _MARGIN
    height = (max(row for _, row in places.values()) + 1) * _ROW + 2 * _MARGIN
    body = [_svg_edge(places[a], places[b], _is_solid(kinds)) for a, b, kinds in _edges(graph)]
    critical = set(graph.critical_path())
    for shot in graph.board:
        body.append(_svg_node(places[shot.id], shot.id, shot.prompt, shot.id in critical))
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">'
    )
    marker = (
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="#555"/></marker></defs>'
    )
    return (
        "\n".join(
            [head, f"<!-- {MARK} -->", marker, '<rect width="100%" height="100%" fill="white"/>', *body, "</svg>"]
        )
        + "\n"
    )


def _edges(graph: ShotGraph) -> list[tuple[str, str, list[str]]]:
    return [
        (parent, shot.id, sorted(graph.kinds(parent, shot.id)))
        for shot in graph.board
        for parent in graph.parents(shot.id)
    ]


def _is_solid(kinds: Sequence[str]) -> bool:
    return Edge.CONTINUES in kinds or Edge.ANCHORS in kinds


def _runs(positions: Sequence[int]) -> list[tuple[int, int]]:
    """Return the first and last of each run of consecutive positions, which ascend."""
    if isinstance(positions, range) and positions and positions.step == 1:
        return [(positions[0], positions[-1])]
    runs: list[tuple[int, int]] = []
    for position in positions:
        if runs and position == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], position)
        else:
            runs.append((position, position))
    return runs


def _dot_text(text: str) -> str:
    """Return a DOT string: only the quotation mark has to be escaped, and a backslash begins an escape."""
    plain = " ".join(printable(text).split()).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{plain}"'


def _name(shot_id: str) -> str:
    return "s" + shot_id.replace(".", "_")


def _places(graph: ShotGraph) -> dict[str, tuple[int, int]]:
    columns: dict[str, int] = {}
    used: dict[int, int] = {}
    places: dict[str, tuple[int, int]] = {}
    for shot in (graph.board.shots[position] for position in graph.order):
        column = 1 + max((columns[p] for p in graph.parents(shot.id)), default=-1)
        columns[shot.id] = column
        places[shot.id] = (column, used.get(column, 0))
        used[column] = places[shot.id][1] + 1
    return places


def _svg_edge(start: tuple[int, int], end: tuple[int, int], continues: bool) -> str:
    x1, y1 = _MARGIN + start[0] * _COLUMN + _WIDTH, _MARGIN + start[1] * _ROW + _HEIGHT // 2
    x2, y2 = _MARGIN + end[0] * _COLUMN, _MARGIN + end[1] * _ROW + _HEIGHT // 2
    dash = "" if continues else ' stroke-dasharray="4 3"'
    bend = (x2 - x1) // 2
    return (
        f'<path d="M{x1} {y1} C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}" fill="none" '
        f'stroke="#555" marker-end="url(#tip)"{dash}/>'
    )


def _svg_node(place: tuple[int, int], shot_id: str, prompt: str, critical: bool) -> str:
    x, y = _MARGIN + place[0] * _COLUMN, _MARGIN + place[1] * _ROW
    colour = "#c2410c" if critical else "#334155"
    prompt = xml_text(prompt)
    text = prompt if len(prompt) <= 17 else prompt[:16] + "\u2026"
    return (
        f'<g><title>{escape(prompt)}</title><rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="6" '
        f'fill="#f8fafc" stroke="{colour}" stroke-width="1.5"/>'
        f'<text x="{x + 8}" y="{y + 16}" fill="{colour}" font-weight="bold">{shot_id}</text>'
        f'<text x="{x + 8}" y="{y + 32}" fill="#475569" font-size="11">{escape(text)}</text></g>'
    )
