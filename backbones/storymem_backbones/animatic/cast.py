"""Who and what a shot shows, and how each of them looks, from a hash of the name.

The same name gives the same face, hair and clothes in every shot of every story; words such as "red coat" or
"grey beard" in an entity's look are honoured. It draws nothing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from storymem.interfaces import Subject
from storymem_backbones.animatic.colour import LCH
from storymem_backbones.animatic.reading import find_place

T = TypeVar("T")
MAX_CAST = 6

#: Clothes: 24 hues of middling lightness and chroma, so that any two go together.
_CLOTH: tuple[LCH, ...] = tuple(
    ((0.50, 0.60, 0.70)[i % 3], 0.08 + 0.02 * (i % 2), 15.0 * (7 * i % 24)) for i in range(24)
)
_SKIN: tuple[LCH, ...] = (
    (0.87, 0.042, 60), (0.82, 0.055, 62), (0.76, 0.062, 60), (0.66, 0.068, 56), (0.54, 0.065, 52), (0.44, 0.055, 48),
)  # fmt: skip
_HAIR: tuple[LCH, ...] = (
    (0.24, 0.02, 40), (0.30, 0.04, 45), (0.40, 0.06, 50), (0.50, 0.09, 50), (0.48, 0.11, 38), (0.76, 0.09, 85),
)  # fmt: skip
_FUR: tuple[LCH, ...] = (
    (0.66, 0.10, 62), (0.50, 0.05, 55), (0.36, 0.02, 50), (0.88, 0.02, 85), (0.68, 0.02, 80), (0.58, 0.11, 48),
)  # fmt: skip
_COLOURS: dict[str, LCH] = {
    "red": (0.56, 0.17, 27), "crimson": (0.48, 0.16, 20), "scarlet": (0.56, 0.18, 30), "orange": (0.70, 0.15, 58),
    "yellow": (0.85, 0.14, 95), "golden": (0.80, 0.12, 85), "gold": (0.80, 0.12, 85), "blond": (0.80, 0.09, 88),
    "blonde": (0.80, 0.09, 88), "green": (0.56, 0.11, 148), "emerald": (0.56, 0.12, 160), "olive": (0.52, 0.07, 115),
    "teal": (0.56, 0.08, 195), "turquoise": (0.74, 0.09, 195), "blue": (0.54, 0.12, 255), "navy": (0.36, 0.08, 262),
    "purple": (0.48, 0.13, 305), "violet": (0.52, 0.13, 300), "pink": (0.80, 0.09, 0), "brown": (0.46, 0.06, 55),
    "auburn": (0.45, 0.10, 40), "ginger": (0.62, 0.13, 55), "beige": (0.84, 0.035, 85), "tan": (0.74, 0.06, 75),
    "white": (0.94, 0.01, 90), "silver": (0.82, 0.008, 240), "grey": (0.64, 0.008, 250), "gray": (0.64, 0.008, 250),
    "black": (0.26, 0.01, 270), "dark": (0.30, 0.02, 260), "khaki": (0.70, 0.06, 95), "maroon": (0.40, 0.11, 20),
}  # fmt: skip
_RUSSET: LCH = (0.58, 0.13, 45)  #: what "red" means of a fox or a cat
_TOPS = ("coat|jacket|shirt|t-shirt|sweater|hoodie|robes?|suit|dress|blouse|uniform|cloak|cape|gown|vest|kimono|"
         "outfit|top|armou?r|cardigan|scarf|jumper|clothes|tunic|apron|raincoat|collar")  # fmt: skip
_COLOUR_WORDS = "|".join(_COLOURS)

_ANIMALS: dict[str, str] = {
    "cat": "cat", "kitten": "cat", "tabby": "cat", "dog": "dog", "puppy": "dog", "retriever": "dog", "husky": "dog",
    "corgi": "dog", "wolf": "fox", "fox": "fox", "horse": "horse", "pony": "horse", "unicorn": "horse", "deer": "horse",
    "donkey": "horse", "cow": "horse", "bear": "bear", "panda": "bear", "lion": "bear", "tiger": "cat",
    "rabbit": "rabbit",
    "bunny": "rabbit", "hare": "rabbit", "mouse": "rabbit", "squirrel": "fox", "elephant": "bear", "bird": "bird",
    "owl": "owl", "sparrow": "bird", "eagle": "bird", "parrot": "bird", "penguin": "bird", "dragon": "fox",
    "seagull": "bird", "raven": "bird", "fish": "fish", "whale": "fish", "dolphin": "fish", "shark": "fish",
}  # fmt: skip
_OBJECTS: dict[str, str] = {
    "car": "vehicle", "truck": "vehicle", "bus": "vehicle", "taxi": "vehicle", "van": "vehicle", "spaceship": "ship",
    "spacecraft": "ship", "rocket": "ship", "ship": "boat", "boat": "boat", "train": "vehicle", "book": "book",
    "diary": "book", "journal": "book", "notebook": "book", "letter": "paper", "map": "paper", "photo": "paper",
    "photograph": "paper", "note": "paper", "painting": "picture", "canvas": "picture", "mirror": "picture",
    "portrait": "picture", "lamp": "lamp", "lantern": "lamp", "candle": "lamp", "torch": "lamp", "box": "box",
    "chest": "box", "suitcase": "box", "bag": "box", "backpack": "box", "crate": "box", "camera": "box",
    "phone": "screen", "smartphone": "screen", "computer": "screen", "laptop": "screen", "monitor": "screen",
    "screen": "screen", "television": "screen", "tablet": "screen", "sword": "stick", "wand": "stick",
    "brush": "stick", "paintbrush": "stick", "staff": "stick", "pen": "stick", "knife": "stick", "umbrella": "umbrella",
    "cup": "cup", "mug": "cup", "glass": "cup", "bowl": "cup", "vase": "cup", "teapot": "cup", "bottle": "cup",
    "flower": "plant", "rose": "plant", "plant": "plant", "seed": "plant", "tree": "plant", "bouquet": "plant",
    "ball": "orb", "orb": "orb", "crystal": "gem", "gem": "gem", "stone": "gem", "rock": "gem", "ring": "gem",
    "amulet": "gem", "key": "stick", "guitar": "guitar", "violin": "guitar", "clock": "orb", "watch": "orb",
    "palette": "orb", "coin": "orb", "globe": "orb", "chair": "box", "crown": "crown", "hat": "crown",
}  # fmt: skip
_PEOPLE = (
    "man|woman|boy|girl|child|baby|kid|artist|student|astronaut|explorer|teacher|doctor|nurse|professor|scientist|king|"
    "queen|prince|princess|knight|witch|wizard|mermaid|robot|android|soldier|police officer|officer|detective|chef|"
    "baker|farmer|fisherman|sailor|captain|pilot|dancer|singer|musician|guitarist|painter|writer|grandmother|"
    "grandfather|grandma|grandpa|mother|father|mom|dad|brother|sister|couple|lady|gentleman|stranger|driver|waiter|"
    "santa|engineer|photographer|librarian|traveler|traveller|hiker|monk|samurai|ninja|pirate|samaritan|vendor|clerk|"
    "athlete|runner|host|narrator|hero|heroine|villain|ghost|elf|fairy|warrior|hunter|worker|patient"
)
_PLAIN = re.compile(rf"\b({_PEOPLE}|{'|'.join(_ANIMALS)})s?\b")
_CAPITAL = r"[A-Z][a-z\u00e0-\u017f]{1,20}"
_PROPER = re.compile(rf"(?<![.!?:;\-\u2014\"'(] )(?<!^)\b({_CAPITAL}(?: (?:Van |van |de )?{_CAPITAL})?)")
_OPENING = re.compile(rf"(?:^|[.!?:;,] )({_CAPITAL}(?: {_CAPITAL})?) (?:and|is|[a-z]+s|[a-z]+ly)\b")
# Neither camera words, nor quoted speech and signs, nor what is only heard name anyone who is seen.
_NO_CAST = re.compile(
    r"(?i)\bbird.?s.?eye\w*|\bworm.?s.?eye|\bover.the.shoulder"
    r"|\b(?:sounds?|songs?|chirping|cries|calls?|noise|voices?) of [^,.;]+"
    r"|(?<!\w)'[^']{3,80}'(?!\w)|\"[^\"]{3,80}\"|\u201c[^\u201d]{3,80}\u201d"
)
_NOT_NAMES = frozenset(re.findall(r"\S+", (
    "a after alabama all ambient american an ancient and another apple around as at before behind both "
    "but by camera center chinese christmas cinematic close close-up corner day dolly dust each earth "
    "english european evening everyone exterior extreme final finally for french from garden gentle god "
    "grand gryffindor handheld he her here high his hogwarts in inside interior it its japanese later "
    "light london low meanwhile medium moon morning natural near night nobody now of on one or other "
    "outside over pan paris people pink provençal rain realistic shallow she shot slow slowly smooth snow "
    "so soft someone static steady steam still style suddenly sun sunlight sunlit that the their then "
    "there these they this those three to tracking two under view warm water waves when while wide wind "
    "with without york "
)))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Look:
    """A stable appearance.

    Attributes:
        name: As shown on the slate.
        form: ``person``, ``robot``, an animal form or an object form.
        skin: Skin, fur or material.
        hair: Hair or second material.
        top: Upper clothes; also the entity's colour on the slate.
        bottom: Lower clothes.
        hair_style: ``short``, ``long``, ``bun``, ``curly``, ``bald`` or ``bob``.
        wear: ``trousers``, ``dress``, ``coat`` or ``tail``.
        head: Headgear, or empty.
        child: Whether it has a child's proportions.
        beard: Whether it has a beard.
        glasses: Whether it wears glasses.
    """

    name: str
    form: str
    skin: LCH
    hair: LCH
    top: LCH
    bottom: LCH
    hair_style: str = "short"
    wear: str = "trousers"
    head: str = ""
    child: bool = False
    beard: bool = False
    glasses: bool = False

    @property
    def badge(self) -> LCH:
        """The colour it is known by: a person's clothes, else what it is made of."""
        return self.top if self.form in ("person", "robot") else self.skin

    @property
    def is_figure(self) -> bool:
        """Whether it is a person or an animal rather than a thing."""
        return self.form in ("person", "robot") or self.form in _ANIMALS.values()


