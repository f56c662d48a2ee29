"""Small charts as inline SVG: lines and points, with axes a reader can read. Knows no film."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import isfinite

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 560, 220, 56, 12, 12, 34
#: Told apart by most colour-blind readers (Okabe and Ito).
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")

Points = Sequence[tuple[float, float]]


def line_chart(lines: Mapping[str, Points], names: Sequence[str], what: str) -> str:
    """Return lines over named places.

    Args:
        lines: For each label its points: index of the place, value.
        names: The places, in order.
        what: Of the values, for the axis.
    """
    step = max(1, len(names) // 12)
    marks = [(float(i), name) for i, name in enumerate(names) if i % step == 0]
    return _chart(lines, (0.0, max(1.0, len(names) - 1.0)), marks, what, joined=True)


def scatter(points: Mapping[str, tuple[float, float]], x_name: str, y_name: str) -> str:
    """Return one labelled point each, such as cost against consistency."""
    across = [x for x, _ in points.values()]
    low, high = _range(across)
    marks = [(low, f"{low:.3g}"), ((low + high) / 2, x_name), (high, f"{high:.3g}")]
    return _chart({label: [point] for label, point in points.items()}, (low, high), marks, y_name, joined=False)


def _chart(
    lines: Mapping[str, Points],
    across: tuple[float, float],
    marks: Sequence[tuple[float, str]],
    what: str,
    joined: bool,
) -> str:
    values = [y for points in lines.values() for _, y in points if isfinite(y)]
    low, high = _range(values)

    def x_of(x: float) -> float:
        return LEFT + (x - across[0]) / (across[1] - across[0]) * (WIDTH - LEFT - RIGHT)

    def y_of(y: float) -> float:
        return TOP + (high - y) / (high - low) * (HEIGHT - TOP - BOTTOM)

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(what, quote=True)}">']
    for value in (low, (low + high) / 2, high):
        y = y_of(value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.3g}</text>')
    for place, name in marks:
        parts.append(f'<text x="{x_of(place):.1f}" y="{HEIGHT - 10}" text-anchor="middle">{escape(name)}</text>')
    for i, (label, points) in enumerate(lines.items()):
        drawn = [(x_of(x), y_of(y)) for x, y in points if isfinite(y)]
        parts += _series(label, drawn, COLOURS[i % len(COLOURS)], joined)
    return "".join([*parts, "</svg>"])


def _series(label: str, drawn: Points, colour: str, joined: bool) -> list[str]:
    parts = []
    if joined and len(drawn) > 1:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in drawn)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
    for x, y in drawn:
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"><title>{escape(label)}</title></circle>')
    if not joined and drawn:
        x, y = drawn[0]
        anchor = "end" if x > WIDTH / 2 else "start"
        shift = -7 if anchor == "end" else 7
        parts.append(f'<text x="{x + shift:.1f}" y="{y + 4:.1f}" text-anchor="{anchor}">{escape(label)}</text>')
    return parts


def _range(values: Sequence[float]) -> tuple[float, float]:
    """Return a range that holds all values and is never empty."""
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    margin = (high - low) * 0.05 or abs(high) * 0.05 or 0.5
    return low - margin, high + margin
