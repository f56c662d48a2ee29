"""``storymem bench storyworld``. Light: the work is imported when the command runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from storymem.cli import options

if TYPE_CHECKING:
    from storymem_storyworld.bench.films import Row

app = typer.Typer(help="Benchmarks with known truth.", rich_markup_mode=None)


@app.callback()
def bench() -> None:
    """Benchmarks with known truth."""


@app.command()
def storyworld(  # noqa: PLR0913, PLR0917 - a command's options
    out: Annotated[Path, typer.Option(help="Report to write, .md; the numbers go beside it as .json.")],
    runs: Annotated[Path, typer.Option(help="Folder for the films; finished ones are not made again.")],
    tier: Annotated[list[str] | None, typer.Option(help="easy, medium, hard, told or chain; may be repeated.")] = None,
    policy: Annotated[list[str] | None, typer.Option(help="Memory policies to compare; may be repeated.")] = None,
    stories: Annotated[int, typer.Option(min=1, help="Episodes a tier.")] = 8,
    portraits: Annotated[bool, typer.Option("--portraits", help="Begin with a portrait of each character.")] = False,
    readout: Annotated[Path | None, typer.Option(help="Trained read-out; the one shipped if not given.")] = None,
    device: Annotated[str, typer.Option(help="Torch device of the read-out.")] = "cpu",
    config: options.Config = None,
    assign: options.Set = None,
    plugin: options.PluginFiles = None,
    backbone: options.Backbone = None,
) -> None:
    """Render test episodes of the storyworld under several memory policies and measure what memory keeps."""
    from storymem.plugin import PluginHost
    from storymem.session import Session
    from storymem_storyworld.bench.films import Bench, autoencoded, floor
    from storymem_storyworld.measure.autoencoding import Autoencodes
    from storymem_storyworld.measure.metric import StoryworldMetric
    from storymem_storyworld.settings import ReadoutSettings

    host = PluginHost(plugin or [])
    resolved = options.settings_from(host, config, assign, {"backbone": backbone})
    metric = StoryworldMetric(ReadoutSettings(readout=readout, device=device))
    rows = []
    # Films are measured as they were made; finished copies would only take time.
    with Session({**resolved.explicit, "finish": ()}, plugins=host) as session:
        model, shared = session.built().backbone, Bench(session, runs, metric, portraits)
        for name in tier or ["easy"]:
            rows.append(floor(name, stories, metric))
            if isinstance(model, Autoencodes):
                rows.append(autoencoded(name, stories, metric, model))
            rows += [shared.row(name, one, stories, typer.echo) for one in policy or ["none", "sink_recent"]]
    _write(out, rows, resolved.settings.backbone.name)


def _write(out: Path, rows: list[Row], backbone: str) -> None:
    import json
    import sys
    from dataclasses import asdict

    from storymem_storyworld.bench.films import report

    command = "storymem " + " ".join(sys.argv[1:])
    text = f"# Storyworld, backbone {backbone}\n\nCommand: `{command}`\n\n{report(rows)}"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")
    numbers = [asdict(row) for row in rows]
    out.with_suffix(".json").write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")
    typer.echo(text)
