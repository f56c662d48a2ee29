"""Commands that other distributions add: entry points in the group ``storymem.commands``.

Each names a ``typer.Typer`` application; it is imported when its command is run or listed. One that cannot be
imported is listed as broken and stops nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoint, entry_points
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command as as_command

from storymem.cli.ending import refused_by_the_system
from storymem.errors import PluginError, SettingsError

GROUP = "storymem.commands"
#: The class is nowhere public: typer has its own in some versions and click's in others.
_UsageError: type[Exception] = typer.BadParameter.__bases__[0]


class ExtensibleGroup(TyperGroup):
    """The program's own commands, then those of other distributions, by name."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command; here and not around the program, because typer itself ends silently on a closed pipe."""
        with refused_by_the_system(), _usage_in_one_line():
            return super().invoke(ctx)

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Read the program's own options."""
        with _usage_in_one_line():
            return super().make_context(*args, **kwargs)

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


@contextmanager
def _usage_in_one_line() -> Iterator[None]:
    """Turn a command line that cannot be read into an error like any other; no arguments at all still give help."""
    try:
        yield
    except _UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            raise
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "storymem"
        message = getattr(error, "format_message", error.__str__)().rstrip(".")
        raise SettingsError(f"{message}; see {command} --help") from error


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