@dataclass(frozen=True, slots=True)
class Cast:
    """What one shot shows: figures and things in order of mention, and its place, if it has a named one."""

    figures: tuple[Look, ...]
    things: tuple[Look, ...]
    place: str
    place_text: str


def cast_of(prompt: str, subjects: Sequence[Subject]) -> Cast:
    """Return what to draw: the request's subjects, or else what the prompt names, or else a neutral figure."""
    ordered = sorted(subjects, key=lambda s: _mention(prompt, s.name))
    places = [s for s in ordered if s.kind == "place"]
    looks = [look_of(s.name, s.kind, s.look) for s in ordered if s.kind in ("character", "object")]
    figures = [look for look in looks if look.is_figure] or [_inferred_look(name) for name in inferred_names(prompt)]
    things = [look for look in looks if not look.is_figure]
    if not figures and not things:
        figures = [look_of(_pronoun(prompt), "character")]
    place = places[0] if places else Subject("", "place")
    return Cast(tuple(figures[:MAX_CAST]), tuple(things[:3]), place.name, f"{place.name} {place.look}".strip())


def inferred_names(prompt: str) -> list[str]:
    """Return names in capitals and common nouns for people and animals, in order of mention, at most three."""
    text = _NO_CAST.sub(" ", " ".join(prompt.split()))
    found: dict[str, int] = {}
    for pattern in (_PROPER, _OPENING):
        for match in pattern.finditer(text):
            if not any(word.lower() in _NOT_NAMES for word in match[1].split()) and not find_place(match[1]):
                found.setdefault(match[1], match.start(1))
    for match in _PLAIN.finditer(text.lower()):
        found.setdefault(match[1], match.start())
    ordered = sorted(found, key=lambda name: (found[name], -len(name)))
    return [name for i, name in enumerate(ordered) if not _contained(name, ordered[:i])][:3]


