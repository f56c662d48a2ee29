"""``storymem batch``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from storymem.cli import options
from storymem.cli.terminal import echo

if TYPE_CHECKING:
    from rich.table import Table

    from storymem.batch import Batch, BatchReceiver, StoryProgress
    from storymem.values.events import Event


def batch(
    stories: Annotated[list[Path], typer.Argument(help="Story scripts.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder that gets a run folder for each story.")] = Path(
        "films"
    ),
    config: options.Config = None,
    assign: options.Set = None,
    plugin: options.PluginFiles = None,
    backbone: options.Backbone = None,
    policy: options.Policy = None,
    workers: options.Workers = None,
    trust: options.Trust = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Render many stories over the same workers; run it again to resume. One bad story stops no other."""
    from storymem.batch import Batch, StoryState, stories_in
    from storymem.cli.render import interruptible
    from storymem.engine.cancel import CancelToken
    from storymem.errors import ShotError
    from storymem.plugin import PluginHost
    from storymem.session import Session

    host = PluginHost(plugin or [])
    shortcuts = {"backbone": backbone, "policy": policy, "workers": workers}
    resolved = options.settings_from(host, config, assign, shortcuts, trust=trust)
    cancel = CancelToken()
    with Session(resolved.explicit, plugins=host) as session:
        work = Batch(session, stories_in(out, stories), _receiver(as_json, quiet), cancel)
        for remark in work.plan():
            echo(f"note: {remark}", err=True)
        with interruptible(cancel), _live(work, hidden=as_json or quiet):
            rows = work.render()
    if not as_json:
        _print_rows(rows)
    failed = [row for row in rows if row.state is StoryState.FAILED]
    if failed:
        raise ShotError(f"failed stories: {len(failed)} of {len(rows)}; the first: {failed[0].error}")


def _receiver(as_json: bool, quiet: bool) -> BatchReceiver | None:
    from storymem.cli.terminal import print_json
    from storymem.log import describe

    def to_json(story: str, event: Event) -> None:
        print_json({"story": story, **event.to_json()})

    def to_lines(story: str, event: Event) -> None:
        if (line := describe(event)) is not None:
            echo(f"{story}: {line}", err=True)

    if as_json:
        return to_json
    return None if quiet or sys.stderr.isatty() else to_lines


@contextmanager
def _live(work: Batch, hidden: bool) -> Iterator[None]:
    """Show the table while stories are rendered, on a terminal."""
    from rich.console import Console
    from rich.live import Live

    if hidden or not sys.stderr.isatty():
        yield
        return
    with Live(get_renderable=lambda: _table(work.table()), console=Console(stderr=True), transient=True):
        yield


def _table(rows: list[StoryProgress]) -> Table:
    from rich.table import Table

    from storymem.text import printable

    table = Table("story", "state", "shots", "longest chain", box=None)
    for row in rows:
        table.add_row(printable(row.story.name), row.state, f"{row.done}/{row.shots}", str(row.chain))
    return table


def _print_rows(rows: list[StoryProgress]) -> None:
    for row in rows:
        what = row.error or (f"{row.result.film}" if row.result else "")
        echo(f"{row.state:<9} {row.done:>4}/{row.shots:<4} {row.story.name}  {what}")
