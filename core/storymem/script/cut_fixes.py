"""Fixes parsed data that does not load as it is: a first shot that is no cut, and lists that leave cuts out.

Knows the two ways in which forms write cuts: a key of the shot, and a list beside the prompts.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import JsonValue

from storymem.script.edits import MakeCut
from storymem.script.findings import Finding, Severity

_NO = frozenset({"false", "no", "off", "0", "n", "f"})


def fix_cuts(data: JsonValue) -> list[Finding]:
    """Fix ``data`` in place and return what was fixed."""
    return [*_first_shot(data), *_cut_lists(data)]


def _first_shot(data: JsonValue) -> Iterator[Finding]:
    scene = _item(_item(data, "scenes"), 0)
    shot, cuts = _item(_item(scene, "shots"), 0), _item(scene, "cut")
    reason, advice = "the first shot has nothing to continue", "make it a cut"
    if isinstance(shot, dict) and _denied(shot.get("cut")):
        shot["cut"] = True
    elif isinstance(cuts, list) and cuts and _denied(cuts[0]):
        cuts[0] = True
    else:
        return
    yield Finding("1.1", "first-shot-cut", Severity.ERROR, reason, advice, MakeCut("1.1"))


def _cut_lists(data: JsonValue) -> Iterator[Finding]:
    """Complete lists of cuts that are shorter than their prompts; a shot they leave out becomes a cut."""
    scenes = _item(data, "scenes")
    for number, scene in enumerate(scenes if isinstance(scenes, list) else [], start=1):
        prompts, cuts = _item(scene, "video_prompts"), _item(scene, "cut")
        if not isinstance(prompts, list) or not isinstance(cuts, list):
            continue
        cuts += [None] * (len(prompts) - len(cuts))
        for index, cut in enumerate(cuts):
            if cut is None:
                cuts[index] = True
                shot = f"{number}.{index + 1}"
                reason = "the scene's list of cuts does not say whether this shot is one"
                yield Finding(shot, "cut-missing", Severity.ERROR, reason, "make it a cut", MakeCut(shot))


def _item(data: JsonValue, key: str | int) -> JsonValue:
    if isinstance(key, str):
        return data.get(key) if isinstance(data, dict) else None
    return data[key] if isinstance(data, list) and len(data) > key else None


def _denied(value: JsonValue) -> bool:
    if isinstance(value, str):
        return value.strip().lower() in _NO
    return value is not None and not value and not isinstance(value, list | dict)
