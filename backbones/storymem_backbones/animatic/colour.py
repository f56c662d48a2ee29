"""Colours chosen by lightness, chroma and hue (OKLCH), then lit by the hour of the scene.

Everything in a picture takes its colours from one :class:`Palette`, which is what makes it look like one picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

#: sRGB, 0..255.
RGB = tuple[int, int, int]
#: Lightness 0..1, chroma 0..0.3, hue in degrees.
LCH = tuple[float, float, float]


def oklch(lightness: float, chroma: float, hue: float) -> RGB:
    """Convert OKLCH to sRGB; colours outside the gamut are clipped."""
    a, b = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        _gamma(4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short),
        _gamma(-1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short),
        _gamma(-0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short),
    )


def hue_of(rgb: tuple[float, float, float]) -> tuple[float, float]:
    """Return (chroma, hue in degrees) of an sRGB colour."""
    r, g, b = (_linear(v / 255) for v in rgb)
    long = math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b)
    medium = math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b)
    short = math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b)
    a = 1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short
    bb = 0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short
    return math.hypot(a, bb), math.degrees(math.atan2(bb, a)) % 360


def mix(one: RGB, other: RGB, amount: float) -> RGB:
    """Return ``one`` moved towards ``other`` by ``amount``, 0..1."""
    r, g, b = (round(p + (q - p) * amount) for p, q in zip(one, other, strict=True))
    return r, g, b


def _gamma(value: float) -> int:
    value = min(max(value, 0.0), 1.0)
    return round(255 * (12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055))


def _linear(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else float(((value + 0.055) / 1.055) ** 2.4)


@dataclass(frozen=True, slots=True)
class Light:
    """The hour: what it does to every colour, and the sky it makes.

    Attributes:
        lamp: Factors on red, green and blue.
        air: The colour everything leans towards.
        amount: How much it leans, 0..1.
        sky: OKLCH at the top and at the horizon.
        sun: OKLCH of sun or moon.
    """

    lamp: tuple[float, float, float]
    air: LCH
    amount: float
    sky: tuple[LCH, LCH]
    sun: LCH


LIGHTS: dict[str, Light] = {
    "day": Light((1.0, 0.99, 0.96), (0.93, 0.04, 90), 0.07, ((0.76, 0.075, 232), (0.94, 0.032, 95)), (0.98, 0.05, 95)),
    "dawn": Light((1.0, 0.91, 0.89), (0.86, 0.07, 30), 0.12, ((0.72, 0.06, 275), (0.91, 0.065, 50)), (0.96, 0.07, 75)),
    "sunset": Light(
        (1.0, 0.83, 0.72), (0.76, 0.13, 50), 0.13, ((0.52, 0.095, 310), (0.84, 0.125, 62)), (0.93, 0.12, 80)
    ),
    "night": Light(
        (0.46, 0.52, 0.72),
        (0.35, 0.06, 265),
        0.16,
        ((0.23, 0.055, 270), (0.44, 0.065, 245)),
        (0.94, 0.03, 100),
    ),
    "lamplight": Light(
        (0.90, 0.76, 0.62), (0.60, 0.10, 60), 0.12, ((0.28, 0.05, 275), (0.42, 0.05, 260)), (0.93, 0.10, 80)
    ),
    "storm": Light(
        (0.80, 0.84, 0.87),
        (0.70, 0.02, 235),
        0.14,
        ((0.55, 0.025, 245), (0.79, 0.018, 215)),
        (0.90, 0.01, 220),
    ),
}


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of one shot: an hour and a base hue that its place brings along."""

    light: Light
    hue: float

    def tone(self, lightness: float, chroma: float, hue: float, far: float = 0.0) -> RGB:
        """Return a colour as it looks at this hour; ``far`` 0..1 fades it into the horizon."""
        r, g, b = oklch(lightness, chroma, hue)
        lit = (round(r * self.light.lamp[0]), round(g * self.light.lamp[1]), round(b * self.light.lamp[2]))
        lit = mix(lit, oklch(*self.light.air), self.light.amount)
        return mix(lit, self.sky_low, far) if far else lit

    def base(self, lightness: float, chroma: float = 0.05, turn: float = 0.0, far: float = 0.0) -> RGB:
        """Return a tone of the place's own hue, turned by some degrees."""
        return self.tone(lightness, chroma, self.hue + turn, far)

    @property
    def sky_top(self) -> RGB:
        """Top of the sky."""
        return oklch(*self.light.sky[0])

    @property
    def sky_low(self) -> RGB:
        """The sky at the horizon; what far things fade into."""
        return oklch(*self.light.sky[1])

    @property
    def sun(self) -> RGB:
        """Sun, moon or lamp."""
        return oklch(*self.light.sun)

    @property
    def ink(self) -> RGB:
        """The dark of lines and silhouettes."""
        return self.tone(0.27, 0.03, self.hue + 20)

    def for_figures(self) -> Palette:
        """Return a palette in which figures stand out from a dark backdrop: the same light, half as strong."""
        red, green, blue = ((v + 1) / 2 for v in self.light.lamp)
        return replace(self, light=replace(self.light, lamp=(red, green, blue), amount=self.light.amount * 0.6))
