"""``storymem lint``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from storymem.cli import options
from storymem.cli.terminal import echo

if TYPE_CHECKING:
    from storymem.plugin import PluginHost
    from storymem.script.findings import Finding
    from storymem.values.script import StoryScript

ERRORS_FOUND = 1


def lint(
    script: Annotated[Path, typer.Argument(help="Story script of any known form.")],
    budget: Annotated[
        int | None, typer.Option(min=0, help="Keyframes that a shot may recall; as a render would if not given.")
    ] = None,
    frames: Annotated[int, typer.Option(min=1, help="Frames of a shot that does not say how many it has.")] = 81,
    fps: Annotated[int, typer.Option(min=1, help="Frames per second.")] = 16,
    fix: Annotated[bool, typer.Option("--fix", help="Fix what can be fixed mechanically.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Where to write the fixed script; the file if not given.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Fail on warnings, too.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Write over an existing --out, or a file whose comments are lost by it.")
    ] = False,
    config: options.Config = None,
    assign: options.Set = None,
    plugin: options.PluginFiles = None,
    as_json: options.Json = False,
) -> None:
    """Say what in a script will not film well, and why; exit 1 if anything is wrong."""
    from storymem.plugin import PluginHost
    from storymem.script.lint import apply_fixes, has_errors
    from storymem.script.lint import lint as find
    from storymem.script.rules import Pace

    host = PluginHost(plugin or [])
    budget = options.settings_from(host, config, assign, {"budget": budget}).settings.budget
    form, before, fixed = _read(script, host, fix=fix)
    story = before
    if fix:
        story, more = apply_fixes(before, budget)
        fixed += more
        if out is not None:
            _write_new(story, script, out, force)
        elif fixed:
            _write_in_place(script, form, (before, story), host, force)
    left = find(story, budget, base=script.parent, pace=Pace(frames, fps))
    _print(left, fixed, as_json)
    if has_errors(left) or (strict and left):
        raise typer.Exit(ERRORS_FOUND)


def _read(path: Path, host: PluginHost, *, fix: bool) -> tuple[str, StoryScript, list[Finding]]:
    """Load a script; with ``fix``, also one that leaves cuts out."""
    from storymem.script.cut_fixes import fix_cuts
    from storymem.script.loader import parse_script
    from storymem.script.parsing import read_data

    data = read_data(path)
    fixed = fix_cuts(data) if fix else []
    form, story = parse_script(data, path, host)
    return form, story, fixed


def _write_new(story: StoryScript, script: Path, out: Path, force: bool) -> None:
    from storymem.script.services import rebased
    from storymem.script.writing import check_free, write_script

    check_free(out, force=force)
    write_script(out, rebased(story, script.parent, out.parent))


def _write_in_place(
    script: Path, form: str, stories: tuple[StoryScript, StoryScript], host: PluginHost, force: bool
) -> None:
    """Write the script back in its own form; YAML keeps its comments and layout.

    Raises:
        ScriptError: The form, or the notation without ``force``, would lose something.
    """
    from storymem.errors import ScriptError
    from storymem.script import services
    from storymem.script.keeping import has_comments
    from storymem.script.writing import write_data, write_text

    (before, _), (after, losses) = (services.convert(story, form, host) for story in stories)
    if losses:
        raise ScriptError(f"{script}: the form {form} cannot hold {'; '.join(losses)}; add --out story.json")
    text, suffix = script.read_text("utf-8-sig"), script.suffix.lower()
    try:
        if suffix in (".yaml", ".yml"):
            write_text(script, services.edited(script, text, (before, after), stories[1], host))
            return
        if has_comments(text, suffix):
            raise ScriptError("has comments or JSON5 that would be lost")  # noqa: TRY301 - reported below, in one place
    except ScriptError as error:
        if not force:
            raise ScriptError(f"{script}: {error}; add --out story.json, or --force to write it anyway") from error
    write_data(script, after)


def _print(left: list[Finding], fixed: list[Finding], as_json: bool) -> None:
    from storymem.cli.terminal import print_json

    if as_json:
        print_json({"findings": [f.to_json() for f in left], "fixed": [f.to_json() for f in fixed]})
        return
    for finding in fixed:
        echo(f"fixed: {finding}")
    for finding in left:
        echo(f"{finding}{' (--fix does)' if finding.fix else ''}")
    errors = sum(finding.severity == "error" for finding in left)
    echo(f"{errors} errors, {len(left) - errors} warnings{f', {len(fixed)} fixed' if fixed else ''}")
