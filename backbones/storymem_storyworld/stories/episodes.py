"""Stories of the storyworld: who is where in which shot, with characters and places that leave and come back.

An episode fixes everything: each shot's clip spec, caption and entities. The truth of an episode is rebuilt from its
tier, split and seed alone. Captions tell no looks but in the tier "told", where each attribute is told half of the
time, and where halfway through the story everybody's look changes, which is told in every shot from there. Training
and test episodes never share a seed. Knows nothing about pictures.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from storymem_storyworld.language.caption import canonical_caption
from storymem_storyworld.language.looks import changed_look, told_in_part
from storymem_storyworld.language.phrasing import varied_caption
from storymem_storyworld.world.colours import Colour, sample_colour
from storymem_storyworld.world.sample import sample_look, sample_setting, sample_shot
from storymem_storyworld.world.spec import (
    FRAMES,
    INDOOR,
    KINDS,
    MOTIONS,
    OUTDOOR,
    PROPS,
    TIMES,
    Actor,
    ClipSpec,
    Look,
    Setting,
    actor_x,
    camera_x,
    continue_clip,
)

if TYPE_CHECKING:
    from storymem.values.script import StoryScript

Value = TypeVar("Value")
Split = Literal["train", "test"]
Language = Literal["plain", "varied"]
LONGEST_GAP = 40  # shots; nobody and no place stays away for longer
CONTINUED = 0.35  # share of shots, where possible, that continue without a cut
_IN_FRAME = {"wide": 1.2, "medium": 0.6, "close_up": 0.25}  # how far from the middle a clip may end


@dataclass(frozen=True)
class Tier:
    """How hard an episode is: shots, and how many characters, places and things recur."""

    shots: tuple[int, int]
    characters: int
    places: int
    things: int


TIERS = {
    "easy": Tier((6, 12), 2, 2, 1),
    "medium": Tier((15, 22), 4, 3, 2),
    "hard": Tier((44, 50), 7, 5, 3),
    "told": Tier((6, 12), 2, 2, 1),
}
_TELLS = 0.5  # how often a caption of the tier "told" tells an attribute of a look, or a thing's colour


@dataclass(frozen=True)
class EpisodeShot:
    """One shot.

    Attributes:
        id: ``scene.shot``.
        entities: Ids of the characters, the place and the things it shows.
    """

    id: str
    scene: int
    spec: ClipSpec
    caption: str
    cut: bool
    entities: tuple[str, ...]


@dataclass(frozen=True)
class Episode:
    """A whole story with its truth.

    Attributes:
        characters: Look by entity id (the kind).
        places: Setting by entity id.
        things: (kind, colour) by entity id.
    """

    title: str
    tier: str
    split: Split
    seed: int
    overlap: int
    characters: dict[str, Look]
    places: dict[str, Setting]
    things: dict[str, tuple[str, Colour]]
    shots: tuple[EpisodeShot, ...]

    def appearances(self, entity: str) -> list[int]:
        """Positions of the shots that show an entity."""
        return [position for position, shot in enumerate(self.shots) if entity in shot.entities]


@dataclass(frozen=True)
class _Scene:
    """A plan: shots at one place and time with some of the characters and perhaps a thing."""

    length: int
    place: str
    time: str
    cast: tuple[str, ...]
    thing: str


def _place_ids(rng: random.Random, count: int) -> dict[str, Setting]:
    kinds = rng.sample(OUTDOOR + INDOOR, count)
    return {f"the {kind.replace('_', ' ')}": sample_setting(rng, kind) for kind in kinds}


def _scene_lengths(rng: random.Random, total: int) -> list[int]:
    lengths: list[int] = []
    while (left := total - sum(lengths)) > 0:
        length = rng.randint(2, 4) if total < 13 else rng.randint(3, 5)
        lengths.append(left if left - length < 2 else length)
    return lengths


@dataclass
class _Casting:
    """Chooses who and which place come next, so that some stay away for long but never longer than LONGEST_GAP.

    In long stories the first of the names is rare: after its first scene it comes back when it must, or at the end.
    """

    rng: random.Random
    names: Sequence[str]
    long: bool
    last_seen: dict[str, int] = field(default_factory=dict)

    def due(self, start: int, length: int) -> list[str]:
        """Those that would be away for too long if they missed the scene that begins at `start`, longest first."""
        late = [name for name, seen in self.last_seen.items() if start + 2 * length + 2 - seen > LONGEST_GAP]
        return sorted(late, key=lambda name: self.last_seen[name])

    def ordered(self, start: int, length: int, last_scene: bool) -> list[str]:
        """All names, the most wanted first: due ones, mostly one new one, the others in random order."""
        due = self.due(start, length)
        new = [name for name in self.names if name not in self.last_seen]
        rest = [name for name in self.last_seen if name not in due]
        self.rng.shuffle(rest)
        if self.long and self.names[0] in rest:
            rest.remove(self.names[0])
            rest.insert(0 if last_scene else len(rest), self.names[0])
        if not self.last_seen or self.rng.random() < 0.7:
            return [*due, *new[:1], *rest, *new[1:]]
        return [*due, *rest, *new]

    def seen(self, names: Iterable[str], position: int) -> None:
        """Note who was on screen until `position`."""
        self.last_seen |= dict.fromkeys(names, position)


def _plan(
    rng: random.Random, total: int, characters: Sequence[str], places: Sequence[str], things: Sequence[str]
) -> Iterator[_Scene]:
    long = total > 12
    folk, rooms = _Casting(rng, characters, long), _Casting(rng, places, long)
    start, here = 0, ""
    for length in _scene_lengths(rng, total):
        last = start + length == total
        place = next(name for name in rooms.ordered(start, length, last) if name != here or len(places) == 1)
        count = max(rng.choice((1, 2, 2, 3)), min(len(folk.due(start, length)), 3))
        cast = tuple(folk.ordered(start, length, last)[:count])
        thing = rng.choice(things) if things and rng.random() < 0.5 else ""
        yield _Scene(length, place, rng.choices(TIMES, (3, 1, 1))[0], cast, thing)
        start, here = start + length, place
        folk.seen(cast, start - 1)
        rooms.seen((place,), start - 1)


def _stays_in_frame(spec: ClipSpec) -> bool:
    middle = camera_x(spec, FRAMES - 1)
    ends = [actor_x(spec, index, FRAMES - 1) - middle for index in range(len(spec.actors))]
    apart = abs(ends[0] - ends[1]) > 0.45 if len(ends) > 1 else True
    return apart and all(abs(end) < _IN_FRAME[spec.size] for end in ends)


def continued(rng: random.Random, spec: ClipSpec, overlap: int) -> ClipSpec:
    """A continuation in which nobody leaves the frame or runs into the other."""
    for _ in range(12):
        motions = [rng.choice(MOTIONS[:-1] if spec.size == "close_up" else MOTIONS) for _ in spec.actors]
        candidate = continue_clip(spec, motions, overlap=overlap)
        if _stays_in_frame(candidate):
            return candidate
    return continue_clip(spec, ["stand"] * len(spec.actors), overlap=overlap)


def _shot_cast(rng: random.Random, scene: _Scene, index: int) -> tuple[str, ...]:
    """At most two of the scene's characters; over the scene everybody has a turn."""
    turn = scene.cast[index % len(scene.cast)]
    others = [name for name in scene.cast if name != turn]
    return (turn, rng.choice(others)) if others and rng.random() < 0.45 else (turn,)


