"""Things that lie or stand on the ground beside the characters."""

from __future__ import annotations

import torch
from torch import Tensor

from storymem_storyworld.draw import sdf
from storymem_storyworld.draw.painter import Canvas, Figure, constant, mixed


def _ball(figure: Figure, colour: Tensor) -> None:
    disc = figure.part(sdf.circle(figure.u, figure.v - 0.12, 0.12), colour, figure.glow(0.0, 0.12, 0.12))
    figure.mark((figure.v - 0.12).abs() - 0.032, mixed(colour, 1.0, 0.8), disc)


def _balloon(figure: Figure, colour: Tensor) -> None:
    figure.part(sdf.segment(figure.u, figure.v, 0.0, 0.02, 0.0, 0.55, 0.008), mixed(colour, 1.0, 0.6))
    figure.part(sdf.ellipse(figure.u, figure.v - 0.72, 0.15, 0.18), colour, figure.glow(0.0, 0.72, 0.16))
    figure.mark(sdf.ellipse(figure.u + 0.05, figure.v - 0.79, 0.03, 0.045), mixed(colour, 1.0, 0.7))


def _crate(figure: Figure, colour: Tensor) -> None:
    side = figure.part(sdf.box(figure.u, figure.v - 0.15, 0.17, 0.15, 0.02), colour, figure.glow(0.0, 0.15, 0.2))
    rim = (torch.maximum(figure.u.abs() / 0.17, (figure.v - 0.15).abs() / 0.15) - 0.82) * -0.15
    figure.mark(rim, mixed(colour, 0.0, 0.28), side)


def _lantern(figure: Figure, colour: Tensor) -> None:
    glow = constant((1.0, 0.93, 0.62), colour.device)
    figure.part(sdf.circle(figure.u, figure.v - 0.32, 0.06).abs() - 0.012, mixed(colour, 0.0, 0.3))
    figure.part(sdf.box(figure.u, figure.v - 0.15, 0.1, 0.15, 0.03), colour)
    figure.mark(sdf.box(figure.u, figure.v - 0.15, 0.06, 0.09, 0.02), glow[None])


def _flower(figure: Figure, colour: Tensor) -> None:
    green = constant((0.25, 0.56, 0.32), colour.device)[None]
    figure.part(sdf.segment(figure.u, figure.v, 0.0, 0.0, 0.0, 0.3, 0.02), green)
    figure.part(sdf.ellipse(figure.u - 0.07, figure.v - 0.12, 0.07, 0.03), green)
    petals = torch.full_like(figure.u, 9.0)
    for dx, dy in ((0.0, 0.085), (0.08, 0.025), (0.05, -0.07), (-0.05, -0.07), (-0.08, 0.025)):
        petals = torch.minimum(petals, sdf.circle(figure.u - dx, figure.v - 0.36 - dy, 0.062))
    figure.part(petals, colour)
    figure.mark(sdf.circle(figure.u, figure.v - 0.36, 0.048), constant((1.0, 0.88, 0.40), colour.device)[None])


def _stool(figure: Figure, colour: Tensor) -> None:
    for side in (-1.0, 1.0):
        figure.part(
            sdf.segment(figure.u, figure.v, side * 0.1, 0.24, side * 0.15, 0.01, 0.022),
            mixed(colour, 0.0, 0.3),
        )
    figure.part(sdf.box(figure.u, figure.v - 0.26, 0.17, 0.035, 0.03), colour)


_DRAW = {
    "ball": _ball,
    "balloon": _balloon,
    "crate": _crate,
    "lantern": _lantern,
    "flower": _flower,
    "stool": _stool,
}


def draw_prop(canvas: Canvas, x: Tensor, y: Tensor, pixel: Tensor, kind: str, colour: Tensor) -> None:
    """Draw one thing; x (N, 1, W) runs from its middle, y (N, H, 1) from the ground, `colour` is (N, 3)."""
    level = torch.sqrt((x / 0.2) ** 2 + (y / 0.045) ** 2 + 1e-9)
    canvas.fill((1.25 - level).clamp(0.0, 0.45), (0.08, 0.07, 0.14), lit=True)
    zero = torch.zeros_like(x * y)
    figure = Figure(x + zero, y + zero, pixel)
    _DRAW[kind](figure, colour)
    figure.onto(canvas)
