"""Places under a roof. Each function paints one kind of place onto a `Scene`."""

from __future__ import annotations

import torch
from torch import Tensor

from storymem_storyworld.draw import sdf
from storymem_storyworld.draw.painter import mixed
from storymem_storyworld.draw.scenery import Scene, cells, floor, ground, thing, wall, window

_WALLS = ((0.56, 0.74, 0.76), (0.94, 0.84, 0.66), (0.86, 0.60, 0.58))
_WOODS = ((0.78, 0.60, 0.42), (0.62, 0.42, 0.30), (0.46, 0.38, 0.40))
_WHITE = (0.97, 0.95, 0.90)


def _items(scene: Scene, period: float, offset: float, parallax: float = 0.6) -> Tensor:
    """Coordinate from the middle of an item that comes back every `period`."""
    return torch.remainder(scene.x(parallax) - offset + 0.5 * period, period) - 0.5 * period


def kitchen(scene: Scene) -> None:
    """Tiles, cupboards, a stove and a window."""
    paint = scene.main(_WALLS)
    wall(scene, mixed(paint, 1.0, 0.35), paint)
    x = scene.x(0.6)
    tile = torch.minimum((torch.remainder(x, 0.17) - 0.085).abs(), (torch.remainder(scene.y, 0.17) - 0.085).abs())
    band = torch.maximum(tile - 0.006, (scene.y - 0.66).abs() - 0.17)
    scene.fill(band, mixed(paint, 0.0, 0.25), alpha=0.5)
    window(scene, _items(scene, 3.4, 0.3), 1.0, 0.3, 0.27, _WHITE)
    high = _items(scene, 3.4, 1.6)
    thing(scene, sdf.box(high, scene.y - 1.18, 0.62, 0.2, 0.02), mixed(paint, 0.0, 0.12))
    thing(scene, sdf.box(high.abs() - 0.31, scene.y - 1.18, 0.27, 0.15, 0.02), mixed(paint, 1.0, 0.15))
    floor(scene, scene.second(_WOODS))
    counter, _ = cells(x, 0.56)
    scene.fill(sdf.box(0 * x, scene.y - 0.24, 9.0, 0.25), mixed(paint, 0.0, 0.3))
    thing(scene, sdf.box(counter, scene.y - 0.22, 0.24, 0.19, 0.02), mixed(paint, 0.0, 0.08))
    scene.fill(sdf.box(counter, scene.y - 0.34, 0.07, 0.014), _WHITE)
    scene.fill(sdf.box(0 * x, scene.y - 0.5, 9.0, 0.03), (0.93, 0.90, 0.84))
    stove = _items(scene, 3.4, 1.6)
    thing(scene, sdf.box(stove, scene.y - 0.24, 0.3, 0.25, 0.03), (0.88, 0.88, 0.90))
    scene.fill(sdf.box(stove, scene.y - 0.2, 0.21, 0.12, 0.03), (0.22, 0.22, 0.28))
    pot = torch.minimum(sdf.box(stove, scene.y - 0.58, 0.12, 0.07, 0.03), sdf.box(stove, scene.y - 0.62, 0.17, 0.015))
    thing(scene, pot, (0.80, 0.36, 0.30))


def bedroom(scene: Scene) -> None:
    """Striped wallpaper, a bed, a lamp and a window."""
    paint = scene.main(((0.66, 0.68, 0.86), (0.94, 0.78, 0.76), (0.66, 0.80, 0.64)))
    wall(scene, paint, _WHITE)
    x = scene.x(0.6)
    stripe = (torch.remainder(x, 0.3) - 0.15).abs() - 0.05
    scene.fill(stripe.maximum(0.07 - scene.y), mixed(paint, 1.0, 0.4), alpha=0.6)
    window(scene, _items(scene, 3.0, 0.1), 0.95, 0.26, 0.3, _WHITE)
    for side in (-1.0, 1.0):
        drape = sdf.box(_items(scene, 3.0, 0.1 + 0.34 * side), scene.y - 0.93, 0.1, 0.4, 0.03)
        thing(scene, drape, mixed(paint, (0.75, 0.30, 0.36), 0.6))
    floor(scene, scene.second(_WOODS))
    bed = _items(scene, 3.0, 1.55)
    wood = scene.canvas.colour((0.55, 0.35, 0.24))
    thing(scene, sdf.box(bed - 0.56, scene.y - 0.28, 0.05, 0.34, 0.03), wood)
    thing(scene, sdf.box(bed, scene.y - 0.12, 0.56, 0.13, 0.02), wood)
    thing(scene, sdf.box(bed, scene.y - 0.28, 0.54, 0.09, 0.06), mixed(paint, (0.30, 0.36, 0.66), 0.6))
    thing(scene, sdf.box(bed - 0.38, scene.y - 0.4, 0.14, 0.07, 0.06), _WHITE)
    lamp = _items(scene, 3.0, 0.72)
    scene.fill(sdf.segment(lamp, scene.y, 0.0, 0.0, 0.0, 0.55, 0.018), (0.35, 0.28, 0.26))
    _lamp_shade(scene, lamp, 0.55)