def _inferred_look(name: str) -> Look:
    # "Harry" and "Harry Potter" are one person to a script that lists no entities.
    key = name.split(maxsplit=1)[0] if name[0].isupper() else name
    return replace(look_of(key, "character"), name=name)


def _contained(name: str, others: Sequence[str]) -> bool:
    """Whether another name holds all words of this one: "Gogh" in "Van Gogh", "santa" in "Santa"."""
    words = set(name.lower().split())
    return any(words <= set(other.lower().split()) for other in others)


def look_of(name: str, kind: str, look: str = "") -> Look:
    """Return the appearance of an entity: from its name's hash, its look's words, and its kind alone."""
    dice = _Dice(name)
    words = f"{name} {look}".lower()
    form = _form(name, kind, look)
    top = dice.pick(_CLOTH)
    cloth = _colour_before(words, _TOPS) or top
    if form not in ("person", "robot"):
        fur = _any_colour(words, form) or dice.pick(_FUR if form in _ANIMALS.values() else _CLOTH)
        return Look(name, form, fur, (fur[0] * 0.72, fur[1], fur[2]), cloth, dice.pick(_CLOTH))
    grey = bool(re.search(r"\b(?:elderly|old (?:man|woman|lady)|grand\w+|santa|wizard)\b", words))
    hair = _colour_before(words, "hair|haired|hair(?:style|cut)|curls|braids?|ponytail|beard")
    hair = hair or ((0.86, 0.012, 90) if grey else dice.pick(_HAIR))
    return Look(
        name=name,
        form=form,
        skin=_skin(words, dice),
        hair=hair,
        top=cloth,
        bottom=(0.34 + 0.14 * dice.unit(), 0.045, (cloth[2] + dice.pick((180, 205, 30, 150))) % 360),
        hair_style=_hair_style(words, dice),
        wear=_wear(words, dice),
        head=_headgear(words),
        child=bool(re.search(r"\b(?:child|boy|girl|kid|baby|toddler|little|schoolboy|schoolgirl)\b", words)),
        beard=bool(re.search(r"\b(?:beard\w*|santa|wizard|bearded)\b", words)),
        glasses=bool(re.search(r"\b(?:glasses|spectacles|bespectacled|goggles)\b", words)),
    )


