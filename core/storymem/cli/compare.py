"""``storymem compare``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from storymem.cli import options
from storymem.cli.evaluate import Cache, Models, NoCache, Suites, Weights, evaluator

if TYPE_CHECKING:
    from storymem.evaluate.comparison import Comparison
    from storymem.evaluate.methods import Films


def compare(
    what: Annotated[
        list[Path],
        typer.Argument(help="Runs, or folders with a run a story, a method each; with --policy, story scripts."),
    ],
    policy: Annotated[
        list[str] | None, typer.Option(help="Memory policy; repeated, each is rendered for every story and compared.")
    ] = None,
    runs: Annotated[Path, typer.Option(help="With --policy: where films go; finished shots are kept.")] = Path("films"),
    out: Annotated[Path, typer.Option("--out", "-o", help="The page to write.")] = Path("comparison.html"),
    suite: Suites = None,
    weights: Weights = None,
    assign: Models = None,
    cache: Cache = None,
    no_cache: NoCache = False,
    config: options.Config = None,
    run_setting: Annotated[
        list[str] | None, typer.Option("--run-set", metavar="KEY=VALUE", help="With --policy: a setting of the runs.")
    ] = None,
    backbone: options.Backbone = None,
    budget: options.Budget = None,
    plugin: options.PluginFiles = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Evaluate films of the same stories and write one page that says which differences are more than noise.

    The first method is what the others are compared with.
    """
    from storymem.cli.terminal import print_json
    from storymem.evaluate.methods import compared, found_films, rendered_films
    from storymem.media.files import writing
    from storymem.plugin import PluginHost

    def tell(line: str) -> None:
        if not quiet:
            typer.echo(line, err=True)

    films: Films
    if policy:
        host = PluginHost(plugin or [])
        resolved = options.settings_from(host, config, run_setting, {"backbone": backbone, "budget": budget})
        films = rendered_films(what, policy, runs, resolved.explicit, host, tell)
    else:
        films = found_films(what)
    with evaluator(suite, weights, assign, plugin, cache, no_cache) as run:
        comparison, page = compared(films, run, tell)
    with writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(page, encoding="utf-8")
    if as_json:
        print_json(summary(comparison))
        return
    for line in lines(comparison):
        typer.echo(line)
    typer.echo(out)


def lines(comparison: Comparison) -> Sequence[str]:
    """Return the comparison as a table for a terminal, one line a column and method but the first."""
    found = []
    first = comparison.methods[0].label
    for row in comparison.rows:
        for method, cell in zip(comparison.methods[1:], row.cells[1:], strict=True):
            if cell.change is not None:
                c = cell.change
                spread = f"{c.mean:+.4f} ({c.low:+.4f} to {c.high:+.4f})"
                found.append(
                    f"{row.column.label:<34} {method.label} - {first}: {spread}, {cell.verdict(row.column.better)}"
                )
    return found


def summary(comparison: Comparison) -> dict[str, object]:
    """Return the comparison as plain data."""
    from dataclasses import asdict

    return {
        "methods": [method.label for method in comparison.methods],
        "stories": list(comparison.stories),
        "seconds": [method.seconds for method in comparison.methods],
        "rows": [
            {
                "column": row.column.label,
                "better": row.column.better,
                "units": row.units,
                "cells": [{**asdict(cell), "verdict": cell.verdict(row.column.better)} for cell in row.cells],
            }
            for row in comparison.rows
        ],
        "notes": list(comparison.notes),
    }
