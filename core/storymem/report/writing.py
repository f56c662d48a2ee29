"""Writes a run's report: the page, the contact sheet, the memory trace. The run is only read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from storymem.media.files import writing
from storymem.report.page import report_page
from storymem.report.reading import RunReport, read_report
from storymem.report.sheets import contact_sheet, memory_trace


@dataclass(frozen=True, slots=True)
class Written:
    """The files that were written, and how many shots the run has and has finished."""

    files: tuple[Path, ...]
    shots: int
    finished: int


def write_report(
    run: Path | str,
    page: Path | str | None = None,
    *,
    sheet: Path | str | None = None,
    trace: Path | str | None = None,
) -> Written:
    """Write what is asked for about any run: finished or not, pruned, of plugins that are not installed any more.

    Args:
        run: The run folder.
        page: One HTML file with everything inside.
        sheet: A PNG of the middle frame of every shot.
        trace: A PNG with a row a shot: its middle frame and what it was shown.

    Raises:
        RunStoreError: It is no run folder, or was never rendered into.
        MediaError: A file cannot be written.
    """
    report = read_report(Path(run))
    makers: tuple[tuple[Path | str | None, Callable[[RunReport], bytes]], ...] = (
        (page, lambda report: report_page(report).encode()),
        (sheet, contact_sheet),
        (trace, memory_trace),
    )
    files = []
    for name, make in makers:
        if name is not None:
            path, data = Path(name), make(report)
            with writing(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            files.append(path)
    finished = sum(shot.status.take is not None for shot in report.shots)
    return Written(tuple(files), len(report.shots), finished)
