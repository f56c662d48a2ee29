"""Commands on a run folder: status, takes, redo, pin, prune, verify."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from storymem.cli import options
from storymem.cli.render import resume_run
from storymem.cli.terminal import echo

if TYPE_CHECKING:
    from storymem.store.records import Override
    from storymem.store.runstore import RunStore
    from storymem.storyboard import Storyboard


def status(run: options.Run, as_json: options.Json = False) -> None:
    """Show every shot of a run: finished or not, its take, what it recalled, its keyframes and refused frames."""
    from storymem.cli.terminal import print_json
    from storymem.store.runstore import RunStore

    with RunStore(run, write=False) as store:
        rows = _status_rows(store)
        title, film = store.meta("title"), (run / "film.mp4").is_file()
    if as_json:
        print_json({"title": title, "film": film, "shots": rows})
        return
    echo(f"{title}: {sum(r['state'] == 'finished' for r in rows)} of {len(rows)} shots finished")
    for row in rows:
        echo(_status_line(row))


def takes(run: options.Run, shot: options.Shot, as_json: options.Json = False) -> None:
    """List all takes of a shot."""
    from dataclasses import asdict

    from storymem.cli.terminal import print_json
    from storymem.store.runstore import RunStore

    with RunStore(run, write=False) as store:
        _require_shot(store, shot)
        current = {c.shot: c.take for c in store.current()}
        rows = [{**asdict(take), "current": current.get(shot) == take.number} for take in store.takes(shot)]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        marks = " ".join(mark for mark in ("current", "pinned") if row[mark])
        request = row["request"]
        echo(
            f"take {row['number']:<3} seed {request['seed']:<20} {request['mode']:<6} {row['seconds']:7.1f} s  "
            f"{row['created']}  {marks}"
        )


def redo(
    run: options.Run,
    shot: options.Shot,
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=2**63 - 1, help="New seed; a fresh one if neither seed nor prompt is given."),
    ] = None,
    prompt: Annotated[str | None, typer.Option(help="New prompt for this run; the script file stays.")] = None,
    reset: Annotated[bool, typer.Option("--reset", help="Go back to the script's own seed and prompt.")] = False,
    render: Annotated[bool, typer.Option(help="Render at once.")] = True,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Make a shot again; later shots are made again only if what they see of it has changed."""
    from storymem.store.runstore import RunStore

    _check_redo(seed, prompt, reset)
    with RunStore(run, write=True) as store:
        _require_shot(store, shot)
        store.set_override(shot, None if reset else _override(store, shot, seed, prompt))
        if not reset:
            store.pin(shot, None)
    if render:
        resume_run(run, None, None, {}, as_json, quiet)


