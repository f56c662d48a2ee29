"""``storymem report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from storymem.cli import options
from storymem.cli.terminal import echo

_PAGE = Path("report.html")


def report(
    run: options.Run,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The page; report.html unless only pictures are asked for.")
    ] = None,
    contact_sheet: Annotated[Path | None, typer.Option(help="PNG: the middle frame of every shot.")] = None,
    memory_trace: Annotated[Path | None, typer.Option(help="PNG: a row a shot, with what it recalled.")] = None,
    as_json: options.Json = False,
) -> None:
    """Write one HTML page about a run: storyboard, cast, what each shot recalled, refused frames, takes, timings."""
    from storymem.cli.terminal import print_json
    from storymem.report.writing import write_report

    if out is None and contact_sheet is None and memory_trace is None:
        out = _PAGE
    done = write_report(run, out, sheet=contact_sheet, trace=memory_trace)
    if as_json:
        print_json({"files": [str(path) for path in done.files], "shots": done.shots, "finished": done.finished})
        return
    for path in done.files:
        echo(str(path))
