"""Reads a prompt the way a storyboard artist does: shot size, angle, camera move, hour, place, mood, pose.

Plain word lists, English; a prompt that names none of these still gets a sensible default. It knows nothing about
entities (see ``cast``) and draws nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

T = TypeVar("T", bound=str)


class Size(StrEnum):
    """How much of a figure the frame holds."""

    EXTREME_CLOSE_UP = "extreme close-up"
    CLOSE_UP = "close-up"
    MEDIUM_CLOSE_UP = "medium close-up"
    MEDIUM = "medium shot"
    MEDIUM_WIDE = "medium-wide"
    WIDE = "wide shot"
    EXTREME_WIDE = "extreme wide"


class Angle(StrEnum):
    """Where the camera stands."""

    EYE = "eye level"
    LOW = "low angle"
    HIGH = "high angle"
    TOP = "bird's-eye"
    DUTCH = "dutch angle"
    OVER_SHOULDER = "over the shoulder"


class Move(StrEnum):
    """What the camera does."""

    STATIC = "static"
    PAN_LEFT = "pan left"
    PAN_RIGHT = "pan right"
    TILT_UP = "tilt up"
    TILT_DOWN = "tilt down"
    PUSH_IN = "push-in"
    PULL_OUT = "pull-out"
    TRACK_LEFT = "track left"
    TRACK_RIGHT = "track right"
    ARC = "arc"
    HANDHELD = "handheld"
    DRIFT = "slow drift"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a prompt asks for.

    Attributes:
        size: Shot size.
        angle: Camera angle.
        move: Camera move.
        hour: A key of ``colour.LIGHTS``.
        weather: ``rain``, ``snow``, ``fog`` or empty.
        place: A key of ``scenery.PLACES``, or empty if none is named.
        mood: ``smile``, ``sad``, ``surprise``, ``angry``, ``asleep`` or ``calm``.
        pose: ``walk``, ``run``, ``sit`` or ``stand``.
        back: Whether the figures are seen from behind.
    """

    size: Size
    angle: Angle
    move: Move
    hour: str
    weather: str
    place: str
    mood: str
    pose: str
    back: bool


def _any(*words: str) -> re.Pattern[str]:
    return re.compile(r"\b(?:" + "|".join(words) + r")\b")


