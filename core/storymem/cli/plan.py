"""``storymem plan``, ``storymem revise`` and ``storymem make``."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from storymem.cli import options
from storymem.cli.terminal import echo, next_step

if TYPE_CHECKING:
    from storymem.interfaces import Brief
    from storymem.plugin import PluginHost
    from storymem.values.script import StoryScript

#: Seconds of film that one shot usually gives (StoryMem, section 4.1).
SHOT_SECONDS = 5.0
SCRIPT_NAME = "story.json"
#: Key in a script's metadata of the hash of what ``make`` was asked for.
BRIEF_HASH = "make_sha256"

Text = Annotated[str, typer.Argument(help="An idea or a story; - reads standard input.", show_default=False)]
FromFile = Annotated[Path | None, typer.Option("--from", help="Read the story from a text file.")]
Shots = Annotated[int | None, typer.Option(min=1, help="Number of shots; 8 if not given.")]
Seconds = Annotated[float | None, typer.Option(min=1, help="Length of the film, instead of --shots; 5 s a shot.")]
Style = Annotated[str, typer.Option(help="Look of the film, added to every prompt.")]
Language = Annotated[str, typer.Option(help="Language of the prompts, as an English name.")]
Cast = Annotated[Path | None, typer.Option(help="Script or {entities: [...]} file whose entities must be used.")]
Planner = Annotated[str, typer.Option(help="Plugin of kind planner: outline, llm, local.")]
PlannerSet = Annotated[
    list[str] | None, typer.Option("--planner-set", metavar="KEY=VALUE", help="A planner setting; may be repeated.")
]
PlanSeed = Annotated[str, typer.Option(help="Seed of planner and story, 0 to 2**64-1; -1 draws one.")]


def plan(
    text: Text = "",
    out: Annotated[Path, typer.Option("--out", "-o", help="Script to write.")] = Path(SCRIPT_NAME),
    from_file: FromFile = None,
    shots: Shots = None,
    seconds: Seconds = None,
    style: Style = "",
    language: Language = "English",
    cast: Cast = None,
    seed: PlanSeed = "0",
    planner: Planner = "outline",
    planner_set: PlannerSet = None,
    force: options.Force = False,
    plugin: options.PluginFiles = None,
) -> None:
    """Turn an idea or a written story into a script."""
    from storymem.plugin import PluginHost
    from storymem.script.writing import write_script

    _keep(out, force)
    host = PluginHost(plugin or [])
    brief = _brief(_text(text, from_file), shots, seconds, style, language, _cast(cast, out.parent, host), _seed(seed))
    script = _planned(brief, planner, planner_set, host)
    write_script(out, script)
    _report(out, script, host)
    next_step("storymem render", out)


def revise(
    script: Annotated[Path, typer.Argument(help="Script of the project's own form.")],
    request: Annotated[str, typer.Argument(help="What to change, in plain words.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Where to write; the script itself if not given.")
    ] = None,
    planner: Annotated[str, typer.Option(help="Planner that can revise: llm, local.")] = "llm",
    planner_set: PlannerSet = None,
    force: options.Force = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    plugin: options.PluginFiles = None,
    as_json: options.Json = False,
) -> None:
    """Change what is asked and nothing else; the difference is shown, and untouched shots keep their takes."""
    from storymem.cli.terminal import print_json
    from storymem.plugin import PluginHost
    from storymem.script import services
    from storymem.script.changes import diff_scripts, render_diff
    from storymem.script.writing import check_free, write_script

    host = PluginHost(plugin or [])
    before = services.read_script(script, host)[1]
    target = out or script
    if out is not None and not dry_run:
        check_free(out, force=force)
    with _progress() as progress:
        after = services.revise(before, request, planner, plugin_settings(planner_set), host, progress)
    changes = diff_scripts(before, after)
    if as_json:
        print_json([change.to_json() for change in changes])
    else:
        echo(render_diff(changes) or "nothing changed")
    if not dry_run:
        write_script(target, services.rebased(after, script.parent, target.parent) if out else after)
        next_step("storymem render", target)


def make(
    text: Text = "",
    out: Annotated[Path, typer.Option("--out", "-o", help="Run folder; the script goes in there, too.")] = Path(
        "films/film"
    ),
    from_file: FromFile = None,
    shots: Shots = None,
    seconds: Seconds = None,
    style: Style = "",
    language: Language = "English",
    cast: Cast = None,
    planner: Planner = "outline",
    planner_set: PlannerSet = None,
    config: options.Config = None,
    assign: options.Set = None,
    plugin: options.PluginFiles = None,
    backbone: options.Backbone = None,
    size: options.Size = None,
    frames: options.Frames = None,
    seed: options.Seed = None,
    workers: options.Workers = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """From an idea to a film: plan, lint with every mechanical fix, render. Again in the same folder, it resumes."""
    from storymem.cli.render import run_render
    from storymem.plugin import PluginHost

    shortcuts = {"backbone": backbone, "size": size, "frames": frames, "seed": seed, "workers": workers}
    host = PluginHost(plugin or [])
    resolved = options.settings_from(host, config, assign, shortcuts)
    given = _cast(cast, out, host)
    brief = _brief(_text(text, from_file), shots, seconds, style, language, given, resolved.settings.seed or 0)
    path = out / SCRIPT_NAME
    brief_hash = _brief_hash(brief, planner, planner_set)
    if not _made_before(path, brief_hash, host):
        script = _planned(brief, planner, planner_set, host)
        script = script.model_copy(update={"metadata": {**script.metadata, BRIEF_HASH: brief_hash}})
        _write_fixed(path, script, resolved.settings.budget)
    run_render(path, out, resolved, host, None, as_json, quiet)
    if not quiet:
        next_step("storymem status", out)


def _write_fixed(path: Path, script: StoryScript, budget: int) -> None:
    from storymem.errors import ScriptError
    from storymem.script.lint import apply_fixes, has_errors, lint
    from storymem.script.writing import write_script

    script, _ = apply_fixes(script, budget)
    write_script(path, script)
    left = lint(script, budget, base=path.parent)
    for finding in left:
        echo(str(finding), err=True)
    if has_errors(left):
        raise ScriptError(f"{path}: has errors that cannot be fixed mechanically; edit it and run storymem render")


def _brief_hash(brief: Brief, planner: str, assignments: list[str] | None) -> str:
    """Return the hash of what was asked of a planner; the seed, which a run may change, is no part of it."""
    import hashlib
    import json

    cast = [entity.model_dump(mode="json") for entity in brief.cast]
    asked = [planner, plugin_settings(assignments), brief.text, brief.shots, brief.style, brief.language, cast]
    return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()


def _made_before(path: Path, brief_hash: str, host: PluginHost) -> bool:
    """Whether the folder already holds the script of this brief; that of another is an error."""
    from storymem.errors import ScriptError
    from storymem.script.loader import load_script

    if not path.exists():
        return False
    if load_script(path, host).metadata.get(BRIEF_HASH) == brief_hash:
        return True
    raise ScriptError(f"{path}: was made from another brief; choose another --out, or run storymem render {path}")


def _planned(brief: Brief, planner: str, assignments: list[str] | None, host: PluginHost) -> StoryScript:
    from storymem.script import services

    with _progress() as progress:
        return services.plan(brief, planner, plugin_settings(assignments), host, progress)


def plugin_settings(assignments: list[str] | None) -> dict[str, Any]:
    """Return ``KEY=VALUE`` texts as one plugin's settings."""
    from storymem.settings.sources import assignments_layer

    return dict(assignments_layer("command line", assignments or []).values)


