"""Commands on a run folder: status, takes, redo, pin, film, prune, verify, repair."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from storymem.cli import options
from storymem.cli.render import agree, print_made_again, resume_run, stored_session
from storymem.cli.terminal import echo

if TYPE_CHECKING:
    from storymem.result import ShotStatus


def status(run: options.Run, as_json: options.Json = False) -> None:
    """Show every shot of a run: finished or not, its take, what it recalled and why, and refused frames."""
    from storymem.cli.terminal import print_json
    from storymem.runs import open_run

    with open_run(run) as opened:
        shots = opened.status()
        title, film = opened.store.meta("title"), (run / "film.mp4").is_file()
        frames = {shot: [k.frame for k in opened.keyframes(shot)] for shot in shots}
    if as_json:
        rows = [{**shot.to_json(), "frames": frames[shot.shot]} for shot in shots.values()]
        print_json({"title": title, "film": film, "shots": rows})
        return
    echo(f"{title}: {sum(s.take is not None for s in shots.values())} of {len(shots)} shots finished")
    for shot in shots.values():
        for line in _status_lines(shot, frames[shot.shot]):
            echo(line)


def takes(run: options.Run, shot: options.Shot, as_json: options.Json = False) -> None:
    """List all takes of a shot."""
    from storymem.cli.terminal import print_json
    from storymem.runs import open_run

    with open_run(run) as opened:
        found = opened.takes(shot)
        current = {c.shot: c.take for c in opened.store.current(shot)}
    if as_json:
        print_json([{**take.to_json(), "current": current.get(shot) == take.number} for take in found])
        return
    for take in found:
        notes = take.request.get("notes", {})
        marks = [
            name for name, holds in (("current", current.get(shot) == take.number), ("pinned", take.pinned)) if holds
        ]
        marks += ["not reproducible"] if notes.get("reproducible") is False else []
        marks += [f"cost {notes['cost']:g}"] if "cost" in notes else []
        echo(
            f"take {take.number:<3} seed {take.request['seed']:<20} {take.request['mode']:<6} {take.seconds:7.1f} s  "
            f"{take.created}  {' '.join(marks)}"
        )


def redo(
    run: options.Run,
    shot: options.Shot,
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=2**64 - 1, help="New seed; a fresh one if neither seed nor prompt is given."),
    ] = None,
    prompt: Annotated[str | None, typer.Option(help="New prompt for this run; the script file stays.")] = None,
    reset: Annotated[bool, typer.Option("--reset", help="Go back to the script's own seed and prompt.")] = False,
    render: Annotated[bool, typer.Option(help="Render at once.")] = True,
    dry_run: options.DryRun = False,
    trust: options.Trust = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Make a shot again; later shots are made again only if what they see of it has changed."""
    from storymem.runs import check_redo, open_run, preview_redo

    _check_redo(seed, prompt, reset)
    agree(run, trust)
    if dry_run:
        with stored_session(run, None, None, {}) as stored, open_run(run, host=stored.session.host) as opened:
            override = None if reset else opened.override(shot, seed, prompt)
            print_made_again(preview_redo(opened, stored.session, shot, override), as_json)
        return
    with stored_session(run, None, None, {}) as stored, open_run(run, write=True, host=stored.session.host) as opened:
        override = None if reset else opened.override(shot, seed, prompt)
        opened.require_shot(shot)
        check_redo(opened, stored.session, shot, override)
        opened.store.redo(shot, override)
    if render:
        resume_run(run, None, None, {}, as_json, quiet)


