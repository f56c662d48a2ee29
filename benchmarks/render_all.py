"""Renders every script below a folder with `animatic` and checks each film's number of frames.

    python benchmarks/render_all.py ../shared/data/st-bench ../shared/data/entitybench --out TABLE.md

Each script is rendered by the installed command line into a temporary folder that is deleted afterwards.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path

from storymem.media.video import count_frames


def storymem(*arguments: object) -> bytes:
    """Run the installed command and return what it prints; raise if it fails."""
    return subprocess.run(["storymem", *map(str, arguments)], check=True, capture_output=True).stdout


def render(script: Path) -> tuple[int, int, float, float]:
    """Render a script; return shots, frames of the film, its seconds at 16 frames per second, and the time taken."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder, "run")
        started = time.perf_counter()
        subprocess.run(
            ["storymem", "render", script, "-o", run, "--backbone", "animatic", "--quiet"],
            check=True,
            capture_output=True,
        )
        seconds = time.perf_counter() - started
        status = json.loads(
            subprocess.run(["storymem", "status", run, "--json"], check=True, capture_output=True).stdout
        )
        unfinished = [row["shot"] for row in status["shots"] if row["state"] != "finished"]
        if unfinished:
            raise SystemExit(f"{script}: unfinished shots {unfinished}")
        frames = count_frames(run / "film.mp4")
    return len(status["shots"]), frames, frames / 16, seconds


def main() -> None:
    """Render all and write a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    lines = ["| script | shots | frames | film (s) | rendered in (s) |", "|---|---|---|---|---|"]
    totals = [0, 0, 0.0, 0.0]
    for folder in arguments.folders:
        for script in sorted(folder.rglob("*.json")):
            row = render(script)
            totals = [a + b for a, b in zip(totals, row, strict=True)]
            lines.append(f"| {folder.name}/{script.stem} | {row[0]} | {row[1]} | {row[2]:.1f} | {row[3]:.1f} |")
            print(lines[-1], flush=True)
    lines.append(f"| all | {totals[0]} | {totals[1]} | {totals[2]:.1f} | {totals[3]:.1f} |")
    print(lines[-1])
    if arguments.out:
        command = "`python benchmarks/render_all.py ../shared/data/st-bench ../shared/data/entitybench`"
        arguments.out.write_text("\n".join(["# Real scripts rendered with animatic", "", command, "", *lines, ""]))


if __name__ == "__main__":
    main()
