"""The ``storymem`` program: registers the commands, and turns expected errors into one line and an exit code."""

from __future__ import annotations

import sys

import typer

from storymem.cli import compare, convert, doctor, evaluate, graph, lint, plan, plugins, portraits, render, runs, show
from storymem.cli.extensions import ExtensibleGroup
from storymem.errors import StoryMemError

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
    portraits.portraits,
    render.render,
    render.resume,
    graph.graph,
    runs.status,
    runs.takes,
    runs.redo,
    runs.pin,
    runs.prune,
    runs.verify,
    evaluate.evaluate,
    compare.compare,
    show.config,
    doctor.doctor,
    plugins.plugins,
):
    app.command()(_command)
app.add_typer(plugins.app, name="plugin")


def main() -> None:
    """Run the program; exit codes are listed in docs/errors.md."""
    try:
        app()
    except StoryMemError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
