"""``storymem measure``."""

from __future__ import annotations

from typing import Annotated

import typer

from storymem.cli import options
from storymem.cli.terminal import echo


def measure(
    run: options.Run,
    metric: Annotated[list[str], typer.Argument(help="Metric names; storymem plugins lists them.")],
    plugin: options.PluginFiles = None,
    as_json: options.Json = False,
) -> None:
    """Measure a finished film."""
    from contextlib import ExitStack

    from storymem.cli.terminal import print_json
    from storymem.film.review import FinishedFilm
    from storymem.interfaces import Metric
    from storymem.plugin import Kind, PluginHost
    from storymem.runs import open_run

    host = PluginHost(plugin or [])
    metrics = {name: host.build(Kind.METRIC, name, {}) for name in metric}
    with ExitStack() as open_things:
        for built in metrics.values():
            open_things.callback(built.close)
        opened = open_things.enter_context(open_run(run, host=host))
        film = FinishedFilm(opened.store, opened.memory_store)
        results = {name: dict(m.measure(film)) for name, m in metrics.items() if isinstance(m, Metric)}
    if as_json:
        print_json(results)
        return
    for name, numbers in results.items():
        for key, value in numbers.items():
            echo(f"{name}.{key:<40} {value:.4f}")
