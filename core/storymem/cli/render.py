"""``storymem render`` and ``storymem resume``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from storymem.cli import options
from storymem.cli.terminal import echo

if TYPE_CHECKING:
    from storymem.engine.cancel import CancelToken
    from storymem.engine.preview import MadeAgain
    from storymem.plugin import PluginHost
    from storymem.result import RunResult
    from storymem.session import Session
    from storymem.settings import Resolved
    from storymem.values.script import StoryScript


def render(
    script: Annotated[Path, typer.Argument(help="Story script: JSON, JSON5, YAML or TOML.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Run folder; films/<script name> if not given.",
        ),
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
    trust: options.Trust = False,
    force: Annotated[
        bool, typer.Option("--force", help="Move files that are in the way, and not storymem's, to quarantine/.")
    ] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Render a story script to a film; what is finished already is not made again.

    Without --out, a backbone that is not the default has films/<script name>_<backbone>.
    """
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
    resolved = options.settings_from(host, config, assign, shortcuts, trust=trust)
    folder = out or _own_folder(script, resolved, host)
    if force:
        from storymem.film.names import set_foreign_aside

        set_foreign_aside(folder)
    run_render(script, folder, resolved, host, None, as_json, quiet)


def _own_folder(script: Path, resolved: Resolved, host: PluginHost) -> Path:
    """Return films/<script name>, with the backbone's name if it is not the default: a preview replaces no film."""
    backbone = resolved.settings.backbone.name
    plain = backbone == host.registry.defaults().get("backbone")
    return Path("films") / (script.stem if plain else f"{script.stem}_{backbone}")


def resume(
    run: options.Run,
    script: Annotated[
        Path | None, typer.Option(help="Continue with this script, edited since; only what it changes is made again.")
    ] = None,
    config: options.Config = None,
    assign: options.Set = None,
    workers: options.Workers = None,
    dry_run: options.DryRun = False,
    trust: options.Trust = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Continue a run, from the script and settings it was started with."""
    agree(run, trust)
    if dry_run:
        from storymem.runs import open_run, preview_script
        from storymem.script.source import read_source

        with stored_session(run, config, assign, {"workers": workers}) as stored, open_run(run) as opened:
            story = read_source(script, stored.session.host)[0] if script else stored.script
            print_made_again(preview_script(opened, stored.session, story), as_json)
        return
    resume_run(run, config, assign, {"workers": workers}, as_json, quiet, script)


def print_made_again(found: Sequence[MadeAgain], as_json: bool) -> None:
    """Print which shots would be made again, why, and how long that would take one after the other."""
    from dataclasses import asdict

    from storymem.cli.terminal import print_json

    if as_json:
        print_json([{**asdict(again), "certain": again.certain} for again in found])
        return
    for again in found:
        because = f" ({', '.join(again.because)})" if again.because else ""
        echo(f"shot {again.shot}: {'' if again.certain else 'perhaps, '}{again.reason}{because}")
    known = [(again.certain, again.seconds) for again in found if again.seconds is not None]
    certain = sum(seconds for sure, seconds in known if sure)
    plural = "shot" if len(found) == 1 else "shots"
    echo(f"{len(found)} {plural}: {certain:.0f} s, at most {sum(s for _, s in known):.0f} s" if found else "nothing")


def agree(run: Path, trusted: bool) -> None:
    """Record that the user agrees to what a run folder, and the project it is used in, ask for (``--trust``)."""
    from storymem.cli.trust import requests

    for request in requests(run, Path.cwd()) if trusted else ():
        request.require(trusted=True)


def resume_run(
    run: Path,
    config: Path | None,
    assign: list[str] | None,
    shortcuts: dict[str, Any],
    as_json: bool,
    quiet: bool,
    script: Path | None = None,
) -> None:
    """Render a run's own script again, or an edited one, with its settings under those of file and command line."""
    with stored_session(run, config, assign, shortcuts) as stored:
        if script is not None:
            _render(stored.session, script, run, None, as_json, quiet)
        else:
            _render(stored.session, stored.script, run, stored.base, as_json, quiet, resumes=True)


@dataclass(frozen=True, slots=True)
class StoredRun:
    """What a run folder says of itself: its script, the folder of its reference images, a session of its settings."""

    session: Session
    script: StoryScript
    base: Path


@contextmanager
def stored_session(
    run: Path, config: Path | None, assign: list[str] | None, shortcuts: dict[str, Any]
) -> Iterator[StoredRun]:
    """Yield what a run was made with; its settings under those of file and command line.

    Raises:
        RunStoreError: It was never rendered into, or with plugins that only a Python program has.
        UntrustedError: It asks for code or paths that the user has not agreed to.
    """
    import json

    from storymem.errors import RunStoreError
    from storymem.plugin import PluginHost
    from storymem.session import Session, request_of
    from storymem.store.runstore import RunStore
    from storymem.values.script import StoryScript

    with RunStore(run, write=False) as store:
        script, base = store.meta("script"), store.meta("base")
        stored, objects = store.meta("settings"), json.loads(store.meta("objects") or "{}")
        request = request_of(store)
    if script is None or base is None:
        raise RunStoreError(f"{run}: was never rendered into; use storymem render")
    request.require()
    if objects:
        needed = ", ".join(f"{key} = {name}" for key, name in sorted(objects.items()))
        raise RunStoreError(
            f"{run}: was made with Python objects ({needed}); resume it from Python, with the same ones"
        )
    host = PluginHost(request.files)
    resolved = options.settings_from(host, config, assign, shortcuts, stored)
    with Session(resolved.explicit, plugins=host) as session:
        yield StoredRun(session, StoryScript.model_validate_json(script), Path(base))


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
    from storymem.session import Session

    with Session(resolved.explicit, plugins=host) as session:
        return _render(session, script, out, base, as_json, quiet)


def _render(
    session: Session,
    script: Path | StoryScript,
    out: Path,
    base: Path | None,
    as_json: bool,
    quiet: bool,
    resumes: bool = False,
) -> RunResult:
    from storymem.cli.progress import receiver
    from storymem.engine.cancel import CancelToken

    cancel = CancelToken()
    with interruptible(cancel), receiver(as_json=as_json, quiet=quiet) as on_event:
        result = session.render(script, out, on_event, cancel, base, resumes)
    result.check()
    if not as_json:
        updated = f", {result.updated} updated" if result.updated else ""
        echo(f"{result.film} ({result.frames} frames; {result.made} shots made{updated}, {result.cached} kept)")
    return result


@contextmanager
def interruptible(cancel: CancelToken) -> Iterator[None]:
    """Turn the first Ctrl-C, SIGTERM or SIGHUP into a cancellation between steps; a second one ends the program."""
    import os
    import signal

    def ask(number: int, frame: object) -> None:
        cancel.cancel()
        # Not through Python's own streams, which may be in the middle of a write.
        os.write(2, b"stopping after the current step; press Ctrl-C again to end at once\n")
        signal.signal(number, signal.SIG_DFL)

    # Windows has no SIGHUP; elsewhere it comes when the terminal is closed or the connection is lost.
    names = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.signal(number, ask) for number in (getattr(signal, name) for name in names)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
