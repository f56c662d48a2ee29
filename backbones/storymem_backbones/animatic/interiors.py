"""Backdrops indoors: a room, shelves, a hall of columns, a stage."""

from __future__ import annotations

from collections.abc import Callable

from storymem_backbones.animatic.colour import RGB, mix
from storymem_backbones.animatic.scenery import Set
from storymem_backbones.animatic.sheet import Point, ellipse, smooth


def room(scene: Set) -> None:
    """A wall with a window and pictures, a lamp, furniture and floorboards."""
    p = scene.palette
    turn = scene.uniform(-50, 50)
    wall = p.base(0.83, 0.045, turn)
    base = scene.horizon + 12
    _wall_and_floor(scene, wall, p.tone(0.62, 0.06, 62), base)
    window_x = scene.centre + scene.sheet.stage.width * (0.28 if scene.uniform(0, 1) > 0.5 else -0.28)
    away = -1 if window_x > scene.centre else 1
    _window(scene, (window_x, base - 40 * scene.zoom), (13 * scene.zoom, 17 * scene.zoom))
    for i, x in enumerate((scene.centre + away * 16 * scene.zoom, scene.centre + away * 34 * scene.zoom)):
        _frame(scene, (x, base - (38 + 6 * i) * scene.zoom), 5.5 * scene.zoom, p.base(0.6, 0.08, turn + 120 + 60 * i))
    _cabinet(scene, scene.centre + away * 50 * scene.zoom, base + 3, p.tone(0.5, 0.065, 55))
    _floor_lamp(scene, scene.centre - away * 52 * scene.zoom, base + 3)
    rug = ellipse((scene.centre, base + 20), (46 * scene.zoom, 7.5))
    scene.sheet.polygon(rug, p.base(0.66, 0.075, turn + 150), p.base(0.58, 0.08, turn + 150), (0.8, -0.9))


def _wall_and_floor(scene: Set, wall: RGB, floor: RGB, base: float) -> None:
    p = scene.palette
    scene.sheet.gradient(scene.top, base, (mix(wall, p.ink, 0.12), wall, mix(wall, p.sun, 0.14)))
    scene.sheet.gradient(base, scene.bottom, (mix(floor, p.sun, 0.12), floor, mix(floor, p.ink, 0.25)))
    for i in range(-9, 10):
        x_far, x_near = scene.centre + i * 15, scene.centre + i * 34
        board = [(x_far, base), (x_far + 0.3, base), (x_near + 0.9, scene.bottom), (x_near, scene.bottom)]
        scene.sheet.polygon(board, mix(floor, p.ink, 0.2))
    skirting = [(scene.left, base - 2.6), (scene.right, base - 2.6), (scene.right, base), (scene.left, base)]
    scene.sheet.polygon(skirting, mix(wall, (255, 252, 245), 0.35))


def _window(scene: Set, at: Point, half: Point) -> None:
    p, (x, y), (w, h) = scene.palette, at, half
    frame = p.tone(0.93, 0.02, 85)
    scene.sheet.glow(at, w * 3.4, p.sky_low, 0.45)
    scene.sheet.polygon(_box(at, (w + 1.4, h + 1.4)), frame)
    scene.sheet.polygon(_box(at, half), mix(p.sky_top, p.sky_low, 0.4))
    hill = smooth([(x - w, y + h * 0.4), (x - w * 0.3, y + h * 0.15), (x + w * 0.4, y + h * 0.45),
                   (x + w, y + h * 0.25)],
                  closed=False)  # fmt: skip
    scene.sheet.polygon([*hill, (x + w, y + h), (x - w, y + h)], p.tone(0.68, 0.07, 150, far=0.35))
    scene.sheet.polygon(_box(at, (0.5, h)), frame)
    scene.sheet.polygon(_box(at, (w, 0.5)), frame)
    curtain = p.base(0.74, 0.07, 140)
    for side in (-1, 1):
        cloth = [(x + side * (w + 4), y - h - 3), (x + side * w * 0.55, y - h - 3), (x + side * w * 0.85, y),
                 (x + side * (w * 0.7), y + h + 5), (x + side * (w + 5), y + h + 5)]  # fmt: skip
        scene.sheet.polygon(cloth, curtain, mix(curtain, p.ink, 0.16), (1.4 * side, 0))
    scene.sheet.polygon(_box((x, y - h - 3), (w + 6, 0.6)), p.tone(0.42, 0.05, 60))


def _box(at: Point, half: Point) -> list[Point]:
    (x, y), (w, h) = at, half
    return [(x - w, y - h), (x + w, y - h), (x + w, y + h), (x - w, y + h)]


