"""The ``storymem`` program: registers the commands, and turns expected errors into one line and an exit code."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from storymem.cli import (
    batch,
    cast,
    compare,
    convert,
    doctor,
    ending,
    entities,
    evaluate,
    export,
    graph,
    lint,
    plan,
    plugins,
    portraits,
    render,
    report,
    runs,
    show,
    terminal,
    trust,
)
from storymem.cli.extensions import ExtensibleGroup
from storymem.openmp import set_openmp_defaults

app = typer.Typer(
    name="storymem",
    cls=ExtensibleGroup,
    help="Multi-shot stories as one film, with visual memory.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

for _command in (
    plan.make,
    plan.plan,
    plan.revise,
    lint.lint,
    convert.convert,
    entities.entities,
    portraits.portraits,
    render.render,
    render.resume,
    batch.batch,
    graph.graph,
    runs.status,
    runs.takes,
    runs.redo,
    runs.pin,
    runs.film,
    runs.prune,
    runs.verify,
    runs.repair,
    trust.trust,
    export.export,
    export.subtitles,
    report.report,
    evaluate.evaluate,
    compare.compare,
    show.config,
    doctor.doctor,
    plugins.plugins,
):
    app.command()(_command)
app.add_typer(plugins.app, name="plugin")
app.add_typer(cast.app, name="cast")


def _print_version(wanted: bool) -> None:
    if wanted:
        from storymem import __version__

        terminal.echo(f"storymem {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback behind an error.")] = False,
) -> None:
    """Multi-shot stories as one film, with visual memory."""


def main() -> None:
    """Run the program; exit codes are listed in docs/errors.md."""
    set_openmp_defaults()
    sys.exit(ending.run(app))


if __name__ == "__main__":
    main()
