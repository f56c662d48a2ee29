"""The lint rules. Each takes a valid script and yields findings; none changes anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from storymem.errors import ScriptError
from storymem.script.edits import AddLook, DropEntity, ListEntity, MakeCut
from storymem.script.findings import Finding, Severity
from storymem.script.framing import opening_size, told_content
from storymem.script.mentions import TokenCounter, mentions, missing_looks, negated, with_look
from storymem.script.references import anchor_path, reference_path
from storymem.script.speech import spoken_seconds
from storymem.script.unfilmable import UNFILMABLE
from storymem.values.script import Entity, EntityKind, Shot, StoryScript

#: What the text encoder of current video models reads; the rest of a prompt is cut off silently.
MAX_TOKENS = 512


@dataclass(frozen=True, slots=True)
class Pace:
    """How long shots are that do not say so themselves: their number of frames, and the frames of a second."""

    frames: int = 81
    fps: int = 16


def all_shots(script: StoryScript) -> Iterator[tuple[str, Shot]]:
    """Yield id and shot, in story order."""
    for i, scene in enumerate(script.scenes):
        for j, shot in enumerate(scene.shots):
            yield script.shot_id(i, j), shot


def references(script: StoryScript, budget: int, base: Path | None) -> Iterator[Finding]:
    """``reference-missing`` and ``references-crowd``: pictures that are not there, or more than fit in memory."""
    for entity in script.entities if base else ():
        for name in entity.references:
            try:
                reference_path(base or Path(), entity.id, name)
            except ScriptError as error:
                yield Finding("", "reference-missing", Severity.ERROR, str(error), "add the file or drop the reference")
    count = sum(len(entity.references) for entity in script.entities)
    if count > budget:
        reason = f"{count} reference images, but a shot recalls at most {budget} keyframes"
        yield Finding("", "references-crowd", Severity.WARNING, reason, "keep one picture of each entity")


def anchors(script: StoryScript, base: Path | None) -> Iterator[Finding]:
    """``anchor-missing`` and ``anchor-unknown``: pictures or shots that are not there."""
    ids = {shot_id for shot_id, _ in all_shots(script)}
    for shot_id, shot in all_shots(script):
        for anchor in shot.anchors:
            if anchor.shot == shot_id or (anchor.shot and anchor.shot not in ids):
                reason = (
                    f"is anchored to shot {anchor.shot}, which is {'itself' if anchor.shot in ids else 'not there'}"
                )
                yield Finding(shot_id, "anchor-unknown", Severity.ERROR, reason, "name another shot of the story")
            elif anchor.image and base and (reason := _missing_anchor(base, shot_id, anchor.image)):
                yield Finding(shot_id, "anchor-missing", Severity.ERROR, reason, "add the file or drop the anchor")


def _missing_anchor(base: Path, shot_id: str, image: str) -> str:
    try:
        anchor_path(base, shot_id, image)
    except ScriptError as error:
        return str(error)
    return ""


def names(script: StoryScript) -> Iterator[Finding]:
    """``same-name``: two entities that prompts cannot tell apart."""
    for name, count in Counter(entity.label.lower() for entity in script.entities).items():
        if count > 1:
            reason = f"{count} entities are called {name!r}"
            yield Finding("", "same-name", Severity.WARNING, reason, "give each its own name")


def recurrence(script: StoryScript) -> Iterator[Finding]:
    """``entity-unused`` and ``entity-once``: what need not be remembered."""
    uses = Counter(name for _, shot in all_shots(script) for name in set(shot.entities))
    named = {
        e.id for e in script.entities for _, shot in all_shots(script) if not uses[e.id] and mentions(shot.prompt, e)
    }
    for entity in script.entities:
        if uses[entity.id] == 1:
            reason = f"{entity.id!r} is shown in one shot only"
            advice = "that is fine for a walk-on; show it again, or describe it in that prompt alone"
            yield Finding("", "entity-once", Severity.WARNING, reason, advice)
        elif not uses[entity.id] and entity.id not in named:
            fix = None if entity.references else DropEntity(entity.id)
            reason = f"{entity.id!r} is never shown"
            yield Finding("", "entity-unused", Severity.WARNING, reason, "show it or remove it", fix)


def lengths(script: StoryScript, count: TokenCounter) -> Iterator[Finding]:
    """``prompt-too-long``: the text encoder reads 512 tokens and drops the rest without a word."""
    for shot_id, shot in all_shots(script):
        tokens = count(f"{shot.prompt} {script.style}".strip())
        if tokens > MAX_TOKENS:
            reason = f"the prompt has about {tokens} tokens with the style; {MAX_TOKENS} are read"
            yield Finding(shot_id, "prompt-too-long", Severity.ERROR, reason, "shorten it or split the shot")


def looks(script: StoryScript, count: TokenCounter) -> Iterator[Finding]:
    """``look-missing``: a video model knows no names, so each prompt must repeat the look."""
    for shot_id, shot in all_shots(script):
        for entity in missing_looks(script, shot):
            reason = f"{entity.label!r} is shown without its look ({_short(entity.look)})"
            longer = count(f"{with_look(shot.prompt, entity)} {script.style}")
            fix = AddLook(shot_id, entity.id) if longer <= MAX_TOKENS else None
            yield Finding(shot_id, "look-missing", Severity.WARNING, reason, "repeat the look in the prompt", fix)


def listings(script: StoryScript) -> Iterator[Finding]:
    """``entity-unlisted``: memory is recalled for listed entities alone."""
    for shot_id, shot in all_shots(script):
        for entity in script.entities:
            if entity.id not in shot.entities and mentions(shot.prompt, entity) and not _inside(entity, script, shot):
                reason = f"the prompt names {entity.label!r}, but the shot does not list it"
                fix = ListEntity(shot_id, entity.id)
                yield Finding(shot_id, "entity-unlisted", Severity.WARNING, reason, "list it under entities", fix)


def _inside(entity: Entity, script: StoryScript, shot: Shot) -> bool:
    """Whether the name is only part of a listed entity's name or look ("fox" in "fox hat")."""
    prompt = shot.prompt.lower()
    for other in script.entities:
        if other.id in shot.entities:
            prompt = prompt.replace(other.look.lower() or "\0", " ").replace(other.label.lower(), " ")
    return not mentions(prompt, entity.model_copy(update={"name": entity.label.lower()}))


