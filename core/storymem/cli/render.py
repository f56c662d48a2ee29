"""``storymem render`` and ``storymem resume``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from storymem.cli import options
from storymem.cli.terminal import echo

if TYPE_CHECKING:
    from storymem.api import RunResult
    from storymem.engine.cancel import CancelToken
    from storymem.plugin import PluginHost
    from storymem.script.models import StoryScript
    from storymem.settings import Resolved


def render(
    script: Annotated[Path, typer.Argument(help="Story script: JSON, JSON5, YAML or TOML.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Run folder; films/<script name> if not given.")
    ] = None,
    config: options.Config = None,
    assign: options.Set = None,
    plugin: options.PluginFiles = None,
    backbone: options.Backbone = None,
    policy: options.Policy = None,
    budget: options.Budget = None,
    size: options.Size = None,
    frames: options.Frames = None,
    seed: options.Seed = None,
    workers: options.Workers = None,
    layout: Annotated[str | None, typer.Option(help="storymem or entitybench: names of the shot files.")] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Render a story script to a film; what is finished already is not made again."""
    shortcuts = {
        "backbone": backbone,
        "policy": policy,
        "budget": budget,
        "size": size,
        "frames": frames,
        "seed": seed,
        "workers": workers,
        "layout": layout,
    }
    from storymem.plugin import PluginHost

    host = PluginHost(plugin or [])
    resolved = options.settings_from(host, config, assign, shortcuts)
    run_render(script, out or Path("films") / script.stem, resolved, host, None, as_json, quiet)


def resume(
    run: options.Run,
    config: options.Config = None,
    assign: options.Set = None,
    workers: options.Workers = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Go on with a run, from the script and settings it was started with."""
    resume_run(run, config, assign, {"workers": workers}, as_json, quiet)


def resume_run(
    run: Path,
    config: Path | None,
    assign: list[str] | None,
    shortcuts: dict[str, Any],
    as_json: bool,
    quiet: bool,
) -> None:
    """Render a run folder's own script again, with its settings under those of file and command line."""
    import json

    from storymem.errors import RunStoreError
    from storymem.plugin import PluginHost
    from storymem.script.models import StoryScript
    from storymem.store.runstore import RunStore

    with RunStore(run, write=False) as store:
        script, base = store.meta("script"), store.meta("base")
        stored, files = store.meta("settings"), json.loads(store.meta("plugins") or "[]")
    if script is None or base is None:
        raise RunStoreError(f"{run}: was never rendered into; use storymem render")
    host = PluginHost([Path(file) for file in files])
    resolved = options.settings_from(host, config, assign, shortcuts, stored)
    story = StoryScript.model_validate_json(script)
    run_render(story, run, resolved, host, Path(base), as_json, quiet)


def run_render(
    script: Path | StoryScript,
    out: Path,
    resolved: Resolved,
    host: PluginHost,
    base: Path | None,
    as_json: bool,
    quiet: bool,
) -> RunResult:
    """Render with a progress display; exit 4 if shots failed, 130 if interrupted."""
    from storymem.api import Storyteller
    from storymem.cli.progress import receiver
    from storymem.engine.cancel import CancelToken

    cancel = CancelToken()
    with (
        interruptible(cancel),
        Storyteller(out, resolved.explicit, plugins=host) as teller,
        receiver(as_json=as_json, quiet=quiet) as on_event,
    ):
        result = teller.render(script, on_event, cancel, base)
    result.check()
    if not as_json:
        echo(f"{result.film} ({result.frames} frames; {result.tally.made} shots made, {result.tally.cached} kept)")
    return result


@contextmanager
def interruptible(cancel: CancelToken) -> Iterator[None]:
    """Turn the first Ctrl-C (or SIGTERM) into a cancellation between steps; a second one ends the program."""
    import os
    import signal

    def ask(number: int, frame: object) -> None:
        cancel.cancel()
        # Not through Python's own streams, which may be in the middle of a write.
        os.write(2, b"stopping after the current step; press Ctrl-C again to end at once\n")
        signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