def _frame(scene: Set, at: Point, size: float, colour: RGB) -> None:
    p = scene.palette
    scene.sheet.polygon(_box((at[0] + 0.5, at[1] + 0.7), (size, size * 1.25)), mix(p.base(0.7), p.ink, 0.3))
    scene.sheet.polygon(_box(at, (size, size * 1.25)), p.tone(0.45, 0.05, 60))
    scene.sheet.polygon(_box(at, (size * 0.84, size * 1.09)), p.tone(0.93, 0.02, 85))
    scene.sheet.polygon(ellipse((at[0], at[1] + size * 0.2), (size * 0.5, size * 0.55)), colour)


def _cabinet(scene: Set, x: float, y: float, wood: RGB) -> None:
    z, p = scene.zoom, scene.palette
    scene.sheet.soft_ellipse((x, y), (20 * z, 2.6 * z), p.ink, 0.5)
    scene.sheet.polygon(_box((x, y - 10 * z), (15 * z, 9 * z)), wood, mix(wood, p.ink, 0.25), (2.4, 0))
    scene.sheet.polygon(_box((x, y - 19.4 * z), (16 * z, 0.9 * z)), mix(wood, p.ink, 0.2))
    for side in (-1, 1):
        scene.sheet.polygon(_box((x + side * 7.2 * z, y - 10 * z), (6.3 * z, 7 * z)), mix(wood, (255, 240, 215), 0.14))
        scene.sheet.circle((x + side * 2 * z, y - 10 * z), 0.7 * z, p.tone(0.8, 0.1, 85))
    vase = [
        (x - 6 * z, y - 20 * z),
        (x - 8 * z, y - 24 * z),
        (x - 6 * z, y - 28 * z),
        (x - 3 * z, y - 24 * z),
        (x - 5 * z, y - 20 * z),
    ]
    scene.sheet.polygon(smooth(vase), p.base(0.7, 0.08, 170))
    for i, hue in enumerate((20, 60, 350)):
        scene.sheet.circle((x - (8 - 2.2 * i) * z, y - (30 + 1.6 * (i % 2)) * z), 1.7 * z, p.tone(0.72, 0.11, hue))
    for i, hue in enumerate((250, 30, 150, 80)):
        scene.sheet.polygon(_box((x + (4 + 2.2 * i) * z, y - 23.4 * z), (0.95 * z, 3.2 * z)), p.tone(0.58, 0.08, hue))


def _floor_lamp(scene: Set, x: float, y: float) -> None:
    z, p = scene.zoom, scene.palette
    metal, glow = p.ink, p.tone(0.95, 0.085, 85)
    scene.sheet.polygon(_box((x, y - 22 * z), (0.4 * z, 22 * z)), metal)
    scene.sheet.polygon(ellipse((x, y), (4.5 * z, 1.1 * z)), metal)
    scene.sheet.glow((x, y - 43 * z), 26 * z, glow, 0.55)
    shade = [(x - 4 * z, y - 50 * z), (x + 4 * z, y - 50 * z), (x + 7 * z, y - 41 * z), (x - 7 * z, y - 41 * z)]
    scene.sheet.polygon(shade, glow, mix(glow, p.tone(0.7, 0.1, 60), 0.4), (1.6, 0))


def library(scene: Set) -> None:
    """Shelves full of spines, or of jars and boxes, with a warm floor."""
    p, z, base = scene.palette, scene.zoom, scene.horizon + 12
    wood = p.tone(0.44, 0.06, 55)
    _wall_and_floor(scene, mix(wood, p.ink, 0.35), p.tone(0.55, 0.06, 58), base)
    for row in range(8):
        y = base - 3 - row * 13 * z
        x = scene.left
        while x < scene.right:
            wide, tall = scene.uniform(1.2, 3.2) * z, scene.uniform(7, 11) * z
            if scene.uniform(0, 1) < 0.9:
                spine = p.tone(
                    scene.uniform(0.45, 0.7), 0.075, scene.uniform(10, 110) + 150 * (scene.uniform(0, 1) < 0.3)
                )
                scene.sheet.polygon([(x, y), (x, y - tall), (x + wide, y - tall), (x + wide, y)], spine,
                                    mix(spine, p.ink, 0.2), (wide * 0.3, 0))  # fmt: skip
            x += wide + 0.25
        scene.sheet.polygon(_box(((scene.left + scene.right) / 2, y + 0.8), (scene.right - scene.left, 0.9 * z)), wood)
    for x in scene.across(5, 0.0):
        scene.sheet.polygon(_box((x, base / 2 - 9), (1.3 * z, base / 2 + 10)), mix(wood, p.sun, 0.08), p.ink, (0.6, 0))
    scene.sheet.glow((scene.centre, base - 44), 62, p.tone(0.9, 0.09, 75), 0.34)


