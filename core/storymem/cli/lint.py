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
    from storymem.script.models import StoryScript

ERRORS_FOUND = 1


def lint(
    script: Annotated[Path, typer.Argument(help="Story script of any known form.")],
    budget: Annotated[int, typer.Option(min=0, help="Keyframes that a shot may recall.")] = 8,
    fix: Annotated[bool, typer.Option("--fix", help="Mend what can be mended mechanically.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Where to write the mended script; the file itself if not given.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Fail on warnings, too.")] = False,
    plugin: options.PluginFiles = None,
    as_json: options.Json = False,
) -> None:
    """Say what in a script will not film well, and why; exit 1 if anything is wrong."""
    from storymem.plugin import PluginHost
    from storymem.script.lint import has_errors
    from storymem.script.lint import lint as find

    host = PluginHost(plugin or [])
    form, story, mended = _read(script, host, mend=fix)
    if fix:
        story, mended = _mend(story, budget, mended)
        _write(story, form, script, out, mended)
    left = find(story, budget, base=script.parent)
    _print(left, mended, as_json)
    if has_errors(left) or (strict and left):
        raise typer.Exit(ERRORS_FOUND)


def _read(path: Path, host: PluginHost, *, mend: bool) -> tuple[str, StoryScript, list[Finding]]:
    """Load a script; with ``mend``, also one whose first shot is no cut."""
    from storymem.script.edits import MakeCut
    from storymem.script.findings import Finding, Severity
    from storymem.script.loader import parse_script
    from storymem.script.parsing import read_data
    from storymem.script.services import first_shot_mended

    data = read_data(path)
    mended: list[Finding] = []
    if mend:
        data, was_wrong = first_shot_mended(data)
        if was_wrong:
            reason, advice = "the first shot has nothing to continue", "make it a cut"
            mended.append(Finding("1.1", "first-shot-cut", Severity.ERROR, reason, advice, MakeCut("1.1")))
    form, story = parse_script(data, path, host)
    return form, story, mended


def _mend(story: StoryScript, budget: int, mended: list[Finding]) -> tuple[StoryScript, list[Finding]]:
    from storymem.script.lint import apply_fixes

    story, more = apply_fixes(story, budget)
    return story, [*mended, *more]


def _write(story: StoryScript, form: str, script: Path, out: Path | None, mended: list[Finding]) -> None:
    from storymem.errors import ScriptError
    from storymem.script.loader import NATIVE
    from storymem.script.services import rebased
    from storymem.script.writing import write_script

    if not mended and out is None:
        return
    if form != NATIVE and out is None:
        raise ScriptError(f"{script}: is of the form {form}, which --fix does not write; add --out story.json")
    target = out or script
    write_script(target, rebased(story, script.parent, target.parent) if out else story)


def _print(left: list[Finding], mended: list[Finding], as_json: bool) -> None:
    from storymem.cli.terminal import print_json

    if as_json:
        print_json({"findings": [f.to_json() for f in left], "fixed": [f.to_json() for f in mended]})
        return
    for finding in mended:
        echo(f"fixed: {finding}")
    for finding in left:
        echo(f"{finding}{' (--fix does)' if finding.fix else ''}")
    errors = sum(finding.severity == "error" for finding in left)
    echo(f"{errors} errors, {len(left) - errors} warnings{f', {len(mended)} fixed' if mended else ''}")
