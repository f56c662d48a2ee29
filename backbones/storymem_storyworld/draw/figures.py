"""The characters: one rig for all kinds, with a head, ears, tail or hair for each.

Body units: feet at v = 0, chin about 0.5, top of the head about 0.9. Local coordinates are those of
`painter.Figure`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from storymem_storyworld.draw import sdf
from storymem_storyworld.draw.heads import HeadFrame, draw_behind_head, draw_hat, draw_head
from storymem_storyworld.draw.motion import Pose
from storymem_storyworld.draw.painter import INK, Canvas, Figure, constant, mixed, spread

SCALE = {
    "fox": 0.95, "cat": 0.9, "dog": 0.95, "bear": 1.1, "rabbit": 0.86, "owl": 0.84, "mouse": 0.78,
    "man": 1.12, "woman": 1.06, "boy": 0.86, "girl": 0.86, "elder": 1.04, "robot": 1.0,
}  # fmt: skip
_DRESSED = frozenset(("woman", "girl", "elder"))
_WIDE = {"bear": 1.25, "man": 1.12, "owl": 1.15, "robot": 1.1}


@dataclass(frozen=True)
class Paint:
    """Colours (N, 3) and accessories (N,) of one group of characters of the same kind.

    Attributes:
        accent: Of a robot's lights and a girl's hair ties.
    """

    coat: Tensor
    outfit: Tensor
    skin: Tensor
    accent: Tensor
    hat: Tensor
    scarf: Tensor
    pattern: Tensor
    hat_colour: Tensor
    scarf_colour: Tensor


@dataclass(frozen=True)
class Stance:
    """Everything that moves, (N, 1, 1) each, in body units."""

    pose: Pose
    x: Tensor
    scale: float


def _local(canvas_x: Tensor, canvas_y: Tensor, pixel: Tensor, stance: Stance) -> Figure:
    pose = stance.pose
    v = canvas_y / stance.scale - pose.hop + 0.13 * pose.crouch
    u = (canvas_x - stance.x) / stance.scale - pose.lean * v.clamp(min=0.0)
    return Figure(u, v.expand_as(u), pixel / stance.scale)


def _legs(figure: Figure, kind: str, pose: Pose, colour: Tensor, shoe: Tensor) -> None:
    wide = _WIDE.get(kind, 1.0)
    for side in (-1.0, 1.0):
        step = side * pose.swing
        foot_x = side * 0.085 * wide + 0.10 * step * pose.facing.sign() + side * 0.13 * pose.crouch
        foot_y = 0.035 + 0.05 * step.clamp(min=0.0) + 0.13 * pose.crouch
        leg = sdf.segment(figure.u, figure.v, side * 0.08 * wide, 0.25, foot_x, foot_y + 0.03, 0.052)
        figure.part(leg, colour)
        toe = figure.u - foot_x - 0.02 * pose.facing
        figure.part(sdf.ellipse(toe, figure.v - foot_y, 0.078, 0.045), shoe)


def _torso(figure: Figure, kind: str, paint: Paint) -> None:
    u = figure.u / _WIDE.get(kind, 1.0)
    if kind == "robot":
        shape = sdf.box(figure.u, figure.v - 0.36, 0.185, 0.16, 0.05)
    elif kind in _DRESSED:
        shape = sdf.cone(u, figure.v, 0.27 if kind != "elder" else 0.24, 0.2, 0.46, 0.1)
    else:
        shape = sdf.cone(u, figure.v, 0.3, 0.155, 0.45, 0.115)
    body = figure.part(shape, paint.outfit, figure.glow(0.0, 0.36, 0.2))
    _pattern(figure, paint, body)
    if kind == "robot":
        figure.mark(sdf.box(figure.u, figure.v - 0.45, 0.085, 0.042, 0.02), mixed(paint.coat, 1.0, 0.75), body)
        figure.mark(sdf.circle(figure.u + 0.038, figure.v - 0.45, 0.022), paint.accent, body)
        figure.mark(sdf.circle(figure.u - 0.038, figure.v - 0.45, 0.022), mixed(paint.coat, 0.0, 0.6), body)


def _contrasting(outfit: Tensor) -> Tensor:
    """A colour (N, 3) that stands out from the outfit's, darker than a light one."""
    luminance = (outfit * constant((0.299, 0.587, 0.114), outfit.device)).sum(1, keepdim=True)
    return torch.where(luminance < 0.6, mixed(outfit, 1.0, 0.7), mixed(outfit, 0.0, 0.6))


def _pattern(figure: Figure, paint: Paint, body: Tensor) -> None:
    """Coarse enough to be told apart in a wide shot; a row at v = 0.35, which close-ups still show."""
    rows = (figure.v - 0.35) / 0.13
    row = torch.round(rows)
    stripes = 0.13 * (rows - row).abs() - 0.033
    column = figure.u / 0.14 + 0.5 * torch.remainder(row, 2.0)
    dots = sdf.circle(0.14 * (column - torch.round(column)), 0.13 * (rows - row), 0.042)
    colour = _contrasting(paint.outfit)
    for index, shape in ((1, stripes), (2, dots)):
        figure.mark(shape, colour, body * spread(paint.pattern == index))