# Longer names first: "extreme close-up" also contains "close-up".
_SIZES = (
    (Size.EXTREME_CLOSE_UP, _any("extreme close.?ups?", "macro", "ecu", "ultra.?tight", "extreme closeup")),
    (Size.MEDIUM_CLOSE_UP, _any("medium close.?ups?", "mcu", "chest.?up", "head.and.shoulders", "bust shot")),
    (Size.CLOSE_UP, _any("close.?ups?", "tight (?:shot|on|framing)", "insert", "close (?:on|shot)", "headshot")),
    (Size.MEDIUM_WIDE, _any("medium.(?:wide|long|full)", "cowboy", "three.quarters? shot", "knees.up")),
    (Size.EXTREME_WIDE, _any("extreme(?:ly)? (?:wide|long)", "establishing", "aerial", "panoram\\w*", "drone",
                             "vast", "ultra.?wide", "very wide")),
    (Size.WIDE, _any("wide", "long shot", "full.(?:shot|body|length)", "master shot", "back shot")),
    (Size.MEDIUM, _any("medium", "mid.?shot", "waist.up", "two.shot", "mid.?range")),
)  # fmt: skip
_ANGLES = (
    (Angle.TOP, _any("bird.?s.?eye\\w*", "top.?down", "overhead", "directly above", "god.?s.?eye")),
    (Angle.OVER_SHOULDER, _any("over.(?:the|his|her|their|\\w+.s).shoulder", "ots")),
    (Angle.LOW, _any("low.?angle", "worm.?s.?eye", "from below", "looking up at")),
    (Angle.HIGH, _any("high.?angle", "from above", "aerial", "drone", "looking down (?:on|at)")),
    (Angle.DUTCH, _any("dutch", "canted", "tilted (?:frame|angle|horizon)")),
)
# For moves the earliest mention counts, not the order here.
_MOVES = (
    (Move.STATIC, _any("static", "locked.?(?:off|down)?", "no camera move\\w*", "fixed camera", "still camera",
                       "camera (?:is|stays|remains|holds) (?:still|fixed|static)", "tripod", "motionless camera")),
    (Move.PAN_LEFT, _any("pan\\w* (?:\\w+ )?left\\w*")),
    (Move.PAN_RIGHT, _any("pan", "pans", "panning", "whip.pan", "sweep\\w* (?:across|over)")),
    (Move.TILT_UP, _any("tilt\\w* (?:\\w+ )?up\\w*", "upward camera", "crane\\w* up", "camera (?:rises|ascends)",
                        "(?:rising|ascending) (?:shot|camera)", "upward (?:tilt|motion|move\\w*)", "tilt", "tilts")),
    (Move.TILT_DOWN, _any("tilt\\w* (?:\\w+ )?down\\w*", "downward (?:tilt|camera|motion|move\\w*)", "descend\\w*",
                          "crane\\w* down", "lowering camera")),
    (Move.PUSH_IN, _any("push\\w*.in", "zoom\\w*(?:.in)?", "dolly\\w*(?:.(?:in|forward))?", "moves? (?:in )?closer",
                        "creep\\w*.in", "track\\w*.in", "moves? forward", "glides? (?:forward|in|through)")),
    (Move.PULL_OUT, _any("pull\\w*.(?:out|back|away)", "zoom\\w*.out", "dolly\\w*.(?:out|back)",
                         "moves? (?:back|away)", "widen(?:s|ing)? (?:out|to)", "zoom\\w* back")),
    (Move.TRACK_LEFT, _any("(?:track\\w*|truck\\w*|moves?) (?:\\w+ )?left\\w*")),
    (Move.TRACK_RIGHT, _any("track", "tracks", "tracking", "trucking",
                            "follow(?:s|ing)? (?:shot|the|his|her|their|him)",
                            "steadicam", "camera follows", "glid\\w+", "side.?on camera")),
    (Move.ARC, _any("arc", "arcs", "arcing", "orbit\\w*", "circl(?:es|ing)", "360", "revolv\\w+", "rotat\\w+ around")),
    (Move.HANDHELD, _any("hand.?held", "shaky", "sway\\w*", "jitter\\w*", "documentary.style")),
)  # fmt: skip
_HOURS = (
    ("sunset", _any("sunset", "dusk", "golden.hour", "setting sun", "sundown", "twilight", "orange and pink")),
    ("dawn", _any("sunrise", "dawn", "daybreak", "early morning", "morning light", "first light")),
    ("night", _any("night", "nighttime", "midnight", "moonlight", "moonlit", "starry", "stars", "nocturnal",
                   "dark (?:sky|street|forest|alley)", "neon", "dead of night")),
    ("lamplight", _any("candle\\w*", "torch\\w*", "fireplace", "lamp\\w*", "lantern\\w*", "fire.?lit", "dim\\w*",
                       "evening", "hearth", "bonfire", "campfire")),
    ("storm", _any("storm\\w*", "overcast", "rain\\w*", "cloudy", "grey sky", "gray sky", "fog\\w*", "mist\\w*",
                   "gloomy", "bleak", "thunder\\w*")),
    ("day", _any("sunlit", "daylight", "sunny", "noon", "midday", "bright", "morning", "afternoon", "day")),
)  # fmt: skip
_WEATHER = (
    ("rain", _any("rain\\w*", "downpour", "drizzl\\w+", "thunderstorm", "storm")),
    ("snow", _any("snow(?:ing|fall|flakes?|storm|y)?", "blizzard")),
    ("fog", _any("fog\\w*", "mist\\w*", "haz[ey]", "smok\\w+", "steam\\w*")),
)
_PLACES = (
    ("underwater", _any("underwater", "corals?", "seabed", "ocean floor", "undersea", "kelp")),
    ("space", _any("(?:outer|deep|in|into|through) space", "space(?:ship|craft|walk|suit|port)",
                   "moon(?:.?s)? (?:surface|rock|dust)", "lunar", "planet", "galaxy", "orbit",
                   "asteroids?", "the moon", "mars", "martian")),
    ("hall", _any("corridors?", "hallway", "hall", "temple", "castle", "tomb", "ruins?", "dungeon", "church", "chapel",
                  "cathedral", "palace", "throne", "cave", "cavern", "tunnel", "hogwarts", "chamber", "ballroom",
                  "pyramid", "museum", "station")),
    ("stage", _any("stage", "concert", "theat(?:er|re)", "auditorium", "spotlight", "arena", "podium", "audience")),
    ("library", _any("library", "bookshel\\w+", "book.?(?:shop|store)", "shelves", "shop", "store", "archives?",
                     "market stall", "pharmacy")),
    ("room", _any("room", "bedroom", "kitchen", "studio", "office", "apartment", "house", "home",
                  "classroom", "caf[eé]",
                  "workshop", "garage", "indoors?", "inside", "interior", "living.room", "bathroom", "attic",
                  "restaurant", "bar", "cabin", "cottage", "hospital", "ward", "table", "desk", "bed", "sofa", "couch",
                  "windowsill", "dining", "wooden floor", "fireplace", "gym", "bakery", "elevator",
                  "control room", "lab",
                  "laborator(?:y|ies)")),
    ("snow", _any("snow\\w*", "arctic", "glacier", "ice", "icy", "blizzard", "tundra", "north pole", "frozen")),
    ("sea", _any("sea", "seaside", "ocean", "beach", "shore\\w*", "ships?", "boats?", "waves", "harbou?r", "island",
                 "deck", "coast\\w*", "pier", "lake", "river", "waterline", "lighthouse")),
    ("forest", _any("forest", "woods", "woodland", "jungle", "grove", "rainforest", "pines?", "trees")),
    ("desert", _any("desert", "dunes?", "sahara", "wasteland", "oasis")),
    ("mountain", _any("mountains?", "cliffs?", "valley", "canyon", "peaks?", "summit", "ridge", "volcano")),
    ("city", _any("city", "streets?", "alley", "rooftops?", "skyline", "downtown", "buildings?", "bridge", "sidewalk",
                  "pavement", "road", "crosswalk", "plaza", "square", "town", "subway", "bus", "car", "crowd")),
    ("field", _any("fields?", "meadow", "garden", "park", "lawn", "farm\\w*", "grass\\w*", "countryside", "village",
                   "hills?", "backyard", "yard", "playground", "orchard", "path", "prairie", "outdoors")),
)  # fmt: skip
# Hints, heard only when no place is named.
_HINTS = (
    ("sea", _any("aboard", "passengers", "sail(?:s|ing|boat)?", "seashells?", "mermaid", "fisherman")),
    ("space", _any("astronaut", "cosmos", "visor", "airlock")),
    ("city", _any("traffic", "highway", "helipad", "parking", "truck", "taxi", "passers-?by")),
    ("room", _any("floor", "doorway", "door", "workbench", "window", "walls?", "chair", "monitor", "lobby", "warehouse",
                  "terminal", "airport", "basement", "fridge", "computer", "shelf", "lamp", "backstage")),
    ("field", _any("tree", "leafy", "leaves", "blossoms?", "petals?", "stream", "fountain", "porch", "recess",
                   "sunflowers?", "courtyard", "bench", "flowers?", "butterfly", "fireflies", "sleigh")),
)  # fmt: skip
_MOODS = (
    ("asleep", _any("asleep", "sleep(?:s|ing)?", "eyes closed", "closed eyes", "unconscious", "snooz\\w+")),
    ("surprise", _any("surpris\\w+", "shock\\w*", "startled", "amaz\\w+", "aw?e", "wide.eyed", "eyes widen", "gasp\\w*",
                      "astonish\\w*", "wonder", "scream\\w*", "eyes wide")),
    ("smile", _any("smil\\w+", "laugh\\w*", "grin\\w*", "happ\\w+", "joy\\w*", "cheer\\w*", "proud\\w*", "delight\\w*",
                   "warmly", "playful\\w*", "relief")),
    ("angry", _any("angr\\w+", "furious\\w*", "rage", "brow furrow\\w*", "furrow\\w*", "fierce\\w*", "determin\\w+",
                   "tense", "intens\\w+", "glar\\w+", "concentrat\\w+", "focused")),
    ("sad", _any("sad\\w*", "tears?", "cr(?:y|ies|ying)", "weep\\w*", "sorrow\\w*", "grie\\w+", "lonel\\w+", "worr\\w+",
                 "melanchol\\w+", "despair\\w*", "tired", "weary", "fear\\w*", "anxious\\w*", "heartbroken")),
)  # fmt: skip
_POSES = (
    ("run", _any("run", "runs", "running", "sprint\\w*", "chas\\w+", "flee\\w*", "rush\\w*", "gallop\\w*", "dash\\w*")),
    ("sit", _any("sit", "sits", "sitting", "seated", "kneel\\w*", "crouch\\w*", "perched",
                 "on (?:a|the) (?:chair|bench)")),
    ("walk", _any("walk\\w*", "stroll\\w*", "steps?", "stepping", "approach\\w*", "wander\\w*", "march\\w*",
                  "strid\\w+",
                  "pads", "enters?", "leav(?:es|ing)", "danc\\w+")),
)  # fmt: skip

