"""The ``storymem mcp`` command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from storymem.cli import options

app = typer.Typer()


@app.command()
def mcp(
    folder: Annotated[Path, typer.Argument(help="The only folder that the agent may read and write.", exists=True)],
    backbone: options.Backbone = None,
    planner: Annotated[
        str, typer.Option(help="Planner of the tools plan and revise: outline, llm, local.")
    ] = "outline",
    config: options.Config = None,
    assign: options.Set = None,
    plugin: options.PluginFiles = None,
) -> None:
    """Serve a folder of scripts and runs to a language-model agent, by the Model Context Protocol on stdio."""
    from storymem.errors import PluginError

    try:
        import mcp as sdk
    except ImportError as error:
        raise PluginError("storymem mcp needs the package mcp; install it with: pip install 'storymem[mcp]'") from error
    del sdk
    from storymem.plugin import PluginHost
    from storymem_mcp.desk import Desk
    from storymem_mcp.folder import Folder
    from storymem_mcp.server import serve

    host = PluginHost(plugin or [])
    resolved = options.settings_from(host, config, assign, {"backbone": backbone})
    serve(Desk(Folder(folder), host, resolved, planner))