def _arm(figure: Figure, kind: str, side: float, angle: Tensor, sleeve: Tensor, hand: Tensor) -> None:
    wide = _WIDE.get(kind, 1.0)
    ax, ay = side * 0.125 * wide, 0.45
    out, down = torch.sin(angle) * side, -torch.cos(angle)
    reach = 0.2
    figure.part(sdf.segment(figure.u, figure.v, ax, ay, ax + 0.8 * reach * out, ay + 0.8 * reach * down, 0.05), sleeve)
    hand_x, hand_y = ax + 1.15 * reach * out, ay + 1.15 * reach * down
    figure.part(sdf.circle(figure.u - hand_x, figure.v - hand_y, 0.058), hand)


def _scarf(figure: Figure, paint: Paint) -> None:
    worn = spread(paint.scarf)
    away = (1.0 - worn) * 9.0
    ring = sdf.ellipse(figure.u, figure.v - 0.485, 0.15, 0.055) + away
    tail = sdf.segment(figure.u, figure.v, 0.07, 0.47, 0.1, 0.3, 0.042) + away
    figure.part(tail, mixed(paint.scarf_colour, 0.0, 0.12))
    figure.part(ring, paint.scarf_colour)


def _tail(figure: Figure, kind: str, facing: Tensor, coat: Tensor) -> None:
    side = torch.where(facing > 0.5, -1.0, 1.0)
    u, v = figure.u * side, figure.v
    if kind == "fox":
        tail = sdf.segment(u, v, 0.14, 0.22, 0.31, 0.36, 0.085)
        figure.part(tail, coat)
        figure.part(sdf.circle(u - 0.33, v - 0.385, 0.06), mixed(coat, 1.0, 0.85), outlined=False)
    elif kind == "cat":
        figure.part(sdf.segment(u, v, 0.12, 0.2, 0.3, 0.26, 0.035), coat)
        figure.part(sdf.segment(u, v, 0.3, 0.26, 0.32, 0.44, 0.035), coat)
    elif kind == "dog":
        figure.part(sdf.segment(u, v, 0.13, 0.24, 0.27, 0.4, 0.04), coat)
    elif kind == "mouse":
        figure.part(sdf.segment(u, v, 0.1, 0.12, 0.36, 0.2, 0.02), mixed(coat, (0.95, 0.6, 0.6), 0.6))
    elif kind == "rabbit":
        figure.part(sdf.circle(u - 0.18, v - 0.22, 0.07), mixed(coat, 1.0, 0.6))


def _head_frame(figure: Figure, pose: Pose) -> HeadFrame:
    """Coordinates of the head: origin at its centre, tilted, and the shift of the face to where it looks."""
    hu = figure.u - 0.03 * pose.facing
    hv = figure.v - 0.685 + pose.head_down
    cos, sin = torch.cos(pose.tilt), torch.sin(pose.tilt)
    return HeadFrame(hu * cos - hv * sin, hu * sin + hv * cos, 0.075 * pose.facing, -0.35 * pose.head_down)


def _limb_colours(kind: str, paint: Paint) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Leg, shoe, sleeve and hand colours."""
    ink = constant(INK, paint.coat.device)
    if kind == "boy":
        return paint.skin, mixed(paint.coat, ink, 0.4), paint.outfit, paint.skin
    if kind == "man":
        return mixed(paint.coat, 0.0, 0.15), mixed(paint.coat, ink, 0.65), paint.outfit, paint.skin
    if kind in _DRESSED:
        return paint.skin, mixed(paint.coat, ink, 0.4), paint.outfit, paint.skin
    if kind == "robot":
        dark = mixed(paint.coat, 0.0, 0.35)
        return dark, paint.coat, dark, paint.coat
    if kind == "owl":
        return (
            paint.accent * 0 + constant((0.93, 0.65, 0.2), ink.device),
            paint.coat,
            paint.coat,
            paint.coat,
        )
    return paint.coat, mixed(paint.coat, 0.0, 0.25), paint.outfit, paint.coat


def draw_shadow(canvas: Canvas, x: Tensor, y: Tensor, stance: Stance) -> None:
    """A soft contact shadow on the ground, smaller while the character is in the air."""
    width = 0.27 * stance.scale * (1.0 - 0.9 * stance.pose.hop.clamp(0.0, 0.6))
    level = torch.sqrt(((x - stance.x) / width) ** 2 + ((y - 0.015) / (0.22 * width)) ** 2 + 1e-9)
    mask = (1.25 - level).clamp(0.0, 0.5)
    canvas.fill(mask, (0.08, 0.07, 0.14), lit=True)


def draw_figure(canvas: Canvas, x: Tensor, y: Tensor, pixel: Tensor, kind: str, paint: Paint, stance: Stance) -> None:
    """Draw one character into each picture.

    `x` (N, 1, W) and `y` (N, H, 1) are world coordinates of the pixels, `pixel` (N, 1, 1) is their size.
    """
    pose = stance.pose
    figure = _local(x, y, pixel, stance)
    head = _head_frame(figure, pose)
    leg, shoe, sleeve, hand = _limb_colours(kind, paint)
    _tail(figure, kind, pose.facing, paint.coat)
    draw_behind_head(figure, head, kind, paint.coat, paint.accent)
    _legs(figure, kind, pose, leg, shoe)
    _torso(figure, kind, paint)
    _scarf(figure, paint)
    draw_head(figure, head, kind, paint.coat, paint.skin, paint.accent)
    draw_hat(figure, head, paint.hat_colour, paint.hat)
    _arm(figure, kind, -1.0, pose.arm_left, sleeve, hand)
    _arm(figure, kind, 1.0, pose.arm_right, sleeve, hand)
    figure.onto(canvas)