def places(script: StoryScript) -> Iterator[Finding]:
    """``place-change``: a shot without a cut continues where the last one ended."""
    kinds = {entity.id: entity.kind for entity in script.entities}
    before: tuple[Shot, str] | None = None
    for i, scene in enumerate(script.scenes):
        for j, shot in enumerate(scene.shots):
            if before and not shot.cut and (change := _moved(kinds, before, (shot, scene.setting))):
                shot_id = script.shot_id(i, j)
                reason = f"not a cut, but the place changes from {change[0]} to {change[1]}"
                fix = MakeCut(shot_id)
                yield Finding(shot_id, "place-change", Severity.ERROR, reason, "make it a cut or keep the place", fix)
            before = (shot, scene.setting)


def _moved(kinds: dict[str, EntityKind], before: tuple[Shot, str], after: tuple[Shot, str]) -> tuple[str, str] | None:
    old, new = ({name for name in shot.entities if kinds[name] is EntityKind.PLACE} for shot in (before[0], after[0]))
    if old and new:
        return None if old & new else (", ".join(sorted(old)), ", ".join(sorted(new)))
    if before[1] and after[1] and before[1] != after[1]:
        return repr(_short(before[1])), repr(_short(after[1]))
    return None


def framings(script: StoryScript) -> Iterator[Finding]:
    """``framing-change``: without a cut the camera would have to jump, and models show a ghost where it does."""
    before = ""
    for shot_id, shot in all_shots(script):
        size = opening_size(shot.prompt)
        if size and before and size != before and not shot.cut:
            reason = f"not a cut, but it begins as a {size} shot where the one before is a {before} shot"
            advice = "make it a cut, or keep the framing and tell how the camera moves"
            yield Finding(shot_id, "framing-change", Severity.WARNING, reason, advice, MakeCut(shot_id))
        before = size if size or shot.cut else before


def crowds(script: StoryScript, budget: int) -> Iterator[Finding]:
    """``entity-crowd``: more entities than keyframes that can be recalled for them."""
    for shot_id, shot in all_shots(script):
        count = len(set(shot.entities))
        if count > max(budget, 1):
            reason = f"shows {count} entities, but at most {budget} keyframes are recalled"
            yield Finding(shot_id, "entity-crowd", Severity.WARNING, reason, "show fewer or raise the budget")


def repeats(script: StoryScript) -> Iterator[Finding]:
    """``same-prompt``: the same words give nearly the same shot, also in another framing."""
    first: dict[frozenset[str], str] = {}
    previous = ("", "")
    for shot_id, shot in all_shots(script):
        content = told_content(shot.prompt)
        if shot.prompt == previous[1]:
            reason = f"has the same prompt as shot {previous[0]}"
            yield Finding(shot_id, "same-prompt", Severity.WARNING, reason, "say what is different, or drop one")
        elif content in first:
            reason = f"shows only what shot {first[content]} shows, in another framing"
            advice = "show what happens next, or drop one"
            yield Finding(shot_id, "same-prompt", Severity.WARNING, reason, advice)
        if content:
            first.setdefault(content, shot_id)
        previous = (shot_id, shot.prompt)


def unfilmable(script: StoryScript) -> Iterator[Finding]:
    """``sound``, ``lettering``, ``motion`` and ``many-shots``: what one silent take of a few seconds cannot show."""
    for shot_id, shot in all_shots(script):
        for kind in UNFILMABLE:
            match = kind.pattern.search(shot.prompt)
            if match and not negated(shot.prompt, match.start()):
                reason = f"{_short(match.group())!r} {kind.reason}"
                yield Finding(shot_id, kind.rule, Severity.WARNING, reason, kind.suggestion)


def speech(script: StoryScript, pace: Pace) -> Iterator[Finding]:
    """``lines-too-long``: narration and dialogue that take longer to say than their shot lasts."""
    for shot_id, shot in all_shots(script):
        needed, lasts = spoken_seconds(shot), (shot.frames or pace.frames) / pace.fps
        if needed > lasts:
            reason = f"its lines take about {needed:.1f} s to say, the shot lasts {lasts:.1f} s"
            advice = f"shorten them, move some to another shot, or give it {ceil(needed * pace.fps)} frames"
            yield Finding(shot_id, "lines-too-long", Severity.WARNING, reason, advice)


def _short(text: str, limit: int = 60) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else f"{flat[:limit]}..."