def _lamp_shade(scene: Scene, x: Tensor, height: float) -> None:
    glow = scene.by_time((0.98, 0.88, 0.62), (1.0, 0.86, 0.52), (1.0, 0.90, 0.56))
    halo = (0.5 - 0.9 * sdf.circle(x, scene.y - height - 0.1, 0.02)).clamp(0, 0.5)
    scene.canvas.fill(halo * scene.night[:, None, None], glow, lit=True)
    shade = sdf.spike(x, scene.y - height, 0.2, 0.42).maximum(scene.y - height - 0.22)
    scene.fill(shade, glow, lit=True)


def library(scene: Scene) -> None:
    """Shelves full of books."""
    wood = scene.main(((0.40, 0.26, 0.20), (0.58, 0.38, 0.24), (0.30, 0.34, 0.38)))
    wall(scene, mixed(wood, 0.0, 0.35), wood)
    x = scene.x(0.6)
    shelf = torch.floor(scene.y / 0.36)
    book, number = cells(x + 0.37 * shelf, 0.115)
    tone = torch.sin(number * 2.4 + shelf * 1.9)
    height = 0.115 + 0.025 * torch.sin(number * 1.3 + shelf)
    inside = sdf.box(book, scene.y - (shelf * 0.36 + 0.05 + height), 0.048, height, 0.01)
    for colour, low, high in (
        ((0.76, 0.28, 0.24), -1.1, -0.6), ((0.90, 0.74, 0.40), -0.6, 0.0),
        ((0.24, 0.50, 0.48), 0.0, 0.6), ((0.34, 0.36, 0.62), 0.6, 1.1),
    ):  # fmt: skip
        chosen = ((tone >= low) & (tone < high) & (scene.y > 0.02)).float()
        scene.canvas.fill(scene.cover(inside) * chosen, colour)
    plank = (torch.remainder(scene.y + 0.18, 0.36) - 0.18).abs() - 0.032
    scene.fill(plank + 0 * x, wood)
    scene.fill(sdf.box(_items(scene, 1.5, 0.0), scene.y, 0.055, 9.0), mixed(wood, 1.0, 0.1))
    floor(scene, scene.second(_WOODS))
    rug = sdf.ellipse(_items(scene, 3.0, 0.7, 0.85), scene.y + 0.4, 0.95, 0.17)
    scene.fill(rug, (0.66, 0.24, 0.26))
    scene.fill(rug + 0.05, (0.80, 0.42, 0.34))


def living_room(scene: Scene) -> None:
    """A sofa, a picture, a plant and a floor lamp."""
    paint = scene.main(((0.90, 0.80, 0.62), (0.60, 0.74, 0.66), (0.74, 0.62, 0.72)))
    wall(scene, paint, _WHITE)
    frame = _items(scene, 3.2, 0.35)
    thing(scene, sdf.box(frame, scene.y - 1.08, 0.34, 0.22), (0.60, 0.42, 0.26))
    scene.fill(sdf.box(frame, scene.y - 1.08, 0.28, 0.16), (0.72, 0.86, 0.92))
    hill = sdf.ellipse(frame + 0.08, scene.y - 0.88, 0.28, 0.17).maximum(sdf.box(frame, scene.y - 1.08, 0.28, 0.16))
    scene.fill(hill, (0.42, 0.62, 0.40))
    window(scene, _items(scene, 3.2, 1.7), 0.95, 0.34, 0.3, _WHITE)
    floor(scene, scene.second(_WOODS))
    sofa = _items(scene, 3.2, 0.35)
    cloth = mixed(paint, (0.28, 0.40, 0.58), 0.72)
    thing(scene, sdf.box(sofa, scene.y - 0.34, 0.6, 0.24, 0.1), cloth)
    thing(scene, sdf.box(sofa, scene.y - 0.16, 0.62, 0.13, 0.05), mixed(cloth, 1.0, 0.14))
    for side in (-1.0, 1.0):
        thing(scene, sdf.box(sofa - side * 0.66, scene.y - 0.22, 0.1, 0.2, 0.08), mixed(cloth, 0.0, 0.12))
    lamp = _items(scene, 3.2, 1.2)
    scene.fill(sdf.segment(lamp, scene.y, 0.0, 0.0, 0.0, 0.85, 0.02), (0.30, 0.26, 0.26))
    _lamp_shade(scene, lamp, 0.85)
    plant = _items(scene, 3.2, 2.35)
    for lean in (-0.2, -0.07, 0.07, 0.2):
        scene.fill(sdf.segment(plant, scene.y, 0.0, 0.2, lean, 0.62 - abs(lean), 0.045), (0.26, 0.54, 0.34))
    thing(scene, sdf.box(plant, scene.y - 0.1, 0.11, 0.12, 0.03), (0.80, 0.50, 0.36))