def hall(scene: Set) -> None:
    """Columns and arches that lead to a light."""
    p, h = scene.palette, scene.horizon
    stone = p.base(0.62, 0.03)
    scene.sheet.gradient(
        scene.top, scene.bottom, (mix(stone, p.ink, 0.6), mix(stone, p.ink, 0.25), mix(stone, p.ink, 0.5))
    )
    eye = (scene.centre, h)
    floor = [
        (scene.left - 60, scene.bottom + 20),
        (eye[0] - 9, h + 9),
        (eye[0] + 9, h + 9),
        (scene.right + 60, scene.bottom + 20),
    ]
    scene.sheet.polygon(floor, mix(stone, p.ink, 0.12))
    carpet = [
        (eye[0] - 34, scene.bottom + 20),
        (eye[0] - 3.4, h + 9),
        (eye[0] + 3.4, h + 9),
        (eye[0] + 34, scene.bottom + 20),
    ]
    scene.sheet.polygon(carpet, p.base(0.5, 0.09, scene.uniform(-60, 60)))
    end = smooth([(eye[0] - 8, h + 9), (eye[0] - 8, h - 9), (eye[0], h - 17), (eye[0] + 8, h - 9), (eye[0] + 8, h + 9)])
    scene.sheet.polygon(end, mix(p.sun, p.sky_low, 0.4))
    scene.sheet.glow((eye[0], h - 3), 40, p.sun, 0.6)
    for depth in (0.16, 0.26, 0.42, 0.68, 1.08):
        colour = mix(stone, mix(stone, p.ink, 0.5), min(1.0, depth))
        for side in (-1, 1):
            _column(scene, eye, side, depth * scene.zoom**0.5, mix(colour, p.sun, 0.22 * max(0.0, 0.6 - depth)))


def _column(scene: Set, eye: Point, side: int, depth: float, stone: RGB) -> None:
    p, x = scene.palette, eye[0] + side * 82 * depth
    half, foot, head = 6.5 * depth, eye[1] + 62 * depth, eye[1] - 88 * depth
    scene.sheet.polygon(
        _box((x, (foot + head) / 2), (half, (foot - head) / 2)), stone, mix(stone, p.ink, 0.35), (half * 0.7 * -side, 0)
    )
    for y, wide in ((foot, 1.35), (head + 9 * depth, 1.3)):
        scene.sheet.polygon(_box((x, y - 1.6 * depth), (half * wide, 2.2 * depth)), mix(stone, p.sun, 0.1))
    scene.sheet.glow((x - side * half * 1.6, eye[1] - 14 * depth), 15 * depth, p.tone(0.88, 0.12, 70), 0.7)
    scene.sheet.circle((x - side * half * 1.3, eye[1] - 14 * depth), 1.5 * depth, p.tone(0.96, 0.09, 90))


def stage(scene: Set) -> None:
    """Curtains, beams of light, and boards."""
    p, base = scene.palette, scene.horizon + 12
    velvet = p.tone(0.42, 0.12, 20)
    scene.sheet.gradient(scene.top, base, (p.tone(0.2, 0.04, 300), p.tone(0.34, 0.06, 320)))
    floor = p.tone(0.5, 0.06, 55)
    scene.sheet.gradient(base, scene.bottom, (mix(floor, p.sun, 0.2), floor, mix(floor, p.ink, 0.4)))
    for i, x in enumerate((-34.0, 0.0, 34.0)):
        beam = [(scene.centre + x * 1.4, scene.top), (scene.centre + x * 1.4 + 4, scene.top),
                (scene.centre + x * 0.5 + 22, base + 12),
                (scene.centre + x * 0.5 - 22, base + 12)]  # fmt: skip
        scene.sheet.polygon(beam, p.tone(0.44 + 0.05 * (i == 1), 0.06, 320 + 30 * i))
    scene.sheet.glow((scene.centre, base - 10), 60, p.tone(0.9, 0.07, 80), 0.5)
    scene.sheet.polygon(ellipse((scene.centre, base + 14), (44, 8)), mix(floor, p.sun, 0.5))
    for side in (-1, 1):
        for fold in range(6):
            edge = scene.centre + side * (scene.sheet.stage.width * 0.36 + fold * 8)
            cloth = smooth(
                [
                    (edge, scene.top - 5),
                    (edge + side * 11, scene.top - 5),
                    (edge + side * 12, base + 4),
                    (edge + side * 2, base + 4),
                ]
            )
            scene.sheet.polygon(cloth, velvet, mix(velvet, p.ink, 0.35), (side * 2.6, 0))


INDOORS: dict[str, Callable[[Set], None]] = {"room": room, "library": library, "hall": hall, "stage": stage}
