"""``storymem evaluate``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from storymem.cli import options

if TYPE_CHECKING:
    from storymem.evaluate.evaluator import Evaluator
    from storymem.evaluate.results import Evaluation

Suites = Annotated[
    list[str] | None,
    typer.Option("--suite", "-s", help="Metric or suite, colour if not given; may be repeated."),
]
Weights = Annotated[Path | None, typer.Option(help="Folder with the models' files, named as in the docs.")]
Models = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="ROLE.KEY=VALUE", help="A model's setting, or ROLE=PLUGIN; may be repeated."),
]
Cache = Annotated[
    Path | None, typer.Option(help="File that keeps features between evaluations; the user's cache if not given.")
]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Compute every feature again and keep none.")]


def evaluate(
    film: Annotated[list[Path], typer.Argument(help="Run folders, folders of clips, or films.")],
    suite: Suites = None,
    script: Annotated[Path | None, typer.Option(help="The story, for films that are no run folder.")] = None,
    cuts: Annotated[str, typer.Option(help="For a film file: first frames of all shots but the first, 81,162.")] = "",
    weights: Weights = None,
    assign: Models = None,
    plugin: options.PluginFiles = None,
    cache: Cache = None,
    no_cache: NoCache = False,
    as_json: options.Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, a line a value.")] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write there instead of printing.")] = None,
    quiet: options.Quiet = False,
    export_vbench: Annotated[
        Path | None, typer.Option(help="Write shots and prompts there for the original VBench, and measure nothing.")
    ] = None,
    export_vistorybench: Annotated[
        Path | None, typer.Option(help="Write stills there for the original ViStoryBench, and measure nothing.")
    ] = None,
) -> None:
    """Measure films with published suites and with numbers that need no model.

    What cannot be computed stays empty and is named, with what to get for it.
    """
    if export_vbench or export_vistorybench:
        _export(film, script, _numbers(cuts), (export_vbench, export_vistorybench), plugin)
        return
    with evaluator(suite, weights, assign, plugin, cache, no_cache) as run:
        found = [run(one, script, _numbers(cuts), _progress(one, quiet)) for one in film]
    _show(found, as_json, as_csv, out)


def evaluator(
    suite: list[str] | None,
    weights: Path | None,
    assign: list[str] | None,
    plugin: list[Path] | None,
    cache: Path | None,
    no_cache: bool,
) -> Evaluator:
    """Return what evaluates with the options that ``evaluate`` and ``compare`` share."""
    from storymem.evaluate.evaluator import Evaluator, default_cache
    from storymem.settings.sources import assignments_layer

    models = assignments_layer("command line", assign or []).values
    file = None if no_cache else cache or default_cache()
    return Evaluator(suite or ["colour"], weights, models, plugin or (), file)


def _numbers(cuts: str) -> list[int]:
    from storymem.errors import SettingsError

    try:
        return [int(cut) for cut in cuts.split(",") if cut.strip()]
    except ValueError as error:
        raise SettingsError(f"--cuts {cuts!r}: write frame numbers with commas between, such as 81,162") from error


def _progress(film: Path, quiet: bool) -> Callable[[str], None]:
    return (lambda shot: None) if quiet else (lambda shot: typer.echo(f"{film}: shot {shot}", err=True))


def _show(found: Sequence[Evaluation], as_json: bool, as_csv: bool, out: Path | None) -> None:
    import json

    from storymem.evaluate.results import csv_of, table
    from storymem.media.files import writing

    if as_json:
        text = json.dumps([one.to_json() for one in found], ensure_ascii=False, indent=None if out is None else 1)
    else:
        text = csv_of(found).rstrip("\n") if as_csv else "\n".join(table(found))
    if out is None:
        typer.echo(text)
        return
    with writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text + "\n", encoding="utf-8")


def _export(
    films: Sequence[Path],
    script: Path | None,
    cuts: list[int],
    targets: tuple[Path | None, Path | None],
    plugin: list[Path] | None,
) -> None:
    from storymem.evaluate.export import export_vbench, export_vistorybench
    from storymem.evaluate.sources import open_film
    from storymem.plugin import PluginHost

    host = PluginHost(plugin or [])
    for film in films:
        with open_film(film, host, script, cuts) as opened:
            for export, target in zip((export_vbench, export_vistorybench), targets, strict=True):
                if target is not None:
                    typer.echo(export(opened, target))
            for problem in opened.problems:
                typer.echo(f"{film}: {problem}", err=True)
