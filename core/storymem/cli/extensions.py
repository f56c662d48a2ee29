"""Commands that other distributions add: entry points in the group ``storymem.commands``.

Each names a ``typer.Typer`` application; it is imported when its command is run or listed. One that cannot be
imported is listed as broken and stops nothing else.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command as as_command

from storymem.cli.ending import refused_by_the_system
from storymem.errors import PluginError

GROUP = "storymem.commands"


class ExtensibleGroup(TyperGroup):
    """The program's own commands, then those of other distributions, by name."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command; here and not around the program, because typer itself ends silently on a closed pipe."""
        with refused_by_the_system():
            return super().invoke(ctx)

    def list_commands(self, ctx: Any) -> list[str]:
        """Return all command names; the program's own come first and cannot be replaced."""
        own: list[str] = super().list_commands(ctx)
        return own + sorted(point.name for point in entry_points(group=GROUP) if point.name not in own)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command; one that cannot be imported raises when it is run."""
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        found = [point for point in entry_points(group=GROUP) if point.name == cmd_name]
        return _load(found[0]) if found else None


def _load(point: EntryPoint) -> Any:
    try:
        command = as_command(point.load())
    except (Exception, SystemExit) as error:  # importing another distribution's module may raise anything
        return as_command(_broken(point, error))
    command.name = point.name
    return command


def _broken(point: EntryPoint, error: BaseException) -> typer.Typer:
    app = typer.Typer()
    owner = point.dist.name if point.dist else "an unknown distribution"
    message = f"command {point.name} of {owner} cannot be imported: {type(error).__name__}: {error}"

    @app.command(help=f"Broken: {type(error).__name__}: {error}", context_settings={"ignore_unknown_options": True})
    def _(arguments: Annotated[list[str] | None, typer.Argument(hidden=True)] = None) -> None:
        raise PluginError(message) from error

    return app
