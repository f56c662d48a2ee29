"""``storymem convert``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from storymem.cli import options
from storymem.cli.terminal import echo


def convert(
    source: Annotated[Path, typer.Argument(help="Story script of any known form.")],
    target: Annotated[Path, typer.Argument(help="File to write; its suffix tells the notation.")],
    to: Annotated[str, typer.Option(help="Form to write: a plugin of kind format.")] = "storymem",
    source_set: Annotated[
        list[str] | None,
        typer.Option("--source-set", metavar="KEY=VALUE", help="A setting of the source's form, such as line=3."),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Write nothing if anything would be lost.")] = False,
    force: options.Force = False,
    plugin: options.PluginFiles = None,
    as_json: options.Json = False,
) -> None:
    """Write a script in another form, and name what that form cannot hold."""
    from storymem.cli.plan import plugin_settings
    from storymem.cli.terminal import print_json
    from storymem.errors import ScriptError
    from storymem.plugin import PluginHost
    from storymem.script import services
    from storymem.script.writing import check_free, write_data

    check_free(target, force=force)
    host = PluginHost(plugin or [])
    form, script = services.read_script(source, host, plugin_settings(source_set))
    data, losses = services.convert(services.rebased(script, source.parent, target.parent), to, host)
    if losses and strict:
        raise ScriptError(f"{target}: not written, since {to} cannot hold {'; '.join(losses)}")
    write_data(target, data)
    if as_json:
        print_json({"from": form, "to": to, "file": str(target), "lost": losses})
        return
    for loss in losses:
        echo(f"lost: {loss}", err=True)
    echo(f"{target} ({form} to {to}{'' if losses else ', nothing lost'})")
