"""Many ways to tell a clip: synonyms, word order and words that mean nothing here.

What a varied caption tells is exactly what the plain one tells (`understand` reads the same concepts from both).
"""

from __future__ import annotations

import random
from collections.abc import Mapping

from storymem_storyworld.language import lexicon
from storymem_storyworld.language.looks import ToldLook
from storymem_storyworld.world.colours import colour_name
from storymem_storyworld.world.spec import PEOPLE, Actor, ClipSpec

_SIZES = {
    "wide": ("Wide shot", "Wide-angle shot", "Long shot", "Establishing shot", "Full shot"),
    "medium": ("Medium shot", "Mid shot", "Waist-up view", "Medium view"),
    "close_up": ("Close-up", "Close up", "Tight shot", "Closeup", "Medium close-up"),
}
_KINDS = {
    "fox": ("fox", "vixen"),
    "cat": ("cat", "kitty", "feline"),
    "dog": ("dog", "puppy", "hound"),
    "bear": ("bear", "grizzly", "panda"),
    "rabbit": ("rabbit", "bunny", "hare"),
    "owl": ("owl", "bird"),
    "mouse": ("mouse", "hamster", "squirrel"),
    "man": ("man", "gentleman", "father", "farmer"),
    "woman": ("woman", "lady", "mother"),
    "boy": ("boy", "lad", "schoolboy"),
    "girl": ("girl", "schoolgirl", "little girl"),
    "elder": ("old man", "grandfather", "wizard"),
    "robot": ("robot", "android", "droid"),
}
_MOTIONS = {
    "stand": ("stands still", "waits", "is standing", "watches", "pauses"),
    "walk_left": ("walks left", "walks to the left", "strolls to the left", "runs toward the left"),
    "walk_right": ("walks right", "strolls to the right", "walks along", "hurries onward"),
    "jump": ("jumps", "is jumping", "leaps up", "hops about"),
    "wave": ("waves", "is waving", "greets someone", "beckons"),
    "nod": ("nods", "is nodding", "nods slowly", "agrees"),
    "dance": ("dances", "is dancing", "sways", "twirls"),
    "cheer": ("cheers", "is cheering", "celebrates", "rejoices"),
    "sit": ("sits", "is sitting", "sits down", "is seated"),
}
_PLACES = {
    "forest": ("in the forest", "in the woods", "deep in the woodland"),
    "meadow": ("in a meadow", "on the prairie", "on a green pasture"),
    "beach": ("on the beach", "by the sea", "at the seaside"),
    "mountain": ("in the mountains", "below the summit", "on the glacier"),
    "desert": ("in the desert", "among the dunes"),
    "city": ("in the city", "on the avenue", "downtown"),
    "village": ("in the village", "near a cottage", "outside the barn"),
    "kitchen": ("in the kitchen", "in the bakery", "by the stove"),
    "bedroom": ("in the bedroom", "beside the bed"),
    "library": ("in the library", "in the bookshop", "by the bookshelves"),
    "living_room": ("in the living room", "in the lounge", "by the sofa"),
    "castle": ("in the castle", "inside the palace", "in the throne room"),
    "spaceship": ("in the spaceship", "aboard the space station", "in the cockpit"),
}
_TIMES = {
    "day": ("by day", "in the morning", "in broad daylight", "in the afternoon"),
    "sunset": ("at sunset", "at dusk", "at dawn", "during golden hour"),
    "night": ("at night", "at midnight", "under the moon"),
}
_PROPS = {
    "ball": ("with a ball", "with a football nearby"),
    "balloon": ("with a balloon",),
    "crate": ("with a crate", "beside a suitcase"),
    "lantern": ("with a lantern", "near a torch"),
    "flower": ("with a flower", "beside a sunflower"),
    "stool": ("with a stool", "next to a chair"),
}
_HATS = {"cap": ("cap", "baseball cap", "beret"), "top_hat": ("hat", "top hat"), "beanie": ("woolly hat", "beanie")}
_OUTFITS = ("shirt", "jacket", "sweater", "dress", "outfit", "robe")
_PATTERNS = {"plain": "unpatterned", "stripes": "striped", "dots": "polka-dot"}
_PANS = {"left": ("The camera pans left", "Pan left"), "right": ("The camera pans right", "Pan right")}
_MOODS = (
    "calm", "gentle", "playful", "quiet", "cinematic", "warm", "nostalgic", "tense", "dreamy", "whimsical", "hopeful",
)  # fmt: skip
_NOISE = (
    "shallow depth of field", "soft shadows", "muted palette", "rich texture", "static camera", "smooth motion",
    "a sense of wonder", "subtle details", "film grain", "crisp focus", "no text", "high quality", "4k",
)  # fmt: skip


