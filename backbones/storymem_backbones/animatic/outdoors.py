"""Backdrops out of doors, by kind of place, and the plain one for shots that name no place."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from storymem.values.clip import Frames
from storymem_backbones.animatic.colour import RGB, mix
from storymem_backbones.animatic.scenery import Set, ground, ridge, sky, stars, tufts
from storymem_backbones.animatic.sheet import Point, ellipse, smooth


def round_tree(scene: Set, at: Point, height: float, leaf: RGB) -> None:
    """Draw a broad tree standing on ``at``."""
    x, y = at
    trunk = mix(scene.palette.ink, scene.palette.tone(0.45, 0.05, 55), 0.7)
    scene.sheet.soft_ellipse((x, y), (height * 0.4, height * 0.06), scene.palette.ink, 0.35)
    scene.sheet.polygon([(x - height * 0.035, y), (x + height * 0.035, y), (x + height * 0.02, y - height * 0.6),
                         (x - height * 0.02, y - height * 0.6)], trunk)  # fmt: skip
    for dx, dy, r in ((-0.2, 0.55, 0.2), (0.19, 0.58, 0.2), (0.0, 0.75, 0.25)):
        crown = ellipse((x + dx * height, y - dy * height), (r * height, r * height * 0.94))
        scene.sheet.polygon(crown, leaf, mix(leaf, scene.palette.ink, 0.2), (height * 0.06, height * 0.05))


def pine(scene: Set, at: Point, height: float, leaf: RGB, snow: RGB | None = None) -> None:
    """Draw a conifer standing on ``at``."""
    x, y = at
    scene.sheet.polygon([(x - height * 0.02, y), (x + height * 0.02, y), (x, y - height * 0.4)], scene.palette.ink)
    for base, top, half in ((0.1, 0.5, 0.2), (0.3, 0.74, 0.16), (0.53, 1.0, 0.12)):
        tier = [(x - half * height, y - base * height), (x, y - top * height), (x + half * height, y - base * height),
                (x, y - (base + 0.05) * height)]  # fmt: skip
        scene.sheet.polygon(tier, leaf, mix(leaf, scene.palette.ink, 0.22), (height * 0.05, 0))
        if snow is not None:
            cap = 0.45
            scene.sheet.polygon([(x - half * height * cap, y - (top - (top - base) * cap) * height),
                                 (x, y - top * height),
                                 (x + half * height * cap, y - (top - (top - base) * cap) * height)], snow)  # fmt: skip


def field(scene: Set) -> None:
    """Rolling hills, trees and grass."""
    p, h = scene.palette, scene.horizon
    sky(scene)
    ridge(scene, h + 2, 17 * scene.zoom, (p.base(0.72, 0.05, 40, far=0.45), p.base(0.7, 0.06, 10, far=0.35)))
    ridge(scene, h + 5, 10 * scene.zoom, (p.base(0.68, 0.08, far=0.22), p.base(0.66, 0.08, far=0.1)), 5)
    for x in scene.across(6):
        round_tree(
            scene, (x, h + scene.uniform(4, 8)), scene.uniform(12, 22) * scene.zoom, p.base(0.55, 0.085, 8, far=0.12)
        )
    ridge(scene, h + 12, 4, (p.base(0.70, 0.095, -12), p.base(0.62, 0.095, -4)), 4)
    tufts(scene, p.base(0.55, 0.10, 4), 70)


def forest(scene: Set) -> None:
    """Trunks in three depths under a canopy, light between them."""
    p, h = scene.palette, scene.horizon
    scene.sheet.gradient(scene.top, h + 10, (p.base(0.62, 0.06, far=0.1), p.base(0.78, 0.06, -20, far=0.3),
                                             p.base(0.9, 0.06, -40, far=0.35)))  # fmt: skip
    scene.sheet.glow((scene.centre + scene.uniform(-30, 30), h * 0.6), 55, p.sun, 0.65)
    ground(scene, p.base(0.46, 0.06, -15), p.base(0.68, 0.07, -15, far=0.2))
    for depth, count, wide in ((0.55, 16, 1.6), (0.28, 10, 3.0), (0.0, 6, 5.4)):
        bark = p.tone(0.42, 0.04, 60, far=depth)
        y = h + 4 + 14 * (1 - depth)
        for x in scene.across(count):
            _trunk(scene, x, y, wide * scene.zoom, bark)
        _canopy(scene, p.base(0.5 + 0.12 * depth, 0.085, far=depth * 0.8), 26 - 22 * depth)
    tufts(scene, p.base(0.4, 0.08), 60)


def _trunk(scene: Set, x: float, y: float, wide: float, bark: RGB) -> None:
    lean = scene.uniform(-3, 3)
    outline = [(x - wide, y + 1), (x - wide * 0.5, y - 8), (x - wide * 0.42 + lean, scene.top),
               (x + wide * 0.42 + lean, scene.top),
               (x + wide * 0.5, y - 8), (x + wide, y + 1)]  # fmt: skip
    scene.sheet.polygon(outline, bark, mix(bark, scene.palette.ink, 0.25), (wide * 0.45, 0))


def _canopy(scene: Set, leaf: RGB, hang: float) -> None:
    for x in scene.across(13):
        r = scene.uniform(8, 15) * scene.zoom
        shade = mix(leaf, scene.palette.ink, 0.16)
        scene.sheet.polygon(
            ellipse((x, scene.top + hang * scene.uniform(0.2, 0.8)), (r, r * 0.75)), leaf, shade, (2, 1.5)
        )


def mountain(scene: Set) -> None:
    """Peaks with snow, and a valley."""
    p, h = scene.palette, scene.horizon
    sky(scene)
    for x in scene.across(4):
        _peak(scene, x, h + 5, scene.uniform(30, 52) * scene.zoom, p.base(0.62, 0.045, far=0.4))
    for x in scene.across(5):
        _peak(scene, x, h + 8, scene.uniform(14, 30) * scene.zoom, p.base(0.54, 0.05, far=0.18))
    ridge(scene, h + 10, 9, (p.tone(0.6, 0.06, 140, far=0.1), p.tone(0.52, 0.06, 140)), 6)
    for x in scene.across(14):
        pine(scene, (x, h + scene.uniform(8, 14)), scene.uniform(5, 10) * scene.zoom, p.tone(0.44, 0.06, 155, far=0.1))
    ridge(scene, h + 20, 4, (p.tone(0.58, 0.06, 130), p.tone(0.48, 0.06, 130)), 4)


def _peak(scene: Set, x: float, y: float, tall: float, rock: RGB) -> None:
    half = tall * scene.uniform(0.7, 0.95)
    snow = mix(scene.palette.tone(0.96, 0.012, 240), rock, 0.12)
    scene.sheet.polygon([(x - half, y), (x, y - tall), (x + half, y)], rock)
    scene.sheet.polygon([(x, y - tall), (x + half, y), (x + half * 0.1, y)], mix(rock, scene.palette.ink, 0.2))
    cap = [(x, y - tall), (x + half * 0.3, y - tall * 0.7), (x + half * 0.12, y - tall * 0.76), (x, y - tall * 0.66),
           (x - half * 0.14, y - tall * 0.75), (x - half * 0.3, y - tall * 0.7)]  # fmt: skip
    scene.sheet.polygon(cap, snow)


def snow(scene: Set) -> None:
    """White hills and conifers."""
    p, h = scene.palette, scene.horizon
    sky(scene)
    ridge(scene, h + 3, 18 * scene.zoom, (p.tone(0.86, 0.025, 250, far=0.3), p.tone(0.8, 0.03, 250, far=0.2)))
    for x in scene.across(12):
        pine(scene, (x, h + scene.uniform(3, 9)), scene.uniform(12, 26) * scene.zoom, p.tone(0.45, 0.05, 190, far=0.2),
             p.tone(0.95, 0.01, 250))  # fmt: skip
    ridge(scene, h + 10, 4, (p.tone(0.95, 0.012, 250), p.tone(0.86, 0.025, 255)), 4)
    ridge(scene, h + 32, 6, (p.tone(0.93, 0.015, 250), p.tone(0.83, 0.03, 258)), 3)


def sea(scene: Set) -> None:
    """Water to the horizon, a path of light on it, and a beach."""
    p, h = scene.palette, scene.horizon
    sky(scene)
    scene.sheet.gradient(
        h, scene.bottom, (p.tone(0.74, 0.07, 220, far=0.35), p.tone(0.58, 0.085, 225), p.tone(0.5, 0.085, 230))
    )
    ridge_far = p.tone(0.62, 0.05, 215, far=0.5)
    cape = [(scene.right, h), (scene.right, h - 8), (scene.right - 22, h - 5), (scene.right - 46, h)]
    scene.sheet.polygon(smooth(cape), ridge_far)
    scene.sheet.polygon([(scene.left, h), (scene.right, h), (scene.right, h + 0.7), (scene.left, h + 0.7)],
                        mix(p.sky_low, p.tone(0.9, 0.03, 210), 0.4))  # fmt: skip
    for _ in range(60):
        depth = scene.uniform(0, 1) ** 1.6
        x, y = scene.uniform(scene.left, scene.right), h + 1.5 + depth * (scene.bottom - h)
        long = (2 + 13 * depth) * scene.zoom
        foam = mix(p.tone(0.58, 0.085, 225), p.sun, scene.uniform(0.2, 0.55))
        scene.sheet.polygon(ellipse((x, y), (long, 0.18 + 0.5 * depth)), foam)
    shore = max(h + 5, 67.0)  # above the feet of figures in any framing
    wet, sand = p.tone(0.74, 0.045, 80), p.tone(0.86, 0.05, 82)
    line = smooth(
        [(x, shore + scene.uniform(-2.5, 2.5)) for x in np.linspace(scene.left - 5, scene.right + 5, 6)], closed=False
    )
    for lift, colour in ((-1.6, p.tone(0.95, 0.015, 200)), (0.0, wet), (5.0, sand)):
        below = [(x, y + lift) for x, y in line]
        scene.sheet.polygon([*below, (scene.right + 9, scene.bottom + 9), (scene.left - 9, scene.bottom + 9)], colour)


def desert(scene: Set) -> None:
    """Dunes with a lit and a shaded side."""
    p, h = scene.palette, scene.horizon
    sky(scene)
    for far, lift, rise in ((0.35, 2, 14), (0.15, 9, 12), (0.0, 22, 12)):
        lit, dim = p.tone(0.82, 0.08, 72, far=far), p.tone(0.68, 0.09, 58, far=far)
        ridge(scene, h + lift, rise * scene.zoom, (lit, dim), 5)


def city(scene: Set) -> None:
    """Rows of houses with windows, lit at night, and a street."""
    p, h = scene.palette, scene.horizon
    sky(scene)
    dark = p.light.sky[0][0] < 0.55
    for far, count, low, high in ((0.5, 17, 18, 44), (0.22, 11, 16, 40)):
        for x in scene.across(count, 0.2):
            tall, half = scene.uniform(low, high) * scene.zoom, scene.uniform(4, 7.5) * scene.zoom
            wall = p.base(scene.uniform(0.5, 0.68), 0.04, scene.uniform(-40, 40), far=far)
            _house(scene, (x, h + 4), (half, tall), wall, dark)
    scene.sheet.gradient(h + 4, scene.bottom, (p.base(0.58, 0.02, far=0.25), p.base(0.5, 0.02), p.base(0.42, 0.022)))
    kerb = p.base(0.72, 0.02)
    scene.sheet.polygon([(scene.left, h + 4), (scene.right, h + 4), (scene.right, h + 8), (scene.left, h + 8)], kerb)
    scene.sheet.polygon([(scene.left, h + 8), (scene.right, h + 8), (scene.right, h + 9.2), (scene.left, h + 9.2)],
                        mix(kerb, p.ink, 0.3))  # fmt: skip
    for x in scene.across(4, 0.1):
        _street_lamp(scene, x, h + 7, dark)
    for x in scene.across(7, 0.0):
        lane = [(x, h + 27), (x + 14, h + 27), (x + 16, h + 29), (x + 1, h + 29)]
        scene.sheet.polygon(lane, mix(p.base(0.5, 0.02), p.tone(0.9, 0.03, 90), 0.55))


def _house(scene: Set, at: Point, size: Point, wall: RGB, dark: bool) -> None:
    (x, y), (half, tall) = at, size
    p = scene.palette
    scene.sheet.polygon([(x - half, y), (x - half, y - tall), (x + half, y - tall), (x + half, y)], wall,
                        mix(wall, p.ink, 0.16), (half * 0.5, 0))  # fmt: skip
    scene.sheet.polygon([(x - half - 0.6, y - tall - 0.9), (x + half + 0.6, y - tall - 0.9),
                         (x + half + 0.6, y - tall + 0.6),
                         (x - half - 0.6, y - tall + 0.6)], mix(wall, p.ink, 0.28))  # fmt: skip
    lit, unlit = p.tone(0.97, 0.12, 85) if not dark else (255, 214, 140), mix(wall, p.sky_top, 0.45)
    for row in range(int(tall / 5.5)):
        for column in (-0.58, 0.0, 0.58):
            glows = scene.uniform(0, 1) < (0.45 if dark else 0.06)
            wx, wy = x + column * half, y - tall + 3.4 + row * 5.2
            scene.sheet.polygon([(wx - half * 0.17, wy), (wx + half * 0.17, wy), (wx + half * 0.17, wy + 2.6),
                                 (wx - half * 0.17, wy + 2.6)], lit if glows else unlit)  # fmt: skip


def _street_lamp(scene: Set, x: float, y: float, dark: bool) -> None:
    ink, tall = scene.palette.ink, 26 * scene.zoom
    scene.sheet.polygon([(x - 0.35, y), (x + 0.35, y), (x + 0.25, y - tall), (x - 0.25, y - tall)], ink)
    if dark:
        scene.sheet.glow((x, y - tall), 13, (255, 214, 150), 0.6)
    scene.sheet.circle((x, y - tall), 1.3, (255, 232, 180) if dark else scene.palette.tone(0.93, 0.04, 90))


def underwater(scene: Set) -> None:
    """Rays from the surface, corals and bubbles."""
    p = scene.palette
    scene.sheet.gradient(
        scene.top, scene.bottom, (p.tone(0.86, 0.07, 195), p.tone(0.62, 0.085, 212), p.tone(0.4, 0.08, 235))
    )
    for x in scene.across(6):
        slant, wide = scene.uniform(10, 24), scene.uniform(3, 7)
        ray = [(x, scene.top), (x + wide, scene.top), (x + wide * 2.6 - slant, 92), (x - wide - slant, 92)]
        scene.sheet.polygon(ray, mix(p.tone(0.66, 0.085, 210), p.tone(0.9, 0.05, 190), 0.28))
    scene.sheet.glow((scene.centre, 50), 75, p.tone(0.62, 0.08, 212), 0.6)
    ridge(scene, 84, 12, (p.tone(0.5, 0.07, 225), p.tone(0.44, 0.06, 230)), 6)
    for i, x in enumerate(scene.across(12)):
        hue = (18, 340, 55, 300, 165)[i % 5]
        _coral(
            scene, (x, 100 + scene.uniform(-6, 6)), scene.uniform(8, 20) * scene.zoom, p.tone(0.62, 0.12, hue, far=0.15)
        )
    for _ in range(40):
        at = scene.uniform(scene.left, scene.right), scene.uniform(scene.top, 90)
        scene.sheet.circle(at, scene.uniform(0.25, 0.9), p.tone(0.85, 0.05, 200))


def _coral(scene: Set, at: Point, tall: float, colour: RGB) -> None:
    x, y = at
    for lean in (-0.55, -0.2, 0.15, 0.5):
        tip = (x + lean * tall, y - tall * (1 - abs(lean) * 0.4))
        outline = [(x - tall * 0.1, y + 6), (tip[0] - tall * 0.07, tip[1]), (tip[0], tip[1] - tall * 0.08),
                   (tip[0] + tall * 0.07, tip[1]), (x + tall * 0.1, y + 6)]  # fmt: skip
        scene.sheet.polygon(smooth(outline), mix(colour, scene.palette.ink, 0.12 * (lean > 0)))


def space(scene: Set) -> None:
    """A planet over grey ground, and stars."""
    h = scene.horizon
    scene.sheet.gradient(scene.top, scene.bottom, ((16, 18, 38), (30, 32, 62), (58, 54, 92)))
    stars(scene, 150)
    x, y, r = scene.centre + scene.uniform(-40, 40), h * 0.42, 15 * scene.zoom
    scene.sheet.glow((x, y), r * 2.2, (120, 160, 220), 0.5)
    scene.sheet.polygon(ellipse((x, y), (r, r)), (104, 152, 200), (66, 96, 158), (r * 0.35, r * 0.12))
    for dx, dy, long in ((-0.4, -0.3, 0.4), (-0.25, 0.25, 0.5), (0.25, -0.05, 0.3)):
        scene.sheet.polygon(ellipse((x + dx * r, y + dy * r), (long * r, 0.09 * r), -12), (206, 222, 226))
    ridge(scene, h + 4, 7, ((120, 118, 134), (104, 102, 120)), 8)
    ridge(scene, h + 13, 4, ((148, 145, 156), (122, 119, 134)), 5)
    for _ in range(16):
        depth = scene.uniform(0.1, 1)
        at = scene.uniform(scene.left, scene.right), h + 14 + depth * (scene.bottom - h - 14)
        size = (1.5 + 6 * depth) * scene.zoom
        scene.sheet.polygon(ellipse(at, (size, size * 0.3)), (108, 105, 120))
        scene.sheet.polygon(
            ellipse((at[0] + size * 0.08, at[1] + size * 0.1), (size * 0.86, size * 0.2)), (136, 133, 146)
        )


def nowhere(scene: Set) -> None:
    """No place is named: a studio paper of soft shapes in the hue that the memory brings."""
    p = scene.palette
    top, low, floor = p.base(0.78, 0.045), p.base(0.9, 0.03, 15), p.base(0.72, 0.045, -10)
    scene.sheet.gradient(scene.top, scene.bottom, (top, low, low))
    for i, x in enumerate(scene.across(5)):
        r = scene.uniform(14, 30) * scene.zoom
        scene.sheet.polygon(
            ellipse((x, scene.horizon * scene.uniform(0.2, 0.95)), (r, r)), p.base(0.84 - 0.03 * (i % 3), 0.045, 12 * i)
        )
    scene.sheet.glow((scene.centre, scene.horizon * 0.6), 70, p.base(0.96, 0.025, 20), 0.55)
    ridge(scene, scene.horizon + 6, 3, (floor, p.base(0.64, 0.05, -14)), 4)


def remembered(scene: Set, seen: Frames) -> None:
    """No place is named, but one was just seen: its upper part, far out of focus."""
    p, (height, width) = scene.palette, seen.shape[:2]
    upper = Image.fromarray(seen).resize((14, 7), Image.Resampling.BOX, box=(0, height * 0.14, width, height * 0.7))
    soft = upper.resize(scene.sheet.image.size, Image.Resampling.BICUBIC)
    paper = Image.new("RGB", soft.size, p.base(0.84, 0.04))
    scene.sheet.image.paste(Image.blend(soft, paper, 0.25))
    scene.sheet.glow((scene.centre, scene.horizon * 0.6), 70, p.base(0.94, 0.03, 20), 0.35)


OUTDOORS: dict[str, Callable[[Set], None]] = {
    "field": field, "forest": forest, "mountain": mountain, "snow": snow, "sea": sea, "desert": desert, "city": city,
    "underwater": underwater, "space": space, "": nowhere,
}  # fmt: skip