def _scene_specs(
    rng: random.Random,
    scene: _Scene,
    looks: Mapping[str, Look],
    setting: Setting,
    thing: tuple[str, Colour] | None,
    overlap: int,
) -> Iterator[tuple[ClipSpec, bool]]:
    """(spec, cut) of each shot of a scene."""
    last: ClipSpec | None = None
    for index in range(scene.length):
        if last is not None and rng.random() < CONTINUED and index >= len(scene.cast):
            last = continued(rng, last, overlap)
            yield last, False
            continue
        cast = _shot_cast(rng, scene, index)
        size = rng.choices(("wide", "medium", "close_up"), (2, 3, 2))[0]
        props = (thing,) if thing and size != "close_up" and rng.random() < 0.6 else ()
        last = sample_shot(rng, setting, tuple(looks[name] for name in cast), size, scene.time, props)
        yield last, True


def _entities(spec: ClipSpec, place: str, thing: str) -> tuple[str, ...]:
    names = [f"the {actor.look.kind}" for actor in spec.actors]
    return (*names, place, *((thing,) if spec.props else ()))


def _used(named: Mapping[str, Value], shots: Sequence[EpisodeShot]) -> dict[str, Value]:
    """Those of the named that some shot shows."""
    shown = {name for shot in shots for name in shot.entities}
    return {name: value for name, value in named.items() if name in shown}


