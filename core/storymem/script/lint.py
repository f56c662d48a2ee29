"""Finds what will not film well, before anything is rendered, and fixes what can be fixed mechanically.

``storymem lint`` prints what :func:`lint` returns. The rules are in :mod:`storymem.script.rules`. English
word lists find what a silent, single-take video model cannot show; the other rules know no language.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from storymem.script import rules
from storymem.script.findings import Finding, Severity
from storymem.script.mentions import TokenCounter, estimate_tokens
from storymem.values.script import StoryScript

__all__ = ["Finding", "Severity", "apply_fixes", "has_errors", "lint"]

_ROUNDS = 64
#: The clips of the default model: five seconds.
_PACE = rules.Pace()


def lint(
    script: StoryScript,
    budget: int,
    token_counter: TokenCounter = estimate_tokens,
    base: Path | None = None,
    pace: rules.Pace = _PACE,
) -> list[Finding]:
    """Return findings about the story, then about its shots in order.

    Args:
        script: A valid script.
        budget: Keyframes that a shot may recall; a shot with more entities cannot be reminded of them all.
        token_counter: Counts the tokens of a prompt; an estimate by default.
        base: Folder of the script, to look for its reference images; None leaves them unchecked.
        pace: How long shots are, to see whether their lines fit.
    """
    story = [*rules.references(script, budget, base), *rules.names(script), *rules.recurrence(script)]
    shots = [
        *rules.anchors(script, base),
        *rules.lengths(script, token_counter),
        *rules.looks(script, token_counter),
        *rules.listings(script),
        *rules.places(script),
        *rules.framings(script),
        *rules.crowds(script, budget),
        *rules.repeats(script),
        *rules.unfilmable(script),
        *rules.speech(script, pace),
    ]
    order = {script.shot_id(i, j): (i, j) for i, scene in enumerate(script.scenes) for j in range(len(scene.shots))}
    return [*story, *sorted(shots, key=lambda finding: order[finding.shot])]


def has_errors(findings: Sequence[Finding]) -> bool:
    """Whether any finding is an error."""
    return any(finding.severity is Severity.ERROR for finding in findings)


def apply_fixes(
    script: StoryScript, budget: int, token_counter: TokenCounter = estimate_tokens
) -> tuple[StoryScript, list[Finding]]:
    """Apply every fix, and the fixes of what they uncover, and return what was fixed.

    One fix can require or rule out another (listing an entity uncovers a missing look, a longer prompt has
    no room for the next), so each round fixes one thing per shot and runs the rules again, at most 64 times.
    """
    fixed: list[Finding] = []
    for _ in range(_ROUNDS):
        found = [finding for finding in lint(script, budget, token_counter) if finding.fix]
        fixes = [*(f for f in found if not f.shot), *{f.shot: f for f in reversed(found) if f.shot}.values()]
        if not fixes:
            break
        for finding in fixes:
            script = finding.fix.apply(script) if finding.fix else script
        fixed += fixes
    return StoryScript.model_validate(dict(script)), fixed
