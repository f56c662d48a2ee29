"""Cuts a written story into shots by its own sentences. No model, no network, no chance.

What the story does not say is not made up: a one-line idea becomes the same moment in several framings. It
does not translate; camera words are English.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from storymem.errors import ScriptError
from storymem.interfaces import Brief, ScriptPlanner
from storymem.script.mentions import missing_looks, with_look
from storymem.script.rules import framings
from storymem.values.script import Entity, Scene, Shot, StoryScript
from storymem_plugins.planning.dividing import allot, merge_down, split_evenly
from storymem_plugins.planning.outline.beats import Beat, find_beats, scenes_of
from storymem_plugins.planning.outline.cast import find_cast
from storymem_plugins.planning.outline.clauses import clauses_of
from storymem_plugins.planning.outline.sentences import Sentence, split_story, split_title
from storymem_plugins.planning.provenance import provenance, title_of

MAX_WORDS = 60  #: of the story's own text in one prompt
MAX_SHOWN = 5  #: entities in one shot
_FRAMINGS = (
    "Wide shot", "Medium shot", "Close-up", "Low-angle shot", "Medium shot from the side", "Wide shot from behind",
    "Close-up from the side", "High-angle shot",
)  # fmt: skip
_MOMENTS = ("", "just before", "as it begins", "halfway", "as it ends", "just after")
_CAMERAS = ("", "slow push in", "slow pull back", "camera glides left", "camera glides right")


class Outline(ScriptPlanner):
    """Splits a written story into shots by sentences and scenes; no model, deterministic."""

    def plan(self, brief: Brief, progress: Callable[[str], None]) -> StoryScript:
        """Return exactly ``brief.shots`` shots in the story's own words.

        Raises:
            ScriptError: The brief holds no sentence.
        """
        title, text = split_title(brief.text)
        sentences = _enough(split_story(text), brief.shots)
        if not sentences:
            raise ScriptError("the brief holds no words; say what the film is about")
        if brief.language.lower() != "english":
            progress(f"outline does not translate: prompts keep the brief's own words, not {brief.language}")
        cast = find_cast([sentence.text for sentence in sentences], brief.cast)
        scenes = merge_down(scenes_of(find_beats(sentences, cast)), brief.shots)
        progress(f"{len(sentences)} sentences, {len(scenes)} scenes, {len(cast)} entities")
        if short := _too_short(len(sentences), brief.shots):
            progress(short)
        counts = allot([len(scene) for scene in scenes], brief.shots)
        absent = _never_named(brief.cast, scenes)
        made = [_scene(scene, count, absent) for scene, count in zip(scenes, counts, strict=True)]
        return _with_framing_cuts(_with_looks(_script(brief, title, [s.text for s in sentences], cast, made)))


def _with_framing_cuts(script: StoryScript) -> StoryScript:
    """Return the script with cuts wherever the framing changes, as ``lint`` asks for."""
    for finding in list(framings(script)):
        script = script.with_shot(finding.shot, cut=True)
    return script


@dataclass(frozen=True, slots=True)
class _Draft:
    """A shot in the making."""

    text: str
    framing: str
    cut: bool
    shown: tuple[Entity, ...]

    def shot(self) -> Shot:
        return Shot(
            prompt=f"{self.framing}. {self.text}",
            cut=self.cut,
            entities=tuple(entity.id for entity in self.shown),
        )


def _too_short(told: int, shots: int) -> str:
    """Return what to say and do if a story tells less than its film shows; empty if it tells enough."""
    if told >= shots:
        return ""
    moments = "one moment" if told == 1 else f"{told} moments"
    return (
        f"the story tells {moments}, which cannot fill {shots} shots: {shots - told} of them show the same again in "
        f"another framing; tell more, about a sentence a shot, ask for --shots {told}, or let a model make up the rest "
        "with --planner llm"
    )


def _enough(sentences: list[Sentence], shots: int) -> list[Sentence]:
    """Return the sentences, divided into clauses where there are fewer of them than shots."""
    if len(sentences) >= shots:
        return sentences
    return [
        replace(sentence, text=clause, opens=sentence.opens and not index, title="" if index else sentence.title)
        for sentence in sentences
        for index, clause in enumerate(clauses_of(sentence.text))
    ]


def _scene(beats: list[Beat], count: int, absent: Sequence[Entity]) -> Scene:
    groups = split_evenly(beats, count) if count <= len(beats) else [[beat] for beat in beats]
    repeats = allot([1] * len(groups), count)
    drafts = [
        _draft(group, repeat, first=not (index or repeat), position=index)
        for index, (group, times) in enumerate(zip(groups, repeats, strict=True))
        for repeat in range(times)
    ]
    drafts[0] = _Draft(drafts[0].text, drafts[0].framing, cut=True, shown=_unique(drafts[0].shown, absent))
    flowing = [drafts[0], *(_continued(before, after) for before, after in pairwise(drafts))]
    # Scenes that were joined for want of shots have no setting in common.
    places = {beat.place.label for beat in beats if beat.place}
    place = places.pop() if len(places) == 1 else ""
    return Scene(shots=tuple(draft.shot() for draft in flowing), title=beats[0].title[:200], setting=place)


def _draft(group: list[Beat], repeat: int, *, first: bool, position: int) -> _Draft:
    framing = _FRAMINGS[0] if first else _framing(position + repeat if position or repeat else 0, repeat)
    text = _fitted([beat.text for beat in group])
    places = [beat.place for beat in group if beat.place]
    seen = _unique([entity for beat in group for entity in beat.cast], places[:1])
    if places and not places[0].look and places[0].label.lower() not in text.lower():
        text = f"{text} The place: {places[0].label}."
    flows = group[0].flows and not repeat
    return _Draft(text, framing, cut=not flows, shown=_unique(seen[: MAX_SHOWN - 1], places[:1]))


def _framing(turn: int, repeat: int) -> str:
    """Return a framing; a sentence filmed more often than there are framings gets moments and camera moves."""
    framing = _FRAMINGS[turn % len(_FRAMINGS)]
    moment = _MOMENTS[repeat // len(_FRAMINGS) % len(_MOMENTS)]
    camera = _CAMERAS[repeat // (len(_FRAMINGS) * len(_MOMENTS)) % len(_CAMERAS)]
    return ", ".join(part for part in (framing, moment, camera) if part)


def _continued(before: _Draft, after: _Draft) -> _Draft:
    """A shot without a cut keeps the framing of the one before it, and must be where that was."""
    places = [{e.id for e in draft.shown if e.kind == "place"} for draft in (before, after)]
    if after.cut or (places[0] and places[1] and not places[0] & places[1]):
        return _Draft(after.text, after.framing, cut=True, shown=after.shown)
    return _Draft(after.text, before.framing, cut=False, shown=after.shown)


def _fitted(sentences: list[str]) -> str:
    """Return as many of the sentences, first ones first, as fit into 60 words; at least part of one."""
    text = sentences[0]
    for sentence in sentences[1:]:
        if len(f"{text} {sentence}".split()) > MAX_WORDS:
            break
        text = f"{text} {sentence}"
    words = text.split()
    text = " ".join(words[:MAX_WORDS])[: MAX_WORDS * 12]
    text = text[0].upper() + text[1:]
    return text if text.endswith((".", "!", "?", "…", "。", "！", "？")) else f"{text}."  # noqa: RUF001


def _unique(*groups: Sequence[Entity]) -> tuple[Entity, ...]:
    return tuple({entity.id: entity for group in groups for entity in group}.values())


def _never_named(given: Sequence[Entity], scenes: list[list[Beat]]) -> list[Entity]:
    """Return the given entities that the story never names; they open every scene."""
    named = {entity.id for scene in scenes for beat in scene for entity in (*beat.cast, beat.place) if entity}
    return [entity for entity in given if entity.id not in named and entity.kind != "style"]


def _script(brief: Brief, title: str, sentences: list[str], cast: list[Entity], scenes: list[Scene]) -> StoryScript:
    shown = {name for scene in scenes for shot in scene.shots for name in shot.entities}
    given = {entity.id for entity in brief.cast}
    overview = ""
    for sentence in sentences[:3]:
        overview = f"{overview} {sentence}".strip() if len(overview) + len(sentence) < 500 else overview
    return StoryScript(
        title=title[:200] or scenes[0].title or title_of(sentences[0]),
        overview=overview or sentences[0][:500],
        style=brief.style,
        seed=brief.seed,
        entities=tuple(entity for entity in cast if entity.id in shown | given),
        scenes=tuple(scenes),
        metadata={"plan": provenance("outline", Outline.version, brief)},
    )


def _with_looks(script: StoryScript) -> StoryScript:
    """Put each look that a prompt does not tell before it (the paper's advice, section 4.1)."""
    scenes = []
    for scene in script.scenes:
        shots = []
        for shot in scene.shots:
            prompt = shot.prompt
            for entity in reversed(missing_looks(script, shot)):
                prompt = with_look(prompt, entity)
            shots.append(shot.model_copy(update={"prompt": prompt}))
        scenes.append(scene.model_copy(update={"shots": tuple(shots)}))
    return StoryScript.model_validate(dict(script.model_copy(update={"scenes": tuple(scenes)})))