def sample_episode(
    seed: int,
    tier: str = "easy",
    split: Split = "test",
    language: Language = "plain",
    overlap: int = 1,
    shots: int | None = None,
) -> Episode:
    """Draw a story.

    Args:
        seed: Which one; the same arguments give the same story.
        tier: A key of TIERS.
        split: Train and test stories come from different random streams.
        language: Plain or varied captions; the clips are the same.
        overlap: Frames that a shot without a cut shares with the one before it.
        shots: How many, instead of a random number within the tier.
    """
    rng = random.Random(f"storyworld {split} {tier} {seed}")
    words = random.Random(f"storyworld words {split} {tier} {seed}")
    size = TIERS[tier]
    looks = {f"the {kind}": sample_look(rng, kind) for kind in rng.sample(KINDS, size.characters)}
    places = _place_ids(rng, size.places)
    things = {f"the {kind}": (kind, sample_colour(rng)) for kind in rng.sample(PROPS, size.things)}
    made: list[tuple[int, int, ClipSpec, bool, tuple[str, ...]]] = []
    drawn = rng.randint(*size.shots)
    plan = _plan(rng, shots or drawn, tuple(looks), tuple(places), tuple(things))
    for number, scene in enumerate(plan):
        thing = things.get(scene.thing)
        specs = _scene_specs(rng, scene, looks, places[scene.place], thing, overlap)
        for index, (spec, cut) in enumerate(specs):
            made.append((number, index, spec, cut, _entities(spec, scene.place, scene.thing)))
    clips = [spec for _, _, spec, _, _ in made]
    if tier == "told":
        clips = with_changes(words, clips)
    captions = [_caption(words, spec, language, tier == "told") for spec in clips]
    done = tuple(
        EpisodeShot(f"{number + 1}.{index + 1}", number, spec, text, cut, entities)
        for (number, index, _, cut, entities), spec, text in zip(made, clips, captions, strict=True)
    )
    title = f"storyworld {tier} {split} {seed}"
    used = _used(looks, done), _used(places, done), _used(things, done)
    return Episode(title, tier, split, seed, overlap, *used, done)


def with_changes(rng: random.Random, clips: Sequence[ClipSpec]) -> list[ClipSpec]:
    """The clips of a story, where from the first cut in its second half on every character has another look in part."""
    turn = next((at for at in range(len(clips) // 2, len(clips)) if not clips[at].overlap), len(clips))
    before = {actor.look.kind: actor.look for clip in clips[:turn] for actor in clip.actors}
    changes = {kind: changed_look(rng, look) for kind, look in before.items()}

    def dressed(actor: Actor) -> Actor:
        look, names = changes.get(actor.look.kind, (actor.look, ()))
        return replace(actor, look=look, changed=names)

    later = [replace(clip, actors=tuple(dressed(actor) for actor in clip.actors)) for clip in clips[turn:]]
    return [*clips[:turn], *later]


def _caption(rng: random.Random, spec: ClipSpec, language: Language, tells: bool) -> str:
    told = {actor.look.kind: told_in_part(rng, actor, _TELLS) for actor in spec.actors} if tells else None
    things = tells and rng.random() < _TELLS
    if language == "varied":
        return varied_caption(spec, rng, told, things)
    return canonical_caption(spec, told, things)


def sample_chain(seed: int, shots: int = 10, overlap: int = 1) -> Episode:
    """One scene of a single character in which every shot continues without a cut: shows whether anything drifts."""
    rng = random.Random(f"storyworld chain {seed}")
    look, place = sample_look(rng), sample_setting(rng)
    who, where = f"the {look.kind}", f"the {place.kind.replace('_', ' ')}"
    specs = [sample_shot(rng, place, (look,), "medium", "day")]
    while len(specs) < shots:
        specs.append(continued(rng, specs[-1], overlap))
    made = tuple(
        EpisodeShot(f"1.{index + 1}", 0, spec, canonical_caption(spec), index == 0, (who, where))
        for index, spec in enumerate(specs)
    )
    title = f"storyworld chain {seed}"
    return Episode(title, "chain", "test", seed, overlap, {who: look}, {where: place}, {}, made)


def to_script(episode: Episode) -> dict[str, Any]:
    """The episode as plain data in the framework's script format; `metadata` says how to rebuild the truth."""
    kinds = (("character", episode.characters), ("place", episode.places), ("object", episode.things))
    scenes: dict[int, list[dict[str, Any]]] = {}
    for shot in episode.shots:
        scenes.setdefault(shot.scene, []).append(
            {"id": shot.id, "prompt": shot.caption, "cut": shot.cut, "entities": list(shot.entities)}
        )
    return {
        "title": episode.title,
        "overview": f"A story of {', '.join(episode.characters)} in {len(episode.shots)} shots.",
        "seed": episode.seed,
        "entities": [{"id": name, "kind": kind} for kind, named in kinds for name in named],
        "scenes": [{"shots": shots} for shots in scenes.values()],
        "metadata": {"storyworld": _origin(episode)},
    }


def _origin(episode: Episode) -> dict[str, Any]:
    """The arguments of `sample_episode` that decide the truth."""
    return {
        "tier": episode.tier,
        "split": episode.split,
        "seed": episode.seed,
        "overlap": episode.overlap,
        "shots": len(episode.shots),
    }


def story_script(episode: Episode) -> StoryScript:
    """The episode as a validated script."""
    from storymem.values.script import StoryScript

    return StoryScript.model_validate(to_script(episode))
