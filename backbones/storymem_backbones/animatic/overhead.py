"""Backdrops for the bird's-eye view: the ground of any kind of place."""

from __future__ import annotations

import math

from storymem_backbones.animatic.colour import mix
from storymem_backbones.animatic.scenery import Set
from storymem_backbones.animatic.sheet import Point, ellipse, smooth


def from_above(scene: Set, kind: str) -> None:
    """Draw the ground as a bird sees it."""
    p = scene.palette
    hue, chroma = {"sea": (222, 0.08), "snow": (250, 0.012), "city": (260, 0.015), "forest": (140, 0.07),
                   "field": (128, 0.08),
                   "desert": (75, 0.07), "underwater": (210, 0.08),
                   "space": (280, 0.01)}.get(kind, (p.hue, 0.04))  # fmt: skip
    low = 0.9 if kind == "snow" else 0.68
    scene.sheet.gradient(scene.top, scene.bottom, (p.tone(low, chroma, hue), p.tone(low - 0.05, chroma, hue)))
    boards = kind in ("room", "library", "stage", "hall", "city")
    if boards:
        for x in scene.across(16, 0.0):
            scene.sheet.polygon([(x, scene.top), (x + 0.35, scene.top), (x + 0.35, scene.bottom), (x, scene.bottom)],
                                p.tone(low - 0.13, chroma, hue))  # fmt: skip
        rug = ellipse((scene.centre, 52), (48, 38))
        scene.sheet.polygon(rug, p.base(0.62, 0.07, 120))
        scene.sheet.polygon(ellipse((scene.centre, 52), (43, 33.5)), p.base(0.72, 0.06, 100))
        return
    for _ in range(26):
        at = scene.uniform(scene.left, scene.right), scene.uniform(scene.top, scene.bottom)
        r = scene.uniform(3, 14)
        scene.sheet.polygon(ellipse(at, (r, r * scene.uniform(0.5, 0.9)), scene.uniform(0, 90)),
                            p.tone(low - scene.uniform(-0.05, 0.05), chroma, hue + scene.uniform(-12, 12)))  # fmt: skip
    if kind in ("field", "forest", "mountain", ""):
        path = [(scene.left - 5, 66), (scene.centre * 0.6, 55), (scene.centre * 1.3, 47), (scene.right + 5, 22)]
        edge = [(x, y + 17) for x, y in reversed(path)]
        scene.sheet.polygon(smooth([*path, *edge]), p.tone(0.82, 0.04, 80))
        for x in scene.across(9):
            _treetop(scene, (x, scene.uniform(-12, 14)), scene.uniform(8, 15))
            _treetop(scene, (x + 9, scene.uniform(86, 112)), scene.uniform(8, 15))


def _treetop(scene: Set, at: Point, radius: float) -> None:
    p = scene.palette
    leaf = p.tone(0.56, 0.085, 142 + scene.uniform(-10, 10))
    scene.sheet.soft_ellipse((at[0] + radius * 0.5, at[1] + radius * 0.5), (radius * 1.5, radius * 1.4), p.ink, 0.5)
    for part, lift in ((1.0, 0.0), (0.72, 0.04), (0.4, 0.08)):
        lobes = [(at[0] - radius * (1 - part) * 0.3 + radius * part * (1 + 0.12 * (i % 2)) * math.cos(i * math.pi / 7),
                  at[1] - radius * (1 - part) * 0.3 + radius * part * (1 + 0.12 * (i % 2)) * math.sin(i * math.pi / 7))
                 for i in range(14)]  # fmt: skip
        scene.sheet.polygon(
            smooth(lobes), p.tone(0.52 + lift * 1.6, 0.085, 142) if part < 1 else mix(leaf, p.ink, 0.15)
        )
