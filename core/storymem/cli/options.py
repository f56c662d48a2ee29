"""Options that several commands share, and the settings they come to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from storymem.plugin import PluginHost
    from storymem.settings import Resolved

FILE_NAME = "storymem.toml"
Config = Annotated[Path | None, typer.Option(help=f"Settings file; ./{FILE_NAME} if there is one.")]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting; may be repeated.")]
PluginFiles = Annotated[list[Path] | None, typer.Option("--plugin", help="A local plugin file; may be repeated.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Backbone = Annotated[str | None, typer.Option(help="Short for --set backbone=NAME.")]
Policy = Annotated[str | None, typer.Option(help="Short for --set policy=NAME.")]
Budget = Annotated[int | None, typer.Option(help="Most keyframes recalled for a shot.")]
Size = Annotated[str | None, typer.Option(help="WIDTHxHEIGHT in pixels.")]
Frames = Annotated[int | None, typer.Option(help="Frames per shot.")]
Seed = Annotated[str | None, typer.Option(help="Story seed, 0 to 2**64-1; -1 draws one, which the run records.")]
Workers = Annotated[int | None, typer.Option(help="Shots made side by side.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only the result.")]
Force = Annotated[bool, typer.Option("--force", help="Write over an existing file.")]
Trust = Annotated[bool, typer.Option("--trust", help="Agree to what the folder asks for, see storymem trust.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be made again.")]
Run = Annotated[Path, typer.Argument(help="Run folder.")]
Shot = Annotated[str, typer.Argument(help="Shot id, such as 1.2.")]


def settings_from(
    host: PluginHost,
    config: Path | None,
    assignments: list[str] | None,
    shortcuts: dict[str, Any],
    stored: str | None = None,
    trust: bool = False,
) -> Resolved:
    """Resolve settings: defaults < suggestions < run folder < file < environment < command line.

    Args:
        host: For what the chosen backbone suggests.
        config: Settings file; None for ``./storymem.toml`` if it exists.
        assignments: ``--set`` texts.
        shortcuts: Options such as ``--budget``, by key; None means not given.
        stored: Settings a run folder was made with, as JSON.
        trust: Agree to what ``./storymem.toml`` asks for.

    Raises:
        UntrustedError: ``./storymem.toml`` asks for something that the user has not agreed to.
    """
    import json
    import os

    from storymem.settings import Layer, resolve
    from storymem.settings.sources import assignments_layer, environment_layer, file_layer
    from storymem.trust import Request

    layers = [Layer("run folder", json.loads(stored))] if stored else []
    if config is not None:
        layers.append(file_layer(config))
    elif Path(FILE_NAME).is_file():
        layer = file_layer(Path(FILE_NAME))
        Request(Path.cwd(), layer.values).require(trust)  # the file came with the folder; it was not named
        layers.append(layer)
    layers.append(environment_layer(os.environ))
    # Before --set, so that "--backbone wan --set backbone.profile=24gb" is a setting of that backbone.
    layers.append(Layer("command line", {key: value for key, value in shortcuts.items() if value is not None}))
    layers.append(assignments_layer("command line", assignments or []))
    return resolve(layers, host.registry)
