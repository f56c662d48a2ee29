"""``storymem trust``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from storymem.cli import options
from storymem.cli.terminal import echo

if TYPE_CHECKING:
    from storymem.trust import Request


def trust(
    folder: Annotated[Path, typer.Argument(help="Run folder, or project folder with a storymem.toml.")],
    show: Annotated[bool, typer.Option("--show", help="Only say what it asks for.")] = False,
    as_json: options.Json = False,
) -> None:
    """Agree to what a folder asks for: plugin files, sinks, programs, servers and paths outside it.

    Once, and for exactly this content: when the folder asks for something else, it is asked for again.
    """
    from storymem.cli.terminal import print_json
    from storymem.errors import SettingsError

    found = list(requests(folder, folder))
    if not found:
        raise SettingsError(f"{folder}: is no run folder and has no {options.FILE_NAME}")
    demands = [demand for request in found for demand in request.demands()]
    for request in found if not show else ():
        request.require(trusted=True)
    if as_json:
        print_json({"folder": str(folder), "demands": demands, "trusted": not show})
        return
    for demand in demands or ["nothing that needs your consent"]:
        echo(f"{folder}: {demand}")


def requests(run: Path, project: Path) -> Iterator[Request]:
    """Yield what a run folder and a project's settings file ask for, of those that are there."""
    from storymem.session import request_of
    from storymem.settings.sources import file_layer
    from storymem.store.folder import DATABASE
    from storymem.store.runstore import RunStore
    from storymem.trust import Request

    if (run / DATABASE).is_file():
        with RunStore(run, write=False) as store:
            yield request_of(store)
    if (project / options.FILE_NAME).is_file():
        yield Request(project, file_layer(project / options.FILE_NAME).values)
