"""Draws objects: a dozen simple forms chosen by the noun in an entity's name."""

from __future__ import annotations

import math
from collections.abc import Callable

from storymem_backbones.animatic.cast import Look
from storymem_backbones.animatic.colour import RGB, Palette, mix
from storymem_backbones.animatic.sheet import Pen, darker

#: Height of each form beside an adult of height 1; anything else is 0.16.
HEIGHTS = {"vehicle": 0.85, "ship": 1.5, "boat": 0.9, "picture": 0.5, "umbrella": 0.5, "guitar": 0.55, "plant": 0.4}


def draw_thing(pen: Pen, look: Look, palette: Palette) -> None:
    """Draw an object standing on (0, 0), about 1 high."""
    body, second = palette.tone(*look.skin), palette.tone(*look.top)
    _FORMS.get(look.form, _gem)(pen, body, second, palette)


def _vehicle(pen: Pen, body: RGB, second: RGB, palette: Palette) -> None:
    shade = darker(body, palette.ink)
    pen.blob([(-1.1, 0.25), (-1.08, 0.55), (-0.7, 0.6), (-0.42, 0.98), (0.35, 0.98), (0.65, 0.6),
              (1.08, 0.5), (1.12, 0.25)],
             body, shade)  # fmt: skip
    for left, right in ((-0.55, -0.05), (0.03, 0.5)):
        pen.polygon(
            [(left, 0.6), (left + 0.14, 0.88), (right - 0.06, 0.88), (right, 0.6)], palette.tone(0.86, 0.03, 225)
        )
    for x in (-0.65, 0.65):
        pen.ellipse((x, 0.2), (0.24, 0.24), palette.ink)
        pen.ellipse((x, 0.2), (0.11, 0.11), palette.tone(0.75, 0.01, 250))


def _ship(pen: Pen, body: RGB, second: RGB, palette: Palette) -> None:
    pen.polygon([(-0.2, 0.3), (-0.42, 0.0), (-0.1, 0.12)], second)
    pen.polygon([(0.2, 0.3), (0.42, 0.0), (0.1, 0.12)], second)
    hull = mix(body, palette.tone(0.92, 0.01, 90), 0.6)
    pen.blob([(-0.22, 0.1), (-0.24, 0.6), (0.0, 1.0), (0.24, 0.6), (0.22, 0.1)], hull, darker(hull, palette.ink))
    pen.ellipse((0.0, 0.62), (0.1, 0.1), palette.tone(0.6, 0.06, 230))


def _boat(pen: Pen, body: RGB, second: RGB, palette: Palette) -> None:
    sail = palette.tone(0.93, 0.02, 85)
    pen.limb([(0.0, 0.2), (0.0, 1.0)], (0.025, 0.02), palette.tone(0.42, 0.05, 60))
    pen.polygon([(0.06, 0.98), (0.06, 0.3), (0.55, 0.3)], sail, darker(sail, palette.ink, 0.12))
    pen.polygon([(-0.06, 0.9), (-0.06, 0.3), (-0.4, 0.3)], mix(sail, second, 0.3))
    pen.polygon([(-0.75, 0.24), (0.75, 0.24), (0.5, 0.0), (-0.5, 0.0)], body, darker(body, palette.ink))


def _book(pen: Pen, body: RGB, second: RGB, palette: Palette) -> None:
    page = palette.tone(0.94, 0.025, 88)
    pen.polygon([(-0.95, 0.06), (0.95, 0.06), (0.85, 0.75), (-0.85, 0.75)], body)
    for side in (-1, 1):
        pen.blob([(0.0, 0.12), (side * 0.4, 0.18), (side * 0.86, 0.12), (side * 0.78, 0.72),
                  (side * 0.4, 0.8), (0.0, 0.7)], page,
                 darker(page, palette.ink, 0.1))  # fmt: skip
        for row in range(4):
            y = 0.28 + row * 0.11
            pen.limb([(side * 0.15, y), (side * 0.66, y)], (0.012, 0.012), palette.tone(0.66, 0.02, 60))


def _paper(pen: Pen, body: RGB, second: RGB, palette: Palette) -> None:
    page = palette.tone(0.93, 0.03, 85)
    pen.polygon([(-0.6, 0.02), (0.55, 0.06), (0.62, 0.98), (-0.54, 0.94)], page, darker(page, palette.ink, 0.1))
    for row in range(5):
        y = 0.22 + row * 0.14
        pen.limb([(-0.4, y), (0.4 - 0.2 * (row % 2), y + 0.02)], (0.014, 0.014), palette.tone(0.6, 0.03, 60))
    pen.ellipse((0.36, 0.2), (0.09, 0.09), second)