def castle(scene: Scene) -> None:
    """Stone walls, arched windows, banners and a carpet."""
    stone = scene.main(((0.62, 0.62, 0.68), (0.70, 0.62, 0.54), (0.50, 0.52, 0.60)))
    wall(scene, stone, mixed(stone, 0.0, 0.3))
    x = scene.x(0.6)
    row = torch.floor(scene.y / 0.2)
    joint = (torch.remainder(x + 0.2 * torch.remainder(row, 2.0), 0.4) - 0.2).abs() - 0.009
    line = torch.minimum(joint, (torch.remainder(scene.y, 0.2) - 0.1).abs() * -1.0 + 0.1 - 0.009)
    scene.fill(line.maximum(-scene.y), mixed(stone, 0.0, 0.4), alpha=0.6)
    bay = _items(scene, 2.0, 0.25)
    arch = torch.minimum(sdf.box(bay, scene.y - 0.75, 0.2, 0.32), sdf.circle(bay, scene.y - 1.07, 0.2))
    scene.fill(arch - 0.05, mixed(stone, 0.0, 0.3))
    scene.fill(arch, scene.by_time((0.70, 0.88, 0.98), (1.0, 0.66, 0.40), (0.10, 0.13, 0.32)), lit=True)
    cloth = scene.second(((0.72, 0.16, 0.20), (0.20, 0.30, 0.62), (0.44, 0.20, 0.52)))
    flag = _items(scene, 2.0, 1.25)
    banner = sdf.box(flag, scene.y - 1.0, 0.2, 0.38).maximum(0.16 - scene.y + 0.62 - flag.abs())
    thing(scene, banner, cloth)
    scene.fill(sdf.circle(flag, scene.y - 1.08, 0.09), (0.95, 0.80, 0.36))
    ground(scene, mixed(stone, (0.30, 0.26, 0.30), 0.45))
    scene.fill(sdf.box(0 * x, scene.y + 0.3, 9.0, 0.16), cloth)
    hem = ((scene.y + 0.3).abs() - 0.135).abs() - 0.01
    scene.fill(hem + 0 * x, (0.95, 0.80, 0.36))


def spaceship(scene: Scene) -> None:
    """Metal panels, portholes to the stars, light strips and consoles."""
    metal = scene.main(((0.60, 0.68, 0.78), (0.76, 0.76, 0.74), (0.46, 0.50, 0.66)))
    wall(scene, metal, mixed(metal, 0.0, 0.4))
    panel, _ = cells(scene.x(0.6), 0.9)
    scene.fill((panel.abs() - 0.435) * -1.0 + 0 * scene.y, mixed(metal, 0.0, 0.3))
    bay = _items(scene, 1.8, 0.45)
    hole = sdf.circle(bay, scene.y - 0.98, 0.33)
    scene.fill(hole - 0.06, mixed(metal, 0.0, 0.45))
    scene.fill(hole, (0.05, 0.06, 0.17), lit=True)
    for dx, dy, size in ((-0.15, 0.1, 0.02), (0.12, 0.17, 0.016), (0.05, -0.14, 0.02), (-0.2, -0.08, 0.014)):
        scene.fill(sdf.circle(bay - dx, scene.y - 0.98 - dy, size), (1.0, 1.0, 0.9), lit=True)
    planet = sdf.circle(bay - 0.2, scene.y - 0.86, 0.15).maximum(hole)
    scene.fill(planet, scene.by_time((0.36, 0.66, 0.86), (0.92, 0.56, 0.40), (0.60, 0.48, 0.82)), lit=True)
    strip = scene.second(((0.40, 0.95, 0.95), (0.98, 0.72, 0.36), (0.82, 0.50, 0.98)))
    scene.fill((scene.y - 1.46).abs() - 0.03 + 0 * panel, strip, lit=True)
    desk = _items(scene, 1.8, 1.35)
    thing(scene, sdf.box(desk, scene.y - 0.24, 0.34, 0.26, 0.04), mixed(metal, (0.16, 0.2, 0.34), 0.6))
    scene.fill(sdf.box(desk, scene.y - 0.35, 0.27, 0.1, 0.02), mixed(strip, 0.0, 0.1), lit=True)
    ground(scene, mixed(metal, (0.24, 0.28, 0.40), 0.6))
    seam, _ = cells(scene.x(0.85) / (1.0 + 1.1 * (-scene.y).clamp(min=0.0)), 0.6)
    scene.canvas.fill(scene.cover((seam.abs() - 0.285) * -1.0 + scene.y.clamp(min=0) * 9) * 0.5, mixed(metal, 0.0, 0.7))