class _Dice:
    """Draws that depend on a name alone; SHA-256, so that they are the same in every process."""

    def __init__(self, name: str) -> None:
        key = " ".join(name.casefold().split()).encode("utf-8", "replace")
        self._bytes = iter(hashlib.sha256(key).digest())

    def unit(self) -> float:
        """Return a number in [0, 1)."""
        return next(self._bytes) / 256

    def pick(self, options: Sequence[T]) -> T:
        """Return one of ``options``."""
        return options[int(self.unit() * len(options))]


def _mention(prompt: str, name: str) -> int:
    found = prompt.casefold().find(name.casefold())
    return found if found >= 0 else len(prompt)


def _pronoun(prompt: str) -> str:
    match = re.search(r"\b(she|he|they|her|his)\b", prompt.lower())
    return {"her": "she", "his": "he"}.get(match[1], match[1]) if match else "figure"


def _form(name: str, kind: str, look: str) -> str:
    text = f"{name} {look}".lower()
    if re.search(r"\b(?:robot|android|droid|cyborg|automaton)\b", text):
        return "robot"
    if kind == "object":
        return _word_form(_OBJECTS, name) or _word_form(_OBJECTS, look) or "gem"
    if re.search(rf"\b(?:{_PEOPLE})\b", text):
        return "person"
    return _word_form(_ANIMALS, name) or _word_form(_ANIMALS, look) or "person"


def _word_form(table: dict[str, str], text: str) -> str:
    # The last word of a name is its noun: a "book of maps" is rare, a "map book" is not.
    words = re.findall(r"[a-z]+", text.lower())
    return next((table[w] for word in words[::-1] for w in (word, word.rstrip("s")) if w in table), "")


def _colour_before(words: str, nouns: str) -> LCH | None:
    match = re.search(rf"\b({_COLOUR_WORDS})\b(?:[- ]\w+){{0,2}}?[- ](?:{nouns})\b", words)
    return _COLOURS[match[1]] if match else None


def _any_colour(words: str, form: str) -> LCH | None:
    match = re.search(rf"\b({_COLOUR_WORDS})\b", words)
    if match and match[1] == "red" and form in _ANIMALS.values():
        return _RUSSET
    return _COLOURS[match[1]] if match else None


def _skin(words: str, dice: _Dice) -> LCH:
    skin = dice.pick(_SKIN)
    if re.search(r"\b(?:pale|fair)[- ]skin", words):
        return _SKIN[0]
    if re.search(r"\b(?:dark|brown|black)[- ]skin", words):
        return _SKIN[4]
    return skin


def _hair_style(words: str, dice: _Dice) -> str:
    rolled = dice.pick(("short", "bob", "curly", "short", "side", "side"))
    for style, pattern in (
        ("bald", r"\bbald|shaved head"),
        ("bun", r"\bbun\b|updo"),
        ("curly", r"\bcurl|afro|frizzy"),
        ("long", r"long[\w ,-]* hair|mermaid|princess|queen|braid|ponytail|\bgirl|witch|wizard"),
        ("short", r"short[\w ,-]* hair|\bman\b|\bboy\b|\bking\b|prince\b|father|grandpa|grandfather|\bhe\b|bearded"),
        ("bob", r"\bbob\b"),
    ):
        if re.search(pattern, words):
            return style
    if re.search(r"\b(?:woman|lady|mother|sister|heroine|she)\b", words):
        return "long" if rolled == "short" else rolled
    return rolled


def _wear(words: str, dice: _Dice) -> str:
    rolled = dice.pick(("trousers", "trousers", "coat"))
    if "mermaid" in words:
        return "tail"
    if re.search(r"\b(?:dress|gown|skirt|princess|queen|kimono)\b", words):
        return "dress"
    if re.search(r"\b(?:coat|robes?|cloak|cape|witch|wizard|monk|raincoat)\b", words):
        return "coat"
    return rolled


def _headgear(words: str) -> str:
    for head, pattern in (
        ("helmet", r"astronaut|helmet|space ?suit|cosmonaut"),
        ("crown", r"crown|\bking\b|\bqueen\b|prince|tiara"),
        ("pointed", r"witch|wizard|pointed hat|santa|elf\b"),
        ("hat", r"\bhat\b|fedora|cowboy|explorer|detective|farmer|\bbrim"),
        ("cap", r"\bcap\b|beanie|beret|hard hat|balaclava|chef|\bhood\b"),
    ):
        if re.search(pattern, words):
            return head
    return ""
