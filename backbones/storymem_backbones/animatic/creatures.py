"""Draws animals, from the side for wide framings and as a portrait for close ones, and people seen from above."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from storymem_backbones.animatic.cast import Look
from storymem_backbones.animatic.colour import RGB, Palette, mix
from storymem_backbones.animatic.people import Acting
from storymem_backbones.animatic.sheet import Pen, darker


@dataclass(frozen=True, slots=True)
class _Build:
    """Proportions of a four-legged animal, in heights."""

    legs: float
    body: float
    thick: float
    neck: float
    head: float
    ears: str
    tail: str
    snout: float = 1.0


_BUILDS = {
    "cat": _Build(0.30, 0.60, 0.17, 0.05, 0.2, "pointed", "long", 0.55),
    "dog": _Build(0.42, 0.62, 0.17, 0.16, 0.165, "floppy", "up"),
    "fox": _Build(0.36, 0.62, 0.16, 0.12, 0.165, "pointed", "bushy"),
    "horse": _Build(0.46, 0.72, 0.19, 0.27, 0.115, "small", "fall", 1.35),
    "bear": _Build(0.34, 0.72, 0.27, 0.10, 0.20, "round", "stub"),
    "rabbit": _Build(0.24, 0.46, 0.20, 0.06, 0.19, "tall", "stub", 0.6),
}
#: Height of each animal beside an adult of height 1.
HEIGHTS = {
    "cat": 0.30,
    "dog": 0.44,
    "fox": 0.40,
    "horse": 1.05,
    "bear": 0.85,
    "rabbit": 0.26,
    "bird": 0.24,
    "owl": 0.34,
    "fish": 0.22,
}


def draw_animal(pen: Pen, look: Look, palette: Palette, acting: Acting) -> None:
    """Draw an animal from the side, feet at (0, 0), about 1 high."""
    fur = palette.tone(*look.skin)
    shade = darker(fur, palette.ink)
    if look.form == "bird":
        _bird(pen, fur, shade, palette)
    elif look.form == "owl":
        _owl(pen, fur, shade, palette)
    elif look.form == "fish":
        _fish(pen, fur, shade, palette)
    else:
        _quadruped(pen, _BUILDS[look.form], (fur, shade, palette.ink), acting, palette.tone(*look.top))


def _quadruped(pen: Pen, build: _Build, inks: tuple[RGB, RGB, RGB], acting: Acting, collar: RGB) -> None:
    fur, shade, _ = inks
    half, spine = build.body / 2, build.legs + build.thick * 0.9
    stride = {"walk": 0.08, "run": 0.17}.get(acting.pose, 0.015)
    _tail(pen, build, half, spine, fur, shade)
    for x, swing, colour in ((-half + 0.12, stride, shade), (half - 0.05, -stride, shade)):
        pen.limb(
            [(x, spine - 0.08), (x + swing, build.legs * 0.5), (x + swing * 1.3, 0.03)], (0.075, 0.05, 0.04), colour
        )
    body = [(-half, spine), (-half * 0.5, spine + build.thick), (half * 0.5, spine + build.thick * 0.85),
            (half, spine + 0.02), (half * 0.7, spine - build.thick),
            (-half * 0.4, spine - build.thick * 0.8)]  # fmt: skip
    for x, swing in ((-half + 0.06, -stride), (half - 0.12, stride)):
        pen.limb(
            [(x, spine - 0.05), (x + swing, build.legs * 0.5), (x + swing * 1.3, 0.03)], (0.085, 0.055, 0.042), fur
        )
    pen.blob(body, fur, shade)
    head = (half + build.neck * 0.55, spine + build.thick * 0.5 + build.neck)
    pen.limb([(half * 0.7, spine + build.thick * 0.2), head], (build.thick * 0.72, build.head * 0.62), fur)
    pen.limb(
        [(half * 0.8, spine + build.thick * 0.62), (half * 1.12, spine + build.thick * 0.1)], (0.018, 0.018), collar
    )
    _side_head(pen, build, head, inks, acting)


def _side_head(pen: Pen, build: _Build, at: tuple[float, float], inks: tuple[RGB, RGB, RGB], acting: Acting) -> None:
    fur, shade, ink = inks
    (x, y), r = at, build.head
    if build.neck > 0.2:
        mane = [
            (x - r * 0.7, y + r * 0.9),
            (x - r * 0.1, y + r * 0.95),
            (x - r * 1.6, y - r * 2.6),
            (x - r * 2.3, y - r * 2.0),
        ]
        pen.blob(mane, darker(fur, ink, 0.45))
    _side_ears(pen, build.ears, x, y, r, inks)
    pen.ellipse(at, (r, r * 0.86), fur, shade)
    s = build.snout
    if s > 1:
        pen.limb([(x + r * 0.1, y), (x + r * 0.9, y - r * 0.55)], (r * 0.7, r * 0.5), fur)
    pen.ellipse((x + r * (0.3 + 0.5 * s), y - r * 0.28), (r * 0.62 * s**0.5, r * 0.42), mix(fur, (255, 250, 240), 0.28))
    pen.ellipse((x + r * (0.7 + 0.6 * s), y - r * 0.14), (r * 0.13, r * 0.11), ink)
    if build.snout < 1:
        for drop in (-0.24, -0.36):
            pen.limb([(x + r * 0.5, y + r * drop), (x + r * 1.5, y + r * (drop - 0.06))], (r * 0.018,) * 2, ink)
    if acting.mood == "asleep":
        pen.limb([(x + r * 0.2, y + r * 0.15), (x + r * 0.55, y + r * 0.13)], (r * 0.05,) * 2, ink)
    else:
        pen.ellipse((x + r * 0.38, y + r * 0.2), (r * 0.13, r * 0.16), ink)
        pen.ellipse((x + r * 0.42, y + r * 0.26), (r * 0.04, r * 0.05), (255, 255, 255))


def _side_ears(pen: Pen, kind: str, x: float, y: float, r: float, inks: tuple[RGB, RGB, RGB]) -> None:
    fur, shade, _ = inks
    if kind == "tall":
        for lean in (-0.35, 0.05):
            pen.ellipse((x + lean * r, y + r * 1.5), (r * 0.24, r * 0.95), shade if lean > 0 else fur, tilt=8)
    elif kind == "floppy":
        pen.ellipse((x - r * 0.55, y - r * 0.05), (r * 0.34, r * 0.72), shade, tilt=-14)
    elif kind == "round":
        pen.ellipse((x - r * 0.45, y + r * 0.75), (r * 0.32, r * 0.32), shade)
    else:
        tip = 1.75 if kind == "pointed" else 1.45
        for base in (-0.65, -0.05):
            pen.polygon([(x + base * r, y + r * 0.5), (x + (base + 0.2) * r, y + r * tip),
                         (x + (base + 0.6) * r, y + r * 0.5)],
                        shade if base > -0.5 else fur)  # fmt: skip


def _tail(pen: Pen, build: _Build, half: float, spine: float, fur: RGB, shade: RGB) -> None:
    root = (-half * 0.92, spine + build.thick * 0.4)
    if build.tail == "long":
        pen.curve(
            [root, (-half - 0.16, spine + 0.12), (-half - 0.2, spine + 0.36), (-half - 0.08, spine + 0.46)], 0.034, fur
        )
    elif build.tail == "up":
        pen.curve([root, (-half - 0.12, spine + 0.24), (-half - 0.06, spine + 0.38)], 0.036, fur)
    elif build.tail == "bushy":
        pen.blob(
            [root, (-half - 0.2, spine + 0.02), (-half - 0.42, spine + 0.04), (-half - 0.3, spine + 0.2)], fur, shade
        )
    elif build.tail == "fall":
        pen.blob([root, (-half - 0.1, spine), (-half - 0.15, spine - 0.34), (-half - 0.03, spine - 0.25)], shade)
    else:
        pen.ellipse(root, (0.06, 0.06), shade)


def _bird(pen: Pen, fur: RGB, shade: RGB, palette: Palette) -> None:
    beak = palette.tone(0.76, 0.13, 70)
    for x in (-0.02, 0.1):
        pen.limb([(x, 0.3), (x + 0.02, 0.02)], (0.022, 0.018), beak)
    pen.blob([(-0.55, 0.42), (-0.3, 0.62), (0.1, 0.75), (0.36, 0.6), (0.3, 0.3), (0.0, 0.2), (-0.25, 0.32)], fur, shade)
    pen.ellipse((0.3, 0.8), (0.2, 0.19), fur, shade)
    pen.polygon([(0.46, 0.86), (0.68, 0.78), (0.46, 0.73)], beak)
    pen.ellipse((0.37, 0.84), (0.035, 0.04), palette.ink)
    pen.blob([(-0.5, 0.4), (-0.15, 0.62), (0.12, 0.5), (-0.1, 0.33)], shade)


def _owl(pen: Pen, fur: RGB, shade: RGB, palette: Palette) -> None:
    """An owl sits upright and looks at us: round face, tufts, eyes in front."""
    light, beak = mix(fur, palette.tone(0.95, 0.02, 85), 0.5), palette.tone(0.76, 0.13, 70)
    for x in (-0.11, 0.11):
        pen.limb([(x, 0.14), (x, 0.02)], (0.045, 0.06), beak)
    pen.blob([(-0.3, 0.5), (-0.24, 0.8), (0.0, 0.9), (0.24, 0.8), (0.3, 0.5), (0.18, 0.12), (-0.18, 0.12)], fur, shade)
    pen.ellipse((0.0, 0.36), (0.17, 0.24), light)
    for side in (-1, 1):
        pen.blob([(side * 0.26, 0.6), (side * 0.38, 0.36), (side * 0.3, 0.1), (side * 0.18, 0.36)], shade)
        pen.polygon([(side * 0.25, 0.8), (side * 0.26, 1.0), (side * 0.08, 0.89)], shade)
        pen.ellipse((side * 0.115, 0.73), (0.12, 0.12), light)
        pen.ellipse((side * 0.115, 0.73), (0.075, 0.075), palette.tone(0.85, 0.14, 95))
        pen.ellipse((side * 0.115, 0.73), (0.04, 0.04), palette.ink)
    pen.polygon([(-0.04, 0.7), (0.04, 0.7), (0.0, 0.6)], beak)


def _fish(pen: Pen, fur: RGB, shade: RGB, palette: Palette) -> None:
    pen.blob([(-0.5, 0.5), (-0.92, 0.85), (-0.84, 0.5), (-0.92, 0.15)], shade)
    pen.blob([(-0.6, 0.5), (-0.1, 0.85), (0.45, 0.72), (0.7, 0.5), (0.45, 0.28), (-0.1, 0.15)], fur, shade)
    pen.blob([(-0.1, 0.5), (-0.2, 0.28), (0.1, 0.4)], shade)
    pen.ellipse((0.42, 0.56), (0.055, 0.065), palette.ink)


def draw_portrait(pen: Pen, look: Look, palette: Palette, acting: Acting) -> None:
    """Draw an animal's head and chest from the front; head centre at (0, 0.86), as tall as a person's bust."""
    fur = palette.tone(*look.skin)
    shade, light = darker(fur, palette.ink), mix(fur, palette.tone(0.95, 0.02, 85), 0.45)
    pen.blob([(-0.13, 0.5), (-0.1, 0.74), (0.0, 0.8), (0.1, 0.74), (0.13, 0.5), (0.0, 0.45)], fur, shade)
    pen.blob([(-0.05, 0.56), (0.0, 0.74), (0.05, 0.56), (0.0, 0.5)], light)
    _PORTRAIT_EARS.get(look.form, _ears_pointed)(pen, fur, light)
    pen.blob([(-0.105, 0.85), (-0.07, 0.93), (0.0, 0.95), (0.07, 0.93), (0.105, 0.85), (0.06, 0.775), (0.0, 0.76),
              (-0.06, 0.775)], fur, shade)  # fmt: skip
    pen.limb([(-0.075, 0.75), (0.075, 0.75)], (0.011, 0.011), palette.tone(*look.top))
    if look.form == "cat":
        _stripes(pen, shade)
    elif look.form == "fox":
        _fox_cheeks(pen, light)
    elif look.form == "owl":
        _owl_face(pen, light)
    _muzzle(pen, look.form, light, palette)
    for side in (-1, 1):
        _animal_eye(pen, side, acting.mood, palette)


def _muzzle(pen: Pen, form: str, light: RGB, palette: Palette) -> None:
    if form in ("bird", "owl"):
        pen.polygon([(-0.022, 0.84), (0.022, 0.84), (0.0, 0.79)], palette.tone(0.76, 0.13, 70))
        return
    if form == "fox":  # long and narrow, with the nose at its lower end
        pen.blob([(-0.034, 0.845), (0.034, 0.845), (0.022, 0.785), (0.0, 0.765), (-0.022, 0.785)], light)
        pen.blob([(-0.018, 0.792), (0.018, 0.792), (0.0, 0.766)], palette.ink)
        return
    pen.ellipse((0.0, 0.806), (0.048, 0.034 if form == "cat" else 0.042), light)
    pen.blob([(-0.016, 0.83), (0.016, 0.83), (0.0, 0.812)], palette.ink)
    pen.curve([(0.0, 0.815), (0.0, 0.8), (-0.022, 0.79)], 0.0022, palette.ink)
    pen.curve([(0.0, 0.8), (0.022, 0.79)], 0.0022, palette.ink)


def _fox_cheeks(pen: Pen, light: RGB) -> None:
    """White cheeks that run out to a point on each side."""
    outline = ((0.03, 0.83), (0.085, 0.85), (0.135, 0.8), (0.08, 0.785), (0.03, 0.775))
    for side in (-1, 1):
        pen.blob([(side * x, y) for x, y in outline], light)


def _owl_face(pen: Pen, light: RGB) -> None:
    """Two pale discs around the eyes."""
    for side in (-1, 1):
        pen.ellipse((side * 0.048, 0.865), (0.052, 0.056), light)


def _stripes(pen: Pen, shade: RGB) -> None:
    for x, low, high in ((-0.03, 0.905, 0.945), (0.0, 0.895, 0.95), (0.03, 0.905, 0.945)):
        pen.limb([(x, high), (x * 0.7, low)], (0.006, 0.003), shade)
    for side in (-1, 1):
        for y in (0.812, 0.832):
            pen.limb([(side * 0.104, y), (side * 0.07, y - 0.003)], (0.005, 0.003), shade)
            pen.curve(
                [(side * 0.035, 0.806), (side * 0.09, y - 0.012), (side * 0.135, y - 0.02)], 0.0012, (245, 240, 230)
            )


def _animal_eye(pen: Pen, side: int, mood: str, palette: Palette) -> None:
    x = side * 0.048
    if mood == "asleep":
        pen.curve([(x - 0.02, 0.868), (x, 0.86), (x + 0.02, 0.868)], 0.003, palette.ink)
        return
    tall = 0.027 if mood == "surprise" else 0.021
    pen.ellipse((x, 0.867), (0.021, tall), palette.tone(0.78, 0.11, 95))
    pen.ellipse((x + 0.002, 0.867), (0.013, tall * 0.86), palette.ink)
    pen.ellipse((x + 0.007, 0.875), (0.0045, 0.005), (255, 255, 255))


def _ears_pointed(pen: Pen, fur: RGB, light: RGB) -> None:
    for side in (-1, 1):
        pen.polygon([(side * 0.098, 0.87), (side * 0.102, 1.0), (side * 0.03, 0.935)], fur)
        pen.polygon([(side * 0.088, 0.895), (side * 0.094, 0.972), (side * 0.05, 0.93)], light)


def _ears_of_a_fox(pen: Pen, fur: RGB, light: RGB) -> None:
    """Large, upright, with dark tips."""
    for side in (-1, 1):
        pen.polygon([(side * 0.112, 0.87), (side * 0.118, 1.05), (side * 0.022, 0.94)], mix(fur, (30, 24, 24), 0.65))
        pen.polygon([(side * 0.112, 0.87), (side * 0.1165, 1.005), (side * 0.022, 0.94)], fur)
        pen.polygon([(side * 0.1, 0.9), (side * 0.105, 0.985), (side * 0.05, 0.935)], light)


def _tufts(pen: Pen, fur: RGB, light: RGB) -> None:
    """An owl's ear tufts."""
    for side in (-1, 1):
        pen.polygon([(side * 0.1, 0.9), (side * 0.112, 1.0), (side * 0.05, 0.935)], mix(fur, (40, 30, 30), 0.3))


