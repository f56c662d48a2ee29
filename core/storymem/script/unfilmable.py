"""English words that ask for what one silent, short take of a video model cannot show."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unfilmable:
    """Wording that asks for one such thing, why it fails, and what to write instead."""

    rule: str
    pattern: re.Pattern[str]
    reason: str
    suggestion: str


def _words(*alternatives: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(alternatives)})\b", re.IGNORECASE)


UNFILMABLE = (
    Unfilmable(
        "sound",
        _words(
            "voice-?overs?",
            "narrat(?:or|ion|es|ing)",
            "dialogue",
            "soundtrack",
            "sound(?:s)? of",
            "sound effects?",
            "music (?:plays|swells|fades|starts)",
            "(?:says|shouts|whispers|yells|announces)(?=[:,]? ?[\"'“])",
            "(?:loud|faint) (?:bang|noise|music|voices?)",
        ),
        "is heard, not seen, and the model makes no sound",
        "show it: a mouth moving, birds taking off",
    ),
    Unfilmable(
        "lettering",
        _words(
            "subtitles?",
            "title cards?",
            "(?:on-?screen )?text (?:reads|reading|says|saying|appears|overlays?)",
            "(?:signs?|banners?|notes?|letters?|screens?|headlines?|labels?|posters?|inscriptions?) "
            "(?:that )?(?:reads?|reading|says?|saying)",
        ),
        "needs legible letters, which video models cannot draw",
        "show the thing without its words; add titles when editing",
    ),
    Unfilmable(
        "motion",
        _words(
            "explod(?:es?|ing)",
            "explosions?",
            "somersaults?",
            "back-?flips?",
            "cartwheels?",
            "whip[- ]pans?",
            "crash zooms?",
            "lightning[- ]fast",
            "at breakneck speed",
            "supersonic",
            "bullet[- ]time",
            "time-?lapse",
            "fast[- ]forward",
            "morphs? into",
            "transforms? into",
            "shatters? into",
        ),
        "is more motion or change than a clip of a few seconds holds together",
        "show the moment before or after it, or a slower action",
    ),
    Unfilmable(
        "many-shots",
        _words(
            "montage",
            "split[- ]screen",
            "cuts? to",
            "cross-?fades?",
            "series of (?:shots|clips|images)",
            "rapid cuts?",
            "smash cut",
        ),
        "asks for several shots in one",
        "write one shot for each, with cut: true",
    ),
)
