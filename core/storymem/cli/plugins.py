"""``storymem plugins``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from storymem.cli import options
from storymem.cli.terminal import echo

if TYPE_CHECKING:
    from storymem.plugin.registry import Registration

app = typer.Typer(help="Start a plugin of your own.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Keep ``new`` a subcommand, although it is the only one."""


def plugins(plugin: options.PluginFiles = None, as_json: options.Json = False) -> None:
    """List every plugin: name, kind, distribution, state; and those that are broken, with the reason."""
    from storymem.cli.terminal import print_json
    from storymem.plugin import PluginHost

    host = PluginHost(plugin or [])
    if as_json:
        print_json(
            {
                "plugins": [_describe(entry) for entry in host.registry],
                "broken": [{"plugin": str(b.owner), "error": str(b.error)} for b in host.broken],
                "disabled": [str(owner) for owner in host.disabled],
            }
        )
        return
    for entry in host.registry:
        state = f"needs {', '.join(missing)}" if (missing := entry.missing()) else "ready"
        echo(f"{entry.kind:<10} {entry.name:<20} {state:<22} {entry.owner.distribution:<14} {entry.summary}")
    for broken in host.broken:
        echo(f"broken: {broken.error}", err=True)
    for owner in host.disabled:
        echo(f"disabled: {owner}", err=True)


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Name of the plugin, lower case.")],
    kind: Annotated[str, typer.Option(help="backbone, policy, filter, selector, transition, ...")] = "policy",
    out: Annotated[Path, typer.Option("--out", "-o", help="Where to make its folder.")] = Path(),
) -> None:
    """Write a working, tested plugin package to start from."""
    from storymem.plugin.skeleton import write_skeleton

    echo(f"{write_skeleton(name, kind, out)}: now run: pip install -e {out / name} && pytest {out / name}")


def _describe(entry: Registration) -> dict[str, Any]:
    missing = entry.missing()
    return {
        "kind": entry.kind.value,
        "name": entry.name,
        "distribution": entry.owner.distribution,
        "version": entry.owner.version,
        "summary": entry.summary,
        "state": "missing " + ", ".join(missing) if missing else "ready",
        "install": entry.install,
        "settings": entry.settings.model_json_schema(),
    }