def _ears_floppy(pen: Pen, fur: RGB, light: RGB) -> None:
    for side in (-1, 1):
        pen.ellipse((side * 0.108, 0.845), (0.032, 0.075), mix(fur, (40, 30, 30), 0.3), tilt=side * 14)


def _ears_round(pen: Pen, fur: RGB, light: RGB) -> None:
    for side in (-1, 1):
        pen.ellipse((side * 0.08, 0.935), (0.035, 0.035), fur)
        pen.ellipse((side * 0.08, 0.935), (0.018, 0.018), light)


def _ears_tall(pen: Pen, fur: RGB, light: RGB) -> None:
    for side in (-1, 1):
        pen.ellipse((side * 0.05, 1.02), (0.026, 0.1), fur, tilt=-side * 8)
        pen.ellipse((side * 0.05, 1.02), (0.013, 0.075), light, tilt=-side * 8)


def _no_ears(pen: Pen, fur: RGB, light: RGB) -> None:
    """Birds and fish show none."""


_PORTRAIT_EARS: dict[str, Callable[[Pen, RGB, RGB], None]] = {
    "dog": _ears_floppy, "bear": _ears_round, "rabbit": _ears_tall, "bird": _no_ears, "fish": _no_ears,
    "fox": _ears_of_a_fox, "owl": _tufts,
}  # fmt: skip


