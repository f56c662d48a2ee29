"""``storymem graph``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from storymem.cli import options
from storymem.cli.terminal import echo

FORMATS = {".mmd": "mermaid", ".dot": "dot", ".json": "json", ".svg": "svg"}


def graph(
    script: Annotated[Path, typer.Argument(help="Story script.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File; its suffix chooses the format.")] = None,
    form: Annotated[str | None, typer.Option("--format", help="mermaid, dot, json or svg.")] = None,
    config: options.Config = None,
    assign: options.Set = None,
    plugin: options.PluginFiles = None,
    policy: options.Policy = None,
    force: options.Force = False,
) -> None:
    """Show which shots wait for which, and the longest chain of them."""
    import tempfile

    from storymem.api import Storyteller
    from storymem.errors import SettingsError
    from storymem.graph import export
    from storymem.plugin import PluginHost
    from storymem.script.writing import write_text

    if form is None and out is not None and out.suffix not in FORMATS:
        raise SettingsError(f"--out {out}: unknown suffix; use {', '.join(FORMATS)}, or give --format")
    form = form or (FORMATS[out.suffix] if out else "mermaid")
    if form not in FORMATS.values():
        raise SettingsError(f"--format {form}: use {', '.join(FORMATS.values())}")
    if out is not None:
        _check_target(out, force)
    host = PluginHost(plugin or [])
    resolved = options.settings_from(host, config, assign, {"policy": policy})
    # Which shots wait for which is not the model's business: without a choice, one that loads nothing will do.
    given = {"backbone": host.registry.default("backbone without a model"), **resolved.explicit}
    with tempfile.TemporaryDirectory() as unused, Storyteller(unused, given, plugins=host) as teller:
        built = teller.dry_run(script).graph
    text = str(getattr(export, f"to_{form}")(built))
    if out is None:
        echo(text, nl=False)
        return
    write_text(out, text)
    longest = len(built.critical_path())
    echo(f"{out} ({len(built.board)} shots; at least {longest} must be made one after the other)")


def _check_target(out: Path, force: bool) -> None:
    """Fail if ``out`` is a file that no graph was drawn into before."""
    from storymem.graph.export import MARK
    from storymem.script.writing import check_free

    try:
        with out.open("rb") as file:
            drawn = MARK.encode() in file.read(2000)
    except OSError:
        drawn = False
    check_free(out, force=force or drawn)