_BACK = _any(
    "from behind", "back (?:shot|view)", "rear view", "turned away", "facing away", "with (?:his|her|their) backs?"
)
_DESCRIBED = re.compile(r"^([^:.!?\n]{1,80}): ", re.MULTILINE)
_INDOORS = frozenset({"hall", "stage", "library", "room"})
_APOSTROPHES = str.maketrans({"\u2019": "'", "\u2018": "'", "\u2011": "-", "\u2013": "-"})


def read(prompt: str, place_text: str = "") -> Reading:
    """Read a prompt.

    Args:
        prompt: The shot's text.
        place_text: Name and look of the place it shows, if known; these words decide the place before the prompt's.
    """
    text = prompt.translate(_APOSTROPHES).lower()
    place = find_place(place_text) or find_place(text)
    return Reading(
        size=_size(text),
        angle=_first(_ANGLES, text, Angle.EYE),
        move=_earliest_move(text),
        hour=_hour(text, place_text.lower(), place),
        weather="" if place in _INDOORS or place in ("underwater", "space") else _first(_WEATHER, text, ""),
        place=place,
        mood=_first(_MOODS, text, "calm"),
        pose=_first(_POSES, text, "stand"),
        back=bool(_BACK.search(text)),
    )


def action_of(prompt: str, names: Sequence[str]) -> str:
    """Return the prompt without leading ``Name: appearance`` lines of its subjects, as some scripts write them."""
    known = {name.casefold() for name in names}
    kept = [
        line for line in prompt.splitlines()
        if not ((match := _DESCRIBED.match(line.strip())) and match[1].strip().casefold() in known)
    ]  # fmt: skip
    return "\n".join(kept).strip() or prompt