def draw_from_above(pen: Pen, look: Look, palette: Palette) -> None:
    """Draw a person or animal as a bird sees it; centred on (0, 0), a person about 1 wide."""
    shadow = (
        (pen.height * 0.72, pen.height * 0.46) if look.form not in HEIGHTS else (pen.height * 0.4, pen.height * 0.3)
    )
    pen.sheet.soft_ellipse(pen.at((0.14, -0.16)), shadow, palette.ink, 0.45)
    if look.form in HEIGHTS:
        _animal_from_above(pen, palette.tone(*look.skin), palette)
        return
    body, crown = palette.tone(*look.top), palette.tone(*look.hair)
    pen.ellipse((0.0, 0.0), (0.5, 0.25), body, darker(body, palette.ink))
    for side in (-1, 1):
        pen.limb([(side * 0.42, 0.0), (side * 0.36, 0.3)], (0.1, 0.08), darker(body, palette.ink, 0.12))
    pen.ellipse((0.0, 0.06), (0.2, 0.23), crown, darker(crown, palette.ink))


def _animal_from_above(pen: Pen, fur: RGB, palette: Palette) -> None:
    shade = darker(fur, palette.ink)
    pen.curve([(-0.28, 0.0), (-0.45, 0.06), (-0.55, -0.04)], 0.035, shade)
    pen.ellipse((0.0, 0.0), (0.32, 0.15), fur, shade)
    pen.ellipse((0.34, 0.02), (0.15, 0.13), fur, shade)
    for side in (-1, 1):
        pen.ellipse((0.29, 0.02 + side * 0.12), (0.06, 0.05), shade)