def _picture(pen: Pen, body: RGB, second: RGB, palette: Palette) -> None:
    pen.polygon([(-0.75, 0.0), (0.75, 0.0), (0.75, 1.0), (-0.75, 1.0)], palette.tone(0.5, 0.06, 65),
                palette.tone(0.38, 0.05, 60))  # fmt: skip
    pen.polygon([(-0.65, 0.1), (0.65, 0.1), (0.65, 0.9), (-0.65, 0.9)], mix(body, palette.tone(0.93, 0.02, 85), 0.6))
    pen.blob([(-0.64, 0.12), (-0.3, 0.5), (0.1, 0.3), (0.64, 0.55), (0.64, 0.12)], body)
    pen.ellipse((0.32, 0.68), (0.12, 0.12), second)


def _lamp(pen: Pen, body: RGB, second: RGB, palette: Palette) -> None:
    glow = palette.tone(0.95, 0.1, 88)
    pen.sheet.soft_ellipse(pen.at((0.0, 0.55)), (pen.height * 1.3, pen.height * 1.3), glow, 0.5)
    pen.polygon([(-0.28, 0.08), (0.28, 0.08), (0.24, 0.72), (-0.24, 0.72)], glow, mix(glow, second, 0.35))
    pen.blob([(-0.06, 0.2), (-0.1, 0.34), (0.0, 0.58), (0.1, 0.34), (0.06, 0.2)], palette.tone(0.75, 0.16, 55))
    metal = darker(body, palette.ink, 0.35)
    pen.polygon([(-0.34, 0.0), (0.34, 0.0), (0.3, 0.1), (-0.3, 0.1)], metal)
    pen.polygon([(-0.32, 0.7), (0.32, 0.7), (0.08, 0.92), (-0.08, 0.92)], metal)


def _box(pen: Pen, body: RGB, second: RGB, palette: Palette) -> None:
    pen.polygon([(-0.7, 0.0), (0.45, 0.0), (0.45, 0.75), (-0.7, 0.75)], body)
    pen.polygon([(0.45, 0.0), (0.75, 0.16), (0.75, 0.9), (0.45, 0.75)], darker(body, palette.ink))
    pen.polygon([(-0.7, 0.75), (0.45, 0.75), (0.75, 0.9), (-0.4, 0.9)], mix(body, (255, 250, 240), 0.25))
    pen.polygon([(-0.2, 0.3), (-0.02, 0.3), (-0.02, 0.55), (-0.2, 0.55)], second)


def _screen(pen: Pen, body: RGB, second: RGB, palette: Palette) -> None:
    pen.polygon([(-0.8, 0.12), (0.8, 0.12), (0.8, 1.0), (-0.8, 1.0)], palette.tone(0.3, 0.02, 260))
    pen.polygon([(-0.72, 0.2), (0.72, 0.2), (0.72, 0.93), (-0.72, 0.93)], palette.tone(0.78, 0.08, 205))
    for row, length in enumerate((0.9, 0.6, 0.75, 0.4)):
        y = 0.8 - row * 0.14
        pen.limb([(-0.6, y), (-0.6 + length, y)], (0.02, 0.02), palette.tone(0.94, 0.03, 200))
    pen.polygon([(-0.95, 0.0), (0.95, 0.0), (0.8, 0.12), (-0.8, 0.12)], palette.tone(0.42, 0.02, 260))


def _stick(pen: Pen, body: RGB, second: RGB, palette: Palette) -> None:
    pen.limb([(-0.35, 0.02), (0.38, 0.95)], (0.05, 0.028), mix(body, palette.tone(0.5, 0.06, 60), 0.5))
    pen.limb([(-0.35, 0.02), (-0.2, 0.21)], (0.075, 0.06), second)
    pen.ellipse((0.38, 0.95), (0.05, 0.05), palette.tone(0.93, 0.08, 90))


def _umbrella(pen: Pen, body: RGB, second: RGB, palette: Palette) -> None:
    pen.curve([(0.0, 0.7), (0.0, 0.1), (0.08, 0.0), (0.16, 0.1)], 0.022, palette.ink)
    pen.blob([(-0.85, 0.5), (-0.6, 0.86), (0.0, 1.02), (0.6, 0.86), (0.85, 0.5), (0.42, 0.58), (0.0, 0.5),
              (-0.42, 0.58)],
             body, darker(body, palette.ink))  # fmt: skip