def find_place(text: str) -> str:
    """Return the kind of place that ``text`` names or hints at most often, or an empty string."""
    lowered = text.lower()
    return _most(_PLACES, lowered) or _most(_HINTS, lowered)


def _most(table: tuple[tuple[str, re.Pattern[str]], ...], text: str) -> str:
    counts = {kind: len(pattern.findall(text)) for kind, pattern in table}
    best = max(counts, key=lambda kind: counts[kind])
    return best if counts[best] else ""


def _size(text: str) -> Size:
    for size, pattern in _SIZES:
        if pattern.search(text):
            return size
    return Size.MEDIUM


def _first(table: tuple[tuple[T, re.Pattern[str]], ...], text: str, default: T) -> T:
    return next((value for value, pattern in table if pattern.search(text)), default)


def _earliest_move(text: str) -> Move:
    hits = [(match.start(), -len(match[0]), move) for move, pattern in _MOVES if (match := pattern.search(text))]
    return min(hits)[2] if hits else Move.DRIFT


def _hour(text: str, place_text: str, place: str) -> str:
    hour = _first(_HOURS, text, "") or _first(_HOURS, place_text, "")
    if place == "space" and hour in ("", "storm"):
        return "night"
    if place in _INDOORS and hour == "night":
        return "lamplight"
    return hour or "day"