def pin(
    run: options.Run,
    shot: options.Shot,
    take: Annotated[int | None, typer.Argument(help="Take number; leave out to unpin.")] = None,
    render: Annotated[bool, typer.Option(help="Render at once.")] = True,
    dry_run: options.DryRun = False,
    trust: options.Trust = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Fix a shot to one of its takes, whatever the script and settings say; without a number, free it."""
    from storymem.runs import check_pin, open_run, preview_pin

    agree(run, trust)
    if dry_run:
        with stored_session(run, None, None, {}) as stored, open_run(run, host=stored.session.host) as opened:
            print_made_again(preview_pin(opened, stored.session, shot, take), as_json)
        return
    with stored_session(run, None, None, {}) as stored, open_run(run, write=True, host=stored.session.host) as opened:
        check_pin(opened, stored.session, shot, take)
        opened.pin(shot, take)
    if render:
        resume_run(run, None, None, {}, as_json, quiet)


def film(run: options.Run, as_json: options.Json = False) -> None:
    """Join the shots that are finished, without making any; say which are missing."""
    from storymem.cli.terminal import print_json
    from storymem.runs import join_finished, open_run

    with stored_session(run, None, None, {}) as stored, open_run(run, write=True, host=stored.session.host) as opened:
        joined = join_finished(opened, stored.session)
    if as_json:
        print_json({"film": str(joined.film), "frames": joined.frames, "missing": list(joined.missing)})
        return
    missing = f"; missing: {', '.join(joined.missing)}" if joined.missing else ""
    echo(f"{joined.film} ({joined.frames} frames{missing})")


def prune(
    run: options.Run,
    quarantine: Annotated[
        bool, typer.Option("--quarantine", help="Empty the quarantine instead: what was damaged or left over.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Delete takes that are neither in the film nor pinned, and their files."""
    from storymem.cli.terminal import print_json
    from storymem.runs import open_run

    with open_run(run, write=True) as opened:
        old, removed = ([], opened.empty_quarantine()) if quarantine else opened.prune()
    if as_json:
        print_json({"takes": old, "files": [str(path) for path in removed.files]})
        return
    echo(f"{len(old)} takes and {len(removed.files)} files deleted")


def verify(run: options.Run, as_json: options.Json = False) -> None:
    """Read every stored file and compare it with its hash; damaged ones are set aside and made again by a render."""
    from storymem.cli.terminal import print_json
    from storymem.errors import RunStoreError
    from storymem.runs import open_run

    with open_run(run, write=True) as opened:
        bad = opened.verify()
    if as_json:
        print_json({"damaged": bad})
    elif not bad:
        echo("all files are as recorded")
    if bad:
        raise RunStoreError(
            f"{run}: {len(bad)} files are damaged ({', '.join(bad[:3])}); storymem resume {run} makes them again"
        )


def repair(run: options.Run, as_json: options.Json = False) -> None:
    """Rebuild a run whose run.sqlite is lost or damaged from the notes beside its files; say what was done."""
    from storymem.cli.terminal import print_json
    from storymem.runs import repair_run

    done = repair_run(run)
    if as_json:
        print_json(done.to_json())
        return
    for line in done.lines():
        echo(line)


def _check_redo(seed: int | None, prompt: str | None, reset: bool) -> None:
    from pydantic import TypeAdapter, ValidationError

    from storymem.errors import SettingsError
    from storymem.validation import describe
    from storymem.values.script import Prompt

    if reset and (seed is not None or prompt is not None):
        raise SettingsError("--reset goes back to the script; it cannot be given together with --seed or --prompt")
    try:
        TypeAdapter(Prompt | None).validate_python(prompt)
    except ValidationError as error:
        raise SettingsError(f"--prompt: {describe(error)}") from error


def _status_lines(shot: ShotStatus, frames: list[int]) -> list[str]:
    if shot.take is None:
        return [f"{shot.shot:<8} {shot.state}  {shot.error}".rstrip()]
    mode = shot.take.request["mode"]
    line = f"{shot.shot:<8} take {shot.take.number:<3} {mode:<6} recalled {len(shot.recalled):<3} keyframes {frames}"
    refused = [f"{r.frame} by {r.filter} ({r.score:.3g} < {r.threshold:.3g})" for r in shot.rejections]
    lines = [line + (f"  refused {'; '.join(refused)}" if refused else "")]
    return lines + [f"         {k.name:<10} {k.reason}".rstrip() for k in shot.recalled]