def _brief(
    text: str,
    shots: int | None,
    seconds: float | None,
    style: str,
    language: str,
    cast: tuple[Any, ...],
    seed: int,
) -> Brief:
    from storymem.errors import ScriptError
    from storymem.interfaces import Brief

    if shots is not None and seconds is not None:
        raise ScriptError("give --shots or --seconds, not both")
    if seconds is not None:
        if not math.isfinite(seconds):
            raise ScriptError(f"--seconds {seconds}: must be a number of seconds")
        shots = max(1, round(seconds / SHOT_SECONDS))
    return Brief(text, shots or 8, style, language, cast, seed)


def _seed(text: str) -> int:
    from pydantic import TypeAdapter, ValidationError

    from storymem.errors import SettingsError
    from storymem.validation import describe
    from storymem.values.script import Seed

    try:
        seed: int = TypeAdapter(Seed).validate_python(text)
    except ValidationError as error:
        raise SettingsError(f"--seed {text}: {describe(error)}") from error
    return seed


def _text(text: str, file: Path | None) -> str:
    from storymem.errors import ScriptError
    from storymem.script.services import MAX_BRIEF

    if bool(text) == bool(file):
        raise ScriptError("give the idea as an argument, or a file with --from")
    if file is None:
        return sys.stdin.read(MAX_BRIEF + 1) if text == "-" else text
    try:
        if file.stat().st_size > 4 * MAX_BRIEF:
            raise ScriptError(f"{file}: is too long for a brief; at most {MAX_BRIEF} characters")
        return file.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ScriptError(f"{file}: is not UTF-8 text (byte {error.start})") from error
    except OSError as error:
        raise ScriptError(f"{file}: cannot be read: {error.strerror}") from error


def _cast(file: Path | None, folder: Path, host: PluginHost) -> tuple[Any, ...]:
    from storymem.script.services import read_cast

    return read_cast(file, folder, host) if file else ()


def _keep(out: Path, force: bool) -> None:
    from storymem.script.writing import check_free, check_suffix

    check_free(out, force=force)
    check_suffix(out)  # before a model is asked, not after


def _report(out: Path, script: StoryScript, host: PluginHost) -> None:
    from storymem.script.lint import lint

    shots = sum(len(scene.shots) for scene in script.scenes)
    budget = options.settings_from(host, None, None, {}).settings.budget  # as a render in this folder would
    findings = len(lint(script, budget, base=out.parent))
    hint = f"; {findings} lint findings, see: storymem lint {out}" if findings else ""
    echo(f"{out} ({script.title}: {len(script.scenes)} scenes, {shots} shots{hint})")


@contextmanager
def _progress() -> Iterator[Any]:
    """Yield what prints a planner's progress to standard error; Ctrl-C becomes a cancellation."""
    from storymem.errors import Cancelled
    from storymem.text import one_line

    terminal = sys.stderr.isatty()

    def show(line: str) -> None:
        line, counting = one_line(line), line.endswith("characters")
        if terminal:
            sys.stderr.write(f"\r\x1b[K{line}" + ("" if counting else "\n"))
            sys.stderr.flush()
        elif not counting:
            echo(line, err=True)

    try:
        yield show
    except KeyboardInterrupt as error:
        raise Cancelled("planning was cancelled; answers that were received stay in the cache") from error
