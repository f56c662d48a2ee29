"""Tables and a plot of what schedule_coverage.py measured. Knows nothing of policies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

COMMAND = "python benchmarks/schedule_coverage.py ../shared/data/entitybench"
GAPS = ("1", "2-3", "4-7", "8-15", "16+")
WORKERS = ("1", "2", "4", "8")
_COLOURS = ("#94a3b8", "#64748b", "#0ea5e9", "#c2410c", "#15803d")
Row = Mapping[str, Any]
Result = Mapping[str, Any]


def markdown(result: Result) -> str:
    """Return the tables, one section a tier, and the noise table."""
    lines = ["# Schedule coverage", "", f"Command: `{COMMAND}`", ""]
    lines += ["Episodes: " + ", ".join(f"{count} {tier}" for tier, count in result["episodes"].items()) + ".", ""]
    for tier in result["episodes"]:
        rows = [row for row in result["rows"] if row["tier"] == tier]
        lines += [f"## {tier}", "", *_table(rows), ""]
    lines += ["## Keyframes that show only part of their shot's cast", "", *_noise(result["noise"]), ""]
    return "\n".join(lines)


def _table(rows: Sequence[Row]) -> list[str]:
    head = [
        "policy",
        "budget",
        "covered",
        *(f"gap {gap}" for gap in GAPS),
        "frames",
        "forward",
        "generations",
        "critical path",
    ]
    head += [f"x{workers}" for workers in WORKERS[1:]] + [f"x{workers} chain first" for workers in WORKERS[2:]]
    return [_line(head), _line(["---"] * len(head)), *(_line(_cells(row)) for row in rows)]


def _cells(row: Row) -> list[str]:
    gaps = [f"{row['by_gap'][gap]:.0%}" if gap in row["by_gap"] else "" for gap in GAPS]
    cells = [row["policy"], str(row["budget"]), f"{row['coverage']:.1%}", *gaps]
    cells += [
        f"{row['frames']:.2f}",
        f"{row['forward']:.2f}",
        f"{row['generations']:.2f}",
        f"{row['critical_path']:.2f}",
    ]
    cells += [f"{row['speedup'][workers]:.2f}" for workers in WORKERS[1:]]
    return cells + [f"{row['speedup_chain_first'][workers]:.2f}" for workers in WORKERS[2:]]


def _noise(rows: Sequence[Row]) -> list[str]:
    misses = list(rows[0]["coverage_by_miss"])
    head = ["policy", "budget", "frames", *(f"miss {float(miss):.0%}" for miss in misses)]
    body = [
        [r["policy"], str(r["budget"]), f"{r['frames']:.2f}", *(f"{r['coverage_by_miss'][m]:.1%}" for m in misses)]
        for r in rows
    ]
    return [_line(head), _line(["---"] * len(head)), *(_line(cells) for cells in body)]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def plot(result: Result) -> str:
    """Return an SVG of the hard tier: coverage by gap, and speed-up by workers."""
    shown = {
        "recent, budget 8": ("recent", 8),
        "sink_recent, budget 8": ("sink_recent", 8),
        "greedy_coverage, budget 4": ("greedy_coverage", 4),
        "scheduled_coverage, budget 4": ("scheduled_coverage", 4),
        "the same + reference images": ("scheduled_coverage + reference images", 4),
    }
    tier = list(result["episodes"])[-1]
    found = {(r["policy"], r["budget"]): r for r in result["rows"] if r["tier"] == tier}
    rows = {label: found[key] for label, key in shown.items()}
    left = _panel(60, f"covered, by gap in shots ({tier})", GAPS, 1.0, rows, lambda row, x: row["by_gap"].get(x, 0.0))
    right = _panel(470, "speed-up, by workers", WORKERS, 6.0, rows, lambda row, x: row["speedup"][x])
    legend = [
        f'<rect x="{60 + 270 * (i % 3)}" y="{322 + 20 * (i // 3)}" width="12" height="12" fill="{_COLOURS[i]}"/>'
        f'<text x="{78 + 270 * (i % 3)}" y="{332 + 20 * (i // 3)}">{label}</text>'
        for i, label in enumerate(rows)
    ]
    head = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 860 370" font-family="sans-serif" font-size="12">'
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *left, *right, *legend, "</svg>"]) + "\n"


def _panel(
    left: int, title: str, ticks: Sequence[str], top: float, rows: Mapping[str, Row], value: Callable[[Row, str], float]
) -> list[str]:
    width, height, base = 350, 220, 270
    step = width / len(ticks)
    bar = step * 0.8 / len(rows)
    parts = [f'<text x="{left}" y="30" font-weight="bold">{title}</text>']
    for mark in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = base - height * mark
        parts.append(f'<line x1="{left}" x2="{left + width}" y1="{y:.0f}" y2="{y:.0f}" stroke="#e2e8f0"/>')
        parts.append(f'<text x="{left - 8}" y="{y + 4:.0f}" text-anchor="end">{mark * top:.2g}</text>')
    for t, tick in enumerate(ticks):
        parts.append(f'<text x="{left + step * (t + 0.5):.0f}" y="290" text-anchor="middle">{tick}</text>')
        for i, row in enumerate(rows.values()):
            tall = height * min(1.0, value(row, tick) / top)
            x = left + step * (t + 0.1) + bar * i
            parts.append(
                f'<rect x="{x:.1f}" y="{base - tall:.1f}" width="{bar:.1f}" height="{tall:.1f}" fill="{_COLOURS[i]}"/>'
            )
    return parts