def pin(
    run: options.Run,
    shot: options.Shot,
    take: Annotated[int | None, typer.Argument(help="Take number; leave out to unpin.")] = None,
    render: Annotated[bool, typer.Option(help="Render at once.")] = True,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Fix a shot to one of its takes, whatever the script and settings say; without a number, free it."""
    from storymem.store.runstore import RunStore

    with RunStore(run, write=True) as store:
        _require_shot(store, shot)
        store.pin(shot, take)
    if render:
        resume_run(run, None, None, {}, as_json, quiet)


def prune(run: options.Run, as_json: options.Json = False) -> None:
    """Delete takes that are neither in the film nor pinned, and their files."""
    from storymem.cli.terminal import print_json
    from storymem.store.runstore import RunStore

    with RunStore(run, write=True) as store:
        current = {c.shot: c.take for c in store.current()}
        # A shot that is in the story but not finished may have a good clip, whose keyframes could not be chosen.
        kept = {shot.id for shot in _board(store)} - set(current)
        loose = [t for t in store.takes() if not t.pinned and t.shot not in kept]
        old = [(t.shot, t.number) for t in loose if current.get(t.shot) != t.number]
        files = store.drop_takes(old)
    if as_json:
        print_json({"takes": old, "files": [str(path) for path in files]})
        return
    echo(f"{len(old)} takes and {len(files)} files deleted")


def verify(run: options.Run, as_json: options.Json = False) -> None:
    """Read every stored file and compare it with its hash; damaged ones are made again by the next render."""
    from storymem.cli.terminal import print_json
    from storymem.errors import RunStoreError
    from storymem.store.runstore import RunStore

    with RunStore(run, write=True) as store:
        bad = store.verify()
    if as_json:
        print_json({"damaged": bad})
    elif not bad:
        echo("all files are as recorded")
    if bad:
        raise RunStoreError(
            f"{run}: {len(bad)} files are damaged ({', '.join(bad[:3])}); storymem resume {run} makes them again"
        )


def _board(store: RunStore) -> Storyboard:
    from storymem.errors import RunStoreError
    from storymem.script.models import StoryScript
    from storymem.storyboard import Storyboard

    script = store.meta("script")
    if script is None:
        raise RunStoreError(f"{store.folder}: was never rendered into; use storymem render")
    return Storyboard(StoryScript.model_validate_json(script))


def _require_shot(store: RunStore, shot: str) -> None:
    from storymem.errors import GraphError, RunStoreError

    try:
        _board(store).shot(shot)
    except GraphError as error:
        raise RunStoreError(f"{store.folder}: {error}") from error


def _check_redo(seed: int | None, prompt: str | None, reset: bool) -> None:
    from pydantic import TypeAdapter, ValidationError

    from storymem.errors import SettingsError
    from storymem.script.models import Prompt
    from storymem.validation import describe

    if reset and (seed is not None or prompt is not None):
        raise SettingsError("--reset goes back to the script; it cannot be given together with --seed or --prompt")
    try:
        TypeAdapter(Prompt | None).validate_python(prompt)
    except ValidationError as error:
        raise SettingsError(f"--prompt: {describe(error)}") from error


def _override(store: RunStore, shot: str, seed: int | None, prompt: str | None) -> Override:
    from storymem.engine.keys import shot_seed
    from storymem.store.records import Override

    before = store.overrides().get(shot, Override(None, None))
    if seed is None and prompt is None:
        story = _board(store).script
        seed = shot_seed(story.seed, shot, attempt=max((take.number for take in store.takes(shot)), default=0))
    return Override(before.seed if seed is None else seed, before.prompt if prompt is None else prompt)


def _status_rows(store: RunStore) -> list[dict[str, object]]:
    from dataclasses import asdict

    current = {c.shot: c for c in store.finished()}
    takes_by_number = {(t.shot, t.number): t for t in store.takes()}
    selections, failures = store.selections(), store.failures()
    rows: list[dict[str, object]] = []
    for shot in _board(store):
        now = current.get(shot.id)
        row: dict[str, object] = {"shot": shot.id, "state": "failed" if shot.id in failures else "waiting"}
        if now is not None and shot.id not in failures:
            take, selection = takes_by_number[shot.id, now.take], selections[now.selection]
            row |= {
                "state": "finished",
                "take": now.take,
                "pinned": take.pinned,
                "mode": take.request["mode"],
                "recalled": take.request["recalled"],
                "keyframes": [k.frame for k in selection.keyframes],
                "rejections": [asdict(r) for r in selection.rejections],
            }
        if shot.id in failures:
            row["error"] = failures[shot.id]
        rows.append(row)
    return rows


def _status_line(row: dict[str, object]) -> str:
    if row["state"] != "finished":
        return f"{row['shot']:<8} {row['state']}  {row.get('error', '')}".rstrip()
    recalled, keyframes, rejections = row["recalled"], row["keyframes"], row["rejections"]
    assert isinstance(recalled, list) and isinstance(keyframes, list) and isinstance(rejections, list)  # noqa: PT018
    line = f"{row['shot']:<8} take {row['take']:<3} {row['mode']:<6} recalled {len(recalled):<3} keyframes {keyframes}"
    refused = [f"{r['frame']} by {r['filter']} ({r['score']:.3g} < {r['threshold']:.3g})" for r in rejections]
    return line + (f"  refused {'; '.join(refused)}" if refused else "")