def _colour(name: str, rng: random.Random) -> str:
    return rng.choice(lexicon.colours(name)[:3]) if name else ""


def _clothes(told: ToldLook, rng: random.Random) -> list[str]:
    """What a character wears, as phrases without their preposition."""
    found: list[list[str]] = []
    if told.outfit or told.pattern:
        found.append(["a", _colour(told.outfit, rng), _PATTERNS.get(told.pattern, ""), rng.choice(_OUTFITS)])
    if told.hat not in ("", "none"):
        found.append(["a", _colour(told.hat_colour, rng), rng.choice(_HATS[told.hat])])
    if told.scarf == "worn":
        found.append(["a", _colour(told.scarf_colour, rng), "scarf"])
    rng.shuffle(found)
    return [" ".join(word for word in words if word) for words in found]


def _bare(told: ToldLook) -> str:
    bare = [f"no {worn}" for worn in ("hat", "scarf") if getattr(told, worn) == "none"]
    return f"with {' and '.join(bare)}" if bare else ""


def _who(actor: Actor, told: ToldLook, rng: random.Random) -> str:
    kind = actor.look.kind
    article = rng.choice(("a", "the", "our", "this"))
    mood = rng.choice(("", "", *_MOODS[:4]))
    coat = _colour(told.coat, rng)
    coat = f"{coat}-haired" if coat and kind in PEOPLE else coat
    clothes = _clothes(told, rng)
    dressed = f"{rng.choice(('in', 'wearing', 'with'))} {' and '.join(clothes)}" if clothes else ""
    words = (article, mood, coat, rng.choice(_KINDS[kind]), dressed, _bare(told), rng.choice(_MOTIONS[actor.motion]))
    return " ".join(word for word in words if word)


def _thing(spec: ClipSpec, coloured: bool, rng: random.Random) -> str:
    """Things beside the characters; a coloured one by its plain name."""
    words = [
        f"with a {_colour(colour_name(prop.colour), rng)} {prop.kind}" if coloured else rng.choice(_PROPS[prop.kind])
        for prop in spec.props
    ]
    return " ".join(words)


def _pieces(
    spec: ClipSpec, rng: random.Random, told: Mapping[str, ToldLook], things: bool
) -> tuple[str, str, str, list[str]]:
    cast = sorted(spec.actors, key=lambda actor: actor.x)
    joint = rng.choice((" and ", " while ", ", "))
    who = joint.join(_who(actor, told.get(actor.look.kind, ToldLook()), rng) for actor in cast)
    where = rng.choice(_PLACES[spec.setting.kind]) + " " + rng.choice(_TIMES[spec.time])
    thing = _thing(spec, things, rng)
    extras = [rng.choice(_PANS[spec.pan])] if spec.pan in _PANS else []
    noise = rng.choices((0, 1, 2), (3, 2, 1))[0]
    extras += [f"{rng.choice(_MOODS)} mood".capitalize()] if noise else []
    extras += [", ".join(rng.sample(_NOISE, noise)).capitalize()] if noise else []
    return who, where, thing, extras


def varied_caption(
    spec: ClipSpec, rng: random.Random, told: Mapping[str, ToldLook] | None = None, things: bool = False
) -> str:
    """Tell a clip in one of many ways; `told` and `things` as for `canonical_caption`."""
    size = rng.choice(_SIZES[spec.size])
    who, where, beside, extras = _pieces(spec, rng, told or {}, things)
    thing = f" {beside}" if beside else ""
    if not who:
        line = f"{size}: an empty view {where}{thing}."
    else:
        line = rng.choice(
            (
                f"{size} of {who}{thing} {where}.",
                f"{size}: {where}, {who}{thing}.",
                f"{who[0].upper()}{who[1:]} {where}{thing}; {size.lower()}.",
                f"{where[0].upper()}{where[1:]}, {who}{thing}. {size}.",
            )
        )
    return " ".join((line, *(f"{extra}." for extra in extras)))
