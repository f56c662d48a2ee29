"""Colours that have a name, and the name of any colour: the nearest in OKLab, where distances are as people see them.

OKLab: Björn Ottosson, "A perceptual color space for image processing" (2020). The world is painted in colours that are
clearly one of the names: what lies between two could be told by neither.
"""

from __future__ import annotations

import random
from functools import cache, lru_cache

Colour = tuple[float, float, float]
"""RGB in [0, 1], with sRGB's transfer curve."""

#: What each name means best. Black is no blacker than this because outlines and eyes have to be seen on it.
COLOURS: dict[str, Colour] = {
    "white": (0.96, 0.96, 0.95),
    "grey": (0.56, 0.57, 0.58),
    "black": (0.20, 0.20, 0.22),
    "red": (0.88, 0.16, 0.16),
    "maroon": (0.50, 0.12, 0.18),
    "pink": (0.98, 0.66, 0.74),
    "magenta": (0.88, 0.24, 0.66),
    "orange": (0.97, 0.54, 0.12),
    "brown": (0.47, 0.29, 0.17),
    "tan": (0.84, 0.71, 0.54),
    "gold": (0.80, 0.62, 0.14),
    "yellow": (0.98, 0.88, 0.22),
    "lime": (0.62, 0.87, 0.28),
    "green": (0.20, 0.66, 0.27),
    "dark_green": (0.11, 0.37, 0.20),
    "teal": (0.12, 0.62, 0.62),
    "sky": (0.52, 0.80, 0.95),
    "blue": (0.18, 0.38, 0.87),
    "navy": (0.12, 0.18, 0.46),
    "purple": (0.50, 0.22, 0.70),
    "lavender": (0.76, 0.66, 0.95),
}
_MARGIN = 0.03  # how much nearer a colour of the world is to its own name than to any other: readers err by about 0.01
_REACH = (0.055, 0.027, 0.027)  # how far from the middle of a name its colours are drawn, in L, a and b


def _linear(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def _curved(value: float) -> float:
    return 12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055


def to_oklab(colour: Colour) -> tuple[float, float, float]:
    """Lightness and the two axes of colour; RGB outside [0, 1] is held to it."""
    red, green, blue = (_linear(min(max(value, 0.0), 1.0)) for value in colour)
    long = (0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue) ** (1 / 3)
    middle = (0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue) ** (1 / 3)
    short = (0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue) ** (1 / 3)
    return (
        0.2104542553 * long + 0.7936177850 * middle - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * middle + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * middle - 0.8086757660 * short,
    )


def _from_oklab(lightness: float, a: float, b: float) -> Colour | None:
    """RGB, or None where a screen cannot show it."""
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    linear = (
        4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short,
    )
    if not all(0 <= value <= 1 for value in linear):
        return None
    red, green, blue = (_curved(value) for value in linear)
    return red, green, blue


@cache
def _middles() -> tuple[tuple[str, tuple[float, float, float]], ...]:
    return tuple((name, to_oklab(colour)) for name, colour in COLOURS.items())


def _distances(lab: tuple[float, float, float]) -> list[tuple[float, str]]:
    """Distance to each name's middle, nearest first."""
    far = [(sum((x - y) ** 2 for x, y in zip(lab, middle, strict=True)) ** 0.5, name) for name, middle in _middles()]
    return sorted(far)


@lru_cache(4096)
def colour_name(colour: Colour) -> str:
    """The nearest name, a key of COLOURS."""
    return _distances(to_oklab(colour))[0][1]


def sample_colour(rng: random.Random, name: str = "") -> Colour:
    """A colour that is clearly of this name, or of a random one."""
    wanted = name or rng.choice(tuple(COLOURS))
    lightness, a, b = to_oklab(COLOURS[wanted])
    for _ in range(12):
        lab = tuple(value + rng.uniform(-reach, reach) for value, reach in zip((lightness, a, b), _REACH, strict=True))
        colour = _from_oklab(*lab)
        if colour is None:
            continue
        (nearest, first), (second, _) = _distances(to_oklab(colour))[:2]
        if first == wanted and second - nearest >= _MARGIN:
            return colour
    return COLOURS[wanted]
