"""Heads, ears, hair, faces and hats, in coordinates centred on the head (radius about 0.22 body units)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from storymem_storyworld.draw import sdf
from storymem_storyworld.draw.painter import INK, Figure, constant, mixed, spread

_CREAM = (0.99, 0.95, 0.88)
_PINK = (0.96, 0.66, 0.66)
_ROUND = {
    "bear": (0.235, 0.215),
    "mouse": (0.215, 0.2),
    "owl": (0.24, 0.22),
    "man": (0.2, 0.21),
    "elder": (0.2, 0.21),
}


@dataclass(frozen=True)
class HeadFrame:
    """Head coordinates (N, H, W) and how far the face is turned (N, 1, 1)."""

    u: Tensor
    v: Tensor
    turn: Tensor
    drop: Tensor

    @property
    def face_u(self) -> Tensor:
        """Horizontal coordinate that moves with the face."""
        return self.u - self.turn

    @property
    def face_v(self) -> Tensor:
        """Vertical coordinate that moves with the face."""
        return self.v - self.drop


def _rotated(u: Tensor, v: Tensor, angle: float) -> tuple[Tensor, Tensor]:
    cos, sin = float(torch.cos(torch.tensor(angle))), float(torch.sin(torch.tensor(angle)))
    return u * cos + v * sin, v * cos - u * sin


def _pointed_ears(figure: Figure, head: HeadFrame, coat: Tensor, inner: Tensor, width: float, height: float) -> None:
    for side in (-1.0, 1.0):
        u, v = _rotated(head.u - side * 0.135, head.v - 0.1, -side * 0.32)
        figure.part(sdf.spike(u, v, width, height) - 0.012, coat)
        figure.mark(sdf.spike(u, v - 0.03, 0.55 * width, 0.7 * height), inner)


def _round_ears(figure: Figure, head: HeadFrame, coat: Tensor, inner: Tensor, radius: float, out: float) -> None:
    for side in (-1.0, 1.0):
        u, v = head.u - side * out, head.v - 0.16
        figure.part(sdf.circle(u, v, radius), coat)
        figure.mark(sdf.circle(u, v, 0.58 * radius), inner)


def _long_ears(figure: Figure, head: HeadFrame, coat: Tensor, inner: Tensor) -> None:
    for side in (-1.0, 1.0):
        u, v = _rotated(head.u - side * 0.1, head.v - 0.3, -side * 0.16)
        figure.part(sdf.ellipse(u, v, 0.062, 0.17), coat)
        figure.mark(sdf.ellipse(u, v, 0.03, 0.12), inner)


def _long_hair(figure: Figure, head: HeadFrame, coat: Tensor) -> None:
    hair = torch.minimum(
        sdf.ellipse(head.u, head.v - 0.02, 0.245, 0.245), sdf.box(head.u, head.v + 0.14, 0.215, 0.17, 0.09)
    )
    figure.part(hair, mixed(coat, 0.0, 0.12))


def _pigtails(figure: Figure, head: HeadFrame, coat: Tensor, accent: Tensor) -> None:
    figure.part(sdf.ellipse(head.u, head.v - 0.03, 0.232, 0.225), mixed(coat, 0.0, 0.12))
    for side in (-1.0, 1.0):
        figure.part(sdf.ellipse(head.u - side * 0.285, head.v + 0.09, 0.075, 0.14), coat)
        figure.part(sdf.circle(head.u - side * 0.24, head.v - 0.03, 0.045), accent)


def draw_behind_head(figure: Figure, head: HeadFrame, kind: str, coat: Tensor, accent: Tensor) -> None:
    """Ears and hair that lie behind body and head."""
    pink = constant(_PINK, coat.device)
    match kind:
        case "fox":
            _pointed_ears(figure, head, coat, mixed(coat, INK, 0.7), 0.085, 0.22)
        case "cat":
            _pointed_ears(figure, head, coat, mixed(coat, pink, 0.8), 0.095, 0.165)
        case "bear":
            _round_ears(figure, head, coat, mixed(coat, _CREAM, 0.5), 0.085, 0.17)
        case "mouse":
            _round_ears(figure, head, coat, mixed(coat, pink, 0.8), 0.145, 0.2)
        case "rabbit":
            _long_ears(figure, head, coat, mixed(coat, pink, 0.75))
        case "owl":
            _pointed_ears(figure, head, coat, mixed(coat, 0.0, 0.2), 0.075, 0.17)
        case "woman":
            _long_hair(figure, head, coat)
        case "girl":
            _pigtails(figure, head, coat, accent)


def _eyes(figure: Figure, head: HeadFrame, spread_x: float, height: float, size: float) -> None:
    ink = constant(INK, figure.u.device)
    white = constant((1.0, 1.0, 1.0), figure.u.device)
    for side in (-1.0, 1.0):
        u, v = head.face_u - side * spread_x, head.face_v - height
        figure.mark(sdf.ellipse(u, v, 0.8 * size, size), ink[None])
        figure.mark(sdf.circle(u + 0.3 * size, v - 0.4 * size, 0.34 * size), white[None])


def _smile(figure: Figure, head: HeadFrame, height: float, width: float, inside: Tensor) -> None:
    ink = constant(INK, figure.u.device)
    u, v = head.face_u, head.face_v - height
    arc = (sdf.circle(u, v - 0.6 * width, width)).abs() - 0.011
    figure.mark(torch.maximum(arc, v - 0.02 + 0.0 * u), ink[None], inside)


def _blush(figure: Figure, head: HeadFrame, inside: Tensor) -> None:
    pink = constant(_PINK, figure.u.device)
    for side in (-1.0, 1.0):
        shape = sdf.ellipse(head.face_u - side * 0.135, head.face_v + 0.055, 0.038, 0.025)
        figure.mark(shape, pink[None], inside * 0.75)


def _muzzled(figure: Figure, head: HeadFrame, kind: str, coat: Tensor) -> None:
    """Head of a furry animal: skull, light muzzle or cheeks, nose, mouth, eyes."""
    ink = constant(INK, coat.device)
    cream, pink = constant(_CREAM, coat.device), constant(_PINK, coat.device)
    rx, ry = _ROUND.get(kind, (0.225, 0.2))
    skull = figure.part(sdf.ellipse(head.u, head.v, rx, ry), coat, figure.glow(0.0, 0.7, 0.26))
    fu, fv = head.face_u, head.face_v
    if kind == "fox":
        for side in (-1.0, 1.0):
            figure.mark(sdf.ellipse(fu - side * 0.12, fv + 0.11, 0.13, 0.1), mixed(coat, cream, 0.92), skull)
    elif kind in ("dog", "bear"):
        figure.mark(sdf.ellipse(fu, fv + 0.075, 0.11, 0.085), mixed(coat, cream, 0.72), skull)
    elif kind in ("cat", "rabbit", "mouse"):
        figure.mark(sdf.ellipse(fu, fv + 0.085, 0.085, 0.062), mixed(coat, cream, 0.85), skull)
    if kind == "dog":
        for side in (-1.0, 1.0):
            u, v = _rotated(head.u - side * 0.21, head.v - 0.04, side * 0.3)
            figure.part(sdf.ellipse(u, v, 0.068, 0.15), mixed(coat, INK, 0.55))
    nose = {"dog": 0.042, "bear": 0.04, "fox": 0.034}.get(kind, 0.025)
    figure.mark(sdf.ellipse(fu, fv + 0.035, 1.25 * nose, nose), (pink * 0.85 if nose < 0.03 else ink)[None])
    _smile(figure, head, -0.115, 0.05, skull)
    _eyes(figure, head, 0.095, 0.045, 0.042)
    if kind in ("cat", "rabbit", "mouse"):
        _blush(figure, head, skull)


def _owl(figure: Figure, head: HeadFrame, coat: Tensor) -> None:
    ink = constant(INK, coat.device)
    rx, ry = _ROUND["owl"]
    skull = figure.part(sdf.ellipse(head.u, head.v, rx, ry), coat, figure.glow(0.0, 0.7, 0.26))
    for side in (-1.0, 1.0):
        u, v = head.face_u - side * 0.1, head.face_v - 0.02
        figure.mark(sdf.circle(u, v, 0.098), mixed(coat, _CREAM, 0.88), skull)
        figure.mark(sdf.circle(u, v, 0.052), ink[None], skull)
        figure.mark(sdf.circle(u + 0.016, v - 0.018, 0.018), torch.ones_like(ink)[None], skull)
    beak = sdf.spike(head.face_u, -(head.face_v + 0.02), 0.045, 0.09)
    figure.mark(beak, constant((0.96, 0.68, 0.18), coat.device)[None])


def _robot(figure: Figure, head: HeadFrame, coat: Tensor, accent: Tensor) -> None:
    dark = mixed(coat, (0.05, 0.08, 0.13), 0.88)
    figure.part(sdf.segment(head.u, head.v, 0.0, 0.15, 0.0, 0.3, 0.016), mixed(coat, 0.0, 0.4))
    figure.part(sdf.circle(head.u, head.v - 0.31, 0.045), accent)
    for side in (-1.0, 1.0):
        figure.part(sdf.box(head.u - side * 0.23, head.v, 0.03, 0.06, 0.015), mixed(coat, 0.0, 0.3))
    figure.part(sdf.box(head.u, head.v, 0.22, 0.175, 0.06), coat, figure.glow(0.0, 0.7, 0.26))
    figure.mark(sdf.box(head.face_u, head.face_v - 0.01, 0.16, 0.105, 0.05), dark)
    glow = constant((0.55, 0.98, 0.95), coat.device)[None]
    for side in (-1.0, 1.0):
        figure.mark(sdf.circle(head.face_u - side * 0.075, head.face_v - 0.03, 0.034), glow)
    figure.mark(sdf.box(head.face_u, head.face_v + 0.05, 0.05, 0.01, 0.01), glow)


def _person(figure: Figure, head: HeadFrame, kind: str, coat: Tensor, skin: Tensor) -> None:
    rx, ry = _ROUND.get(kind, (0.205, 0.2))
    for side in (-1.0, 1.0):
        figure.part(sdf.circle(head.u - side * rx, head.v + 0.01, 0.042), skin)
    face = figure.part(sdf.ellipse(head.u, head.v, rx, ry), skin, figure.glow(0.0, 0.7, 0.26))
    _eyes(figure, head, 0.08, 0.01, 0.036)
    figure.mark(
        sdf.circle(head.face_u - 0.3 * head.turn, head.face_v + 0.04, 0.021),
        mixed(skin, (0.8, 0.3, 0.2), 0.35),
    )
    if kind in ("woman", "girl", "boy"):
        _blush(figure, head, face)
    if kind == "man":
        for side in (-1.0, 1.0):
            u, v = _rotated(head.face_u - side * 0.05, head.face_v + 0.075, -side * 0.3)
            figure.mark(sdf.ellipse(u, v, 0.062, 0.026), coat, face)
    if kind == "elder":
        beard = torch.maximum(sdf.ellipse(head.u, head.v + 0.17, 0.18, 0.2), head.face_v + 0.075)
        figure.part(beard, mixed(coat, 1.0, 0.5))
        figure.mark(sdf.ellipse(head.face_u, head.face_v + 0.075, 0.09, 0.03), mixed(coat, 1.0, 0.7))
    else:
        _smile(figure, head, -0.1, 0.055, face)
    _hair(figure, head, kind, coat, rx, ry)


def _hair(figure: Figure, head: HeadFrame, kind: str, coat: Tensor, rx: float, ry: float) -> None:
    cap = sdf.ellipse(head.u, head.v - 0.015, rx + 0.02, ry + 0.02)
    line = {"man": 0.09, "boy": 0.075, "elder": 0.15}.get(kind, 0.07)
    part_line = line - head.face_v - 0.35 * (head.face_u.abs() if kind in ("woman", "girl") else -0.3 * head.face_u)
    shape = torch.maximum(cap, part_line)
    if kind == "boy":
        tuft = sdf.spike(*_rotated(head.u + 0.02, head.v - 0.19, 0.4), 0.05, 0.1)
        shape = torch.minimum(shape, tuft)
    colour = mixed(coat, 1.0, 0.5) if kind == "elder" else coat
    figure.part(shape, colour)


def draw_head(figure: Figure, head: HeadFrame, kind: str, coat: Tensor, skin: Tensor, accent: Tensor) -> None:
    """Head, face and hair; colours (N, 3)."""
    if kind == "owl":
        _owl(figure, head, coat)
    elif kind == "robot":
        _robot(figure, head, coat, accent)
    elif kind in ("man", "woman", "boy", "girl", "elder"):
        _person(figure, head, kind, coat, skin)
    else:
        _muzzled(figure, head, kind, coat)


def draw_hat(figure: Figure, head: HeadFrame, colour: Tensor, hat: Tensor) -> None:
    """Each hat in its colour (N, 3); `hat` is an index into HATS (N,)."""
    u, v = head.u, head.v - 0.14
    brim_side = torch.where(head.turn < -0.02, -1.0, 1.0)
    away = {index: (1.0 - spread(hat == index).float()) * 9.0 for index in (1, 2, 3)}
    dark = mixed(colour, 0.0, 0.3)
    dome = torch.maximum(sdf.ellipse(u, v, 0.2, 0.15), -v)
    figure.part(dome + away[1], colour)
    figure.part(sdf.segment(u * brim_side, v, 0.05, 0.005, 0.27, 0.0, 0.022) + away[1], dark)
    figure.part(sdf.box(u, v - 0.11, 0.13, 0.12, 0.02) + away[2], colour)
    figure.mark(sdf.box(u, v - 0.035, 0.13, 0.03) + away[2], dark)
    figure.part(sdf.box(u, v, 0.225, 0.022, 0.02) + away[2], colour)
    knit = torch.maximum(sdf.ellipse(u, v + 0.01, 0.205, 0.17), -v)
    figure.part(knit + away[3], colour)
    figure.part(sdf.box(u, v - 0.005, 0.21, 0.035, 0.03) + away[3], mixed(colour, 1.0, 0.55))
    figure.part(sdf.circle(u, v - 0.17, 0.055) + away[3], mixed(colour, 1.0, 0.55))