def _cup(pen: Pen, body: RGB, second: RGB, palette: Palette) -> None:
    pen.curve([(0.36, 0.72), (0.66, 0.62), (0.6, 0.32), (0.32, 0.3)], 0.06, darker(body, palette.ink, 0.15))
    pen.blob([(-0.45, 0.9), (-0.42, 0.3), (-0.28, 0.02), (0.28, 0.02), (0.42, 0.3), (0.45, 0.9)], body,
             darker(body, palette.ink))  # fmt: skip
    pen.ellipse((0.0, 0.9), (0.45, 0.1), mix(body, (255, 250, 240), 0.35))
    pen.ellipse((0.0, 0.89), (0.36, 0.07), darker(second, palette.ink, 0.35))


def _plant(pen: Pen, body: RGB, second: RGB, palette: Palette) -> None:
    green = palette.tone(0.55, 0.10, 145)
    pen.curve([(0.0, 0.2), (0.04, 0.5), (0.0, 0.76)], 0.025, green)
    for side, y in ((-1, 0.38), (1, 0.5)):
        pen.blob([(0.02, y), (side * 0.22, y + 0.14), (side * 0.36, y + 0.08), (side * 0.18, y - 0.02)], green)
    for turn in range(6):
        a = turn * math.pi / 3
        pen.ellipse((0.15 * math.cos(a), 0.82 + 0.13 * math.sin(a)), (0.1, 0.1), second)
    pen.ellipse((0.0, 0.82), (0.09, 0.08), palette.tone(0.84, 0.13, 88))
    pen.polygon([(-0.24, 0.26), (0.24, 0.26), (0.17, 0.0), (-0.17, 0.0)], body, darker(body, palette.ink))


def _orb(pen: Pen, body: RGB, second: RGB, palette: Palette) -> None:
    pen.ellipse((0.0, 0.5), (0.5, 0.5), body, darker(body, palette.ink))
    pen.ellipse((0.0, 0.5), (0.34, 0.34), mix(body, second, 0.5))
    pen.ellipse((-0.16, 0.7), (0.11, 0.08), mix(body, (255, 255, 255), 0.65), tilt=30)


def _gem(pen: Pen, body: RGB, second: RGB, palette: Palette) -> None:
    light, dark = mix(body, (255, 250, 240), 0.35), darker(body, palette.ink, 0.3)
    pen.polygon([(-0.6, 0.55), (-0.3, 0.95), (0.3, 0.95), (0.6, 0.55), (0.0, 0.0)], body)
    pen.polygon([(-0.6, 0.55), (-0.3, 0.95), (-0.15, 0.55), (0.0, 0.0)], light)
    pen.polygon([(0.6, 0.55), (0.3, 0.95), (0.2, 0.55), (0.0, 0.0)], dark)


def _guitar(pen: Pen, body: RGB, second: RGB, palette: Palette) -> None:
    wood = mix(body, palette.tone(0.6, 0.09, 60), 0.6)
    pen.limb([(0.0, 0.4), (0.0, 0.96)], (0.035, 0.03), palette.tone(0.36, 0.04, 55))
    pen.blob([(0.0, 0.0), (-0.24, 0.08), (-0.24, 0.24), (-0.14, 0.33), (-0.18, 0.46), (0.0, 0.52),
              (0.18, 0.46), (0.14, 0.33),
              (0.24, 0.24), (0.24, 0.08)], wood, darker(wood, palette.ink))  # fmt: skip
    pen.ellipse((0.0, 0.33), (0.075, 0.07), palette.ink)


def _crown(pen: Pen, body: RGB, second: RGB, palette: Palette) -> None:
    points = [(-0.7, 0.1), (-0.85, 0.85), (-0.4, 0.5), (0.0, 1.0), (0.4, 0.5), (0.85, 0.85), (0.7, 0.1)]
    pen.polygon(points, body, darker(body, palette.ink))
    for x in (-0.4, 0.0, 0.4):
        pen.ellipse((x, 0.26), (0.08, 0.08), second)


_FORMS: dict[str, Callable[[Pen, RGB, RGB, Palette], None]] = {
    "vehicle": _vehicle, "ship": _ship, "boat": _boat, "book": _book, "paper": _paper, "picture": _picture,
    "lamp": _lamp,
    "box": _box, "screen": _screen, "stick": _stick, "umbrella": _umbrella, "cup": _cup, "plant": _plant, "orb": _orb,
    "gem": _gem, "guitar": _guitar, "crown": _crown,
}  # fmt: skip
