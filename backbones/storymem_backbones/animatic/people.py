"""Draws people and robots: simple gouache figures whose face, hair and clothes come from a :class:`Look`.

Coordinates are the figure's own: feet at (0, 0), crown at about (0, 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from storymem_backbones.animatic.cast import Look
from storymem_backbones.animatic.colour import LCH, RGB, Palette, mix
from storymem_backbones.animatic.sheet import Pen, Point, darker, ellipse

_HIP, _SHOULDER = 0.475, 0.795


@dataclass(frozen=True, slots=True)
class Acting:
    """What a figure does: pose, mood, and whether it is seen from behind."""

    pose: str = "stand"
    mood: str = "calm"
    back: bool = False


@dataclass(frozen=True, slots=True)
class _Head:
    """Where the head is and how large: centre and radii."""

    x: float
    y: float
    rx: float
    ry: float

    def at(self, x: float, y: float) -> Point:
        """Return a point given in head radii from its centre."""
        return self.x + x * self.rx, self.y + y * self.ry


class Painter:
    """Draws one figure with one pen in one light."""

    def __init__(self, pen: Pen, look: Look, palette: Palette) -> None:
        self.pen, self.look, self.palette = pen, look, palette
        self.skin, self.hair = self._tone(look.skin), self._tone(look.hair)
        self.top, self.bottom = self._tone(look.top), self._tone(look.bottom)
        self.ink = palette.ink

    def _tone(self, colour: LCH) -> RGB:
        return self.palette.tone(*colour)

    def _dark(self, colour: RGB, amount: float = 0.22) -> RGB:
        return darker(colour, self.ink, amount)

    def draw(self, acting: Acting) -> None:
        """Draw the whole figure, back to front."""
        head = self._head()
        if acting.pose == "sit":
            self.pen.y += 0.12 * self.pen.height
            self._stool()
        if self.look.hair_style == "long" and self.look.form == "person" and not acting.back:
            self._long_hair(head)
        self._arm(-1, acting)
        self._legs(acting)
        self._torso()
        self._arm(1, acting)
        self._neck(head)
        if self.look.form == "robot":
            self._robot_head(head, acting)
        else:
            self._person_head(head, acting)

    def _head(self) -> _Head:
        grow = 1.38 if self.look.child else 1.0
        return _Head(0.006, 0.894 + 0.012 * (grow - 1), 0.066 * grow, 0.084 * grow)

    # Body

    def _legs(self, acting: Acting) -> None:
        if self.look.wear == "tail":
            self._tail()
            return
        for side, path in zip((-1, 1), _leg_paths(acting.pose), strict=True):
            colour = self._dark(self.bottom, 0.16) if side < 0 else self.bottom
            self.pen.limb(path, (0.056, 0.044, 0.03), colour)
            foot = path[-1]
            shoe = ((foot[0] - 0.03, foot[1] - 0.03), (foot[0] + 0.075, foot[1] - 0.03),
                    (foot[0] + 0.055, foot[1] + 0.018), (foot[0] - 0.03, foot[1] + 0.03))  # fmt: skip
            self.pen.blob(shoe, self._dark(self.bottom, 0.55))

    def _stool(self) -> None:
        wood = self._tone((0.45, 0.05, 58))
        for x in (-0.1, 0.1):
            self.pen.limb([(x, 0.4), (x * 1.25, 0.13)], (0.014, 0.012), self._dark(wood, 0.3))
        self.pen.blob([(-0.15, 0.42), (0.0, 0.44), (0.15, 0.42), (0.14, 0.385), (-0.14, 0.385)], wood)

    def _tail(self) -> None:
        scales = self._tone((0.66, 0.10, 195))
        body = (
            (-0.1, 0.5),
            (0.1, 0.5),
            (0.11, 0.38),
            (0.06, 0.2),
            (0.1, 0.07),
            (0.03, 0.04),
            (-0.03, 0.18),
            (-0.1, 0.36),
        )
        self.pen.blob(((0.03, 0.07), (-0.08, -0.02), (0.07, 0.03), (0.2, -0.03), (0.13, 0.08)), self._dark(scales))
        self.pen.blob(body, scales, self._dark(scales))

    def _torso(self) -> None:
        shade = self._dark(self.top)
        chest = [(-0.108, 0.755), (-0.088, 0.788), (-0.036, 0.815), (0.036, 0.815), (0.088, 0.788), (0.108, 0.755),
                 (0.092, 0.62)]  # fmt: skip
        hem = {
            "dress": [(0.08, 0.56), (0.17, 0.2), (0.0, 0.17), (-0.17, 0.2), (-0.08, 0.56)],
            "coat": [(0.102, 0.5), (0.13, 0.27), (0.0, 0.255), (-0.13, 0.27), (-0.102, 0.5)],
        }.get(self.look.wear, [(0.096, 0.47), (0.0, 0.45), (-0.096, 0.47)])
        self.pen.blob([*chest, *hem, (-0.092, 0.62)], self.top, shade)
        if self.look.form == "robot":
            self.pen.ellipse((0.0, 0.68), (0.04, 0.04), self._tone((0.85, 0.11, 195)))
        elif self.look.wear == "coat":
            self.pen.limb([(0.004, 0.79), (0.004, 0.28)], (0.004, 0.004), shade)
            self.pen.polygon([(-0.05, 0.81), (0.0, 0.69), (0.0, 0.81)], self._dark(self.top, 0.35))
            self.pen.polygon([(0.055, 0.81), (0.008, 0.69), (0.0, 0.81)], self._dark(self.top, 0.12))

    def _arm(self, side: int, acting: Acting) -> None:
        shoulder = (side * 0.088, _SHOULDER - 0.045)
        swing = {"walk": 0.06, "run": 0.13}.get(acting.pose, 0.012)
        if acting.pose == "sit":
            path = (shoulder, (side * 0.122, 0.61), (side * 0.03 + 0.1, 0.5))
        elif acting.pose == "run":
            path = (shoulder, (side * 0.12 - side * swing, 0.63), (side * 0.1 + side * 0.1, 0.68))
        else:
            path = (shoulder, (side * 0.12 - swing * side * 0.4, 0.61), (side * 0.118 + swing * side * 0.9, 0.47))
        colour = self._dark(self.top, 0.14) if side < 0 else mix(self.top, self._dark(self.top), 0.28)
        self.pen.limb(path, (0.036, 0.03, 0.024), colour)
        self.pen.ellipse(path[-1], (0.025, 0.028), self.skin if self.look.form == "person" else self._dark(self.top))

    def _neck(self, head: _Head) -> None:
        colour = self.skin if self.look.form == "person" else self._tone((0.6, 0.02, 220))
        self.pen.limb([(0.0, 0.79), (head.x, head.y - head.ry * 0.6)], (0.031, 0.028), self._dark(colour, 0.16))
        if self.look.wear != "coat" and self.look.form == "person":
            self.pen.ellipse((0.0, 0.806), (0.038, 0.016), self._dark(self.skin, 0.16))

    # Head

    def _person_head(self, head: _Head, acting: Acting) -> None:
        face = [head.at(x, y) for x, y in
                ((-0.9, 0.35), (-0.6, 0.88), (0.0, 1.04), (0.6, 0.88), (0.9, 0.35), (0.86, -0.25), (0.52, -0.82),
                 (0.05, -1.02), (-0.45, -0.84), (-0.84, -0.25))]  # fmt: skip
        shade = self._dark(self.skin, 0.14)
        if not acting.back:
            self.pen.ellipse(head.at(-0.92, -0.06), (head.rx * 0.16, head.ry * 0.2), shade)
            self.pen.ellipse(head.at(0.9, -0.06), (head.rx * 0.13, head.ry * 0.18), shade)
        self.pen.blob(face, self.skin, shade)
        if acting.back:
            self._back_of_head(head)
        else:
            self._face(head, acting.mood)
            self._fringe(head)
        self._headgear(head)

    def _face(self, head: _Head, mood: str) -> None:
        for side in (-1, 1):
            self.pen.ellipse(head.at(0.07 + side * 0.5, -0.32), (head.rx * 0.2, head.ry * 0.1),
                             mix(self.skin, self._tone((0.68, 0.13, 25)), 0.17))  # fmt: skip
            self._eye(head, side, mood)
            self._brow(head, side, mood)
        nose = [head.at(0.08, 0.0), head.at(0.2, -0.24), head.at(0.06, -0.3)]
        self.pen.curve(nose, head.rx * 0.028, self._dark(self.skin, 0.34))
        if self.look.beard:
            self._beard(head)
        self._mouth(head, mood)
        if self.look.glasses:
            self._glasses(head)

    def _eye(self, head: _Head, side: int, mood: str) -> None:
        x = 0.08 + side * 0.36
        if mood == "asleep":
            lid = [head.at(x - 0.15, 0.02), head.at(x, -0.05), head.at(x + 0.15, 0.02)]
            self.pen.curve(lid, head.rx * 0.03, self.ink)
            return
        tall = {"surprise": 0.19, "angry": 0.11, "sad": 0.125}.get(mood, 0.14)
        white = self._tone((0.96, 0.012, 90))
        self.pen.ellipse(head.at(x, 0.0), (head.rx * 0.17, head.ry * tall), white)
        iris = mix(self.ink, self.hair, 0.25)
        self.pen.ellipse(head.at(x + 0.03, -0.005), (head.rx * 0.125, head.ry * min(tall, 0.13)), iris)
        self.pen.ellipse(head.at(x + 0.065, 0.045), (head.rx * 0.035, head.ry * 0.035), white)
        lid = [head.at(x - 0.18, tall * 0.35), head.at(x, tall + 0.012), head.at(x + 0.18, tall * 0.35)]
        self.pen.curve(lid, head.rx * 0.032, self.ink)

    def _brow(self, head: _Head, side: int, mood: str) -> None:
        x, lift = 0.08 + side * 0.37, {"surprise": 0.12, "angry": -0.05}.get(mood, 0.0)
        inner = {"angry": -0.1, "sad": 0.1}.get(mood, 0.0)
        near, far = (x - side * 0.19, 0.25 + lift + inner), (x + side * 0.2, 0.25 + lift - inner * 0.6)
        path = [head.at(*near), head.at(x, 0.32 + lift), head.at(*far)]
        self.pen.curve(path, head.rx * 0.042, self._dark(self.hair, 0.35))

    def _mouth(self, head: _Head, mood: str) -> None:
        lip = mix(self._dark(self.skin, 0.5), self._tone((0.52, 0.14, 22)), 0.5)
        if mood == "surprise":
            self.pen.ellipse(head.at(0.09, -0.58), (head.rx * 0.13, head.ry * 0.12), self._dark(lip, 0.5))
            return
        bend = {"smile": -0.13, "sad": 0.08, "angry": 0.03}.get(mood, -0.03)
        ends = -0.54 if bend < 0 else -0.6
        if mood == "smile":
            grin = [head.at(-0.2, ends), head.at(0.09, ends - 0.05), head.at(0.38, ends), head.at(0.09, ends - 0.2)]
            self.pen.blob(grin, self._dark(lip, 0.4))
            teeth = [head.at(-0.1, ends - 0.035), head.at(0.28, ends - 0.035), head.at(0.09, ends - 0.11)]
            self.pen.blob(teeth, self._tone((0.95, 0.012, 90)))
            return
        path = [head.at(-0.16, ends), head.at(0.09, ends + bend), head.at(0.34, ends)]
        self.pen.curve(path, head.rx * 0.036, lip)

    def _glasses(self, head: _Head) -> None:
        for side in (-1, 1):
            ring = [head.at(0.08 + side * 0.38 + x * 0.27, y * 0.22) for x, y in
                    ((-1, 0), (-0.7, 0.75), (0, 1), (0.7, 0.75), (1, 0), (0.7, -0.75), (0, -1),
                     (-0.7, -0.75), (-1, 0))]  # fmt: skip
            self.pen.curve(ring, head.rx * 0.03, self.ink)
        self.pen.limb([head.at(-0.05, 0.03), head.at(0.2, 0.03)], (head.rx * 0.03,) * 2, self.ink)

    def _beard(self, head: _Head) -> None:
        shape = [head.at(x, y) for x, y in
                 ((-0.88, -0.1), (-0.6, -0.42), (0.06, -0.4), (0.66, -0.42), (0.88, -0.1), (0.72, -0.85), (0.06, -1.42),
                  (-0.64, -0.85))]  # fmt: skip
        self.pen.blob(shape, self.hair, self._dark(self.hair, 0.16))

    # Hair and headgear

    def _fringe(self, head: _Head) -> None:
        if self.look.hair_style == "bald":
            return
        shade = self._dark(self.hair, 0.2)
        for lock in _locks(self.look.hair_style):
            self.pen.blob([head.at(x, y) for x, y in lock], self.hair, shade)
        if self.look.hair_style == "curly":
            for x, y in (
                (-0.95, 0.2),
                (-0.8, 0.65),
                (-0.42, 0.98),
                (0.05, 1.1),
                (0.5, 0.98),
                (0.85, 0.65),
                (0.98, 0.2),
            ):
                self.pen.ellipse(head.at(x, y), (head.rx * 0.34, head.ry * 0.28), self.hair)
        if self.look.hair_style == "bun":
            self.pen.ellipse(head.at(-0.1, 1.28), (head.rx * 0.42, head.ry * 0.34), self.hair, shade)

    def _long_hair(self, head: _Head) -> None:
        fall = [head.at(x, y) for x, y in
                ((-0.95, 0.6), (0.0, 1.15), (0.98, 0.6), (1.22, -0.5), (1.12, -1.75), (0.6, -1.95), (-0.6, -1.95),
                 (-1.2, -1.75), (-1.2, -0.5))]  # fmt: skip
        self.pen.blob(fall, self._dark(self.hair, 0.26))

    def _back_of_head(self, head: _Head) -> None:
        if self.look.hair_style == "long":
            self._long_hair(head)
        cover = [head.at(x, y) for x, y in
                 ((-1.0, 0.1), (-0.75, 0.9), (0.0, 1.15), (0.75, 0.9), (1.0, 0.1), (0.8, -0.7), (0.0, -0.9),
                  (-0.8, -0.7))]  # fmt: skip
        colour = self.skin if self.look.hair_style == "bald" else self.hair
        self.pen.blob(cover, colour, self._dark(colour, 0.2))

    def _headgear(self, head: _Head) -> None:
        draw = {
            "helmet": self._helmet,
            "crown": self._crown,
            "pointed": self._pointed,
            "hat": self._hat,
            "cap": self._cap,
        }
        if self.look.head:
            draw[self.look.head](head)

    def _helmet(self, head: _Head) -> None:
        shell, visor = self._tone((0.93, 0.01, 90)), self._tone((0.75, 0.06, 230))
        ring = [head.at(x * 1.42, 0.05 + y * 1.36) for x, y in _CIRCLE]
        self.pen.curve([*ring, ring[0]], head.rx * 0.2, shell)
        shine = [head.at(-0.75, 0.85), head.at(-1.05, 0.3), head.at(-1.08, -0.15)]
        self.pen.curve(shine, head.rx * 0.05, mix(visor, (255, 255, 255), 0.6))
        self.pen.polygon([head.at(-1.2, -1.15), head.at(1.2, -1.15), head.at(1.0, -1.5), head.at(-1.0, -1.5)], shell)

    def _crown(self, head: _Head) -> None:
        gold = self._tone((0.82, 0.13, 88))
        points = ((-0.72, 0.75), (-0.85, 1.4), (-0.4, 1.08), (0.0, 1.55), (0.4, 1.08), (0.85, 1.4), (0.72, 0.75))
        self.pen.polygon([head.at(x, y) for x, y in points], gold, self._dark(gold, 0.2))

    def _pointed(self, head: _Head) -> None:
        shade = self._dark(self.top, 0.25)
        cone = [head.at(x, y) for x, y in ((-0.95, 0.5), (-0.3, 1.7), (0.55, 2.5), (0.42, 1.5), (1.0, 0.5))]
        self.pen.polygon(cone, self.top, shade)
        brim = [head.at(x, y) for x, y in ((-1.5, 0.5), (0, 0.72), (1.5, 0.5), (0, 0.3))]
        self.pen.blob(brim, shade)

    def _hat(self, head: _Head) -> None:
        felt = self._tone((0.46, 0.05, 60))
        dome = [head.at(x, y) for x, y in ((-0.85, 0.55), (-0.7, 1.3), (0, 1.25), (0.7, 1.3), (0.88, 0.55))]
        self.pen.blob(dome, felt, self._dark(felt))
        self.pen.blob(
            [head.at(x, y) for x, y in ((-1.6, 0.55), (0, 0.75), (1.6, 0.55), (0, 0.4))], self._dark(felt, 0.1)
        )
        self.pen.limb([head.at(-0.82, 0.72), head.at(0.84, 0.72)], (head.ry * 0.08,) * 2, self._dark(felt, 0.5))

    def _cap(self, head: _Head) -> None:
        shade = self._dark(self.top, 0.25)
        dome = [head.at(x, y) for x, y in ((-1.0, 0.4), (-0.75, 1.05), (0, 1.25), (0.75, 1.05), (1.0, 0.4), (0, 0.5))]
        self.pen.blob(dome, self.top, shade)
        self.pen.blob([head.at(x, y) for x, y in ((-0.1, 0.5), (1.0, 0.5), (1.6, 0.28), (0.8, 0.3))], shade)

    def _robot_head(self, head: _Head, acting: Acting) -> None:
        shell = self._tone((0.80, 0.03, 220))
        glow = self._tone((0.86, 0.12, 200))
        box = [head.at(x, y) for x, y in ((-1.05, 0.75), (-0.8, 0.98), (0.8, 0.98), (1.05, 0.75),
                                          (1.0, -0.75), (0.75, -0.95),
                                          (-0.75, -0.95), (-1.0, -0.75))]  # fmt: skip
        self.pen.limb([head.at(0, 0.9), head.at(0, 1.45)], (head.rx * 0.05,) * 2, self._dark(shell, 0.5))
        self.pen.ellipse(head.at(0, 1.5), (head.rx * 0.14, head.ry * 0.11), self.top)
        self.pen.polygon(box, shell, self._dark(shell, 0.2))
        if acting.back:
            return
        screen = [head.at(x, y) for x, y in ((-0.72, 0.45), (0.8, 0.45), (0.8, -0.35), (-0.72, -0.35))]
        self.pen.polygon(screen, self._tone((0.30, 0.03, 240)))
        tall = 0.06 if acting.mood == "asleep" else 0.24
        for side in (-1, 1):
            self.pen.ellipse(head.at(0.05 + side * 0.36, 0.06), (head.rx * 0.18, head.ry * tall), glow)
        self.pen.limb([head.at(-0.2, -0.66), head.at(0.3, -0.66)], (head.ry * 0.04,) * 2, self._dark(shell, 0.5))


_CIRCLE: Sequence[Point] = ellipse((0.0, 0.0), (1.0, 1.0), corners=20)


def _leg_paths(pose: str) -> tuple[Sequence[Point], Sequence[Point]]:
    if pose == "walk":
        return ((-0.05, _HIP), (-0.075, 0.25), (-0.15, 0.045)), ((0.05, _HIP), (0.105, 0.26), (0.1, 0.03))
    if pose == "run":
        return ((-0.05, _HIP), (-0.06, 0.28), (-0.24, 0.2)), ((0.05, _HIP), (0.18, 0.31), (0.15, 0.06))
    if pose == "sit":
        return ((-0.04, _HIP), (0.15, 0.44), (0.12, 0.15)), ((0.04, _HIP), (0.21, 0.45), (0.21, 0.15))
    return ((-0.055, _HIP), (-0.06, 0.25), (-0.065, 0.03)), ((0.055, _HIP), (0.06, 0.25), (0.07, 0.03))


def _locks(style: str) -> Sequence[Sequence[Point]]:
    """Return the hair in front of the face as closed curves, in head radii."""
    cap = ((-1.02, 0.0), (-0.98, 0.6), (-0.6, 1.08), (0.05, 1.2), (0.68, 1.04), (1.0, 0.55), (1.0, 0.05),
           (0.86, 0.42), (0.5, 0.6), (0.0, 0.56), (-0.5, 0.66), (-0.86, 0.42))  # fmt: skip
    side = ((-1.02, -0.05), (-1.0, 0.6), (-0.6, 1.12), (0.1, 1.24), (0.75, 1.02), (1.02, 0.5), (0.98, 0.1),
            (0.8, 0.5), (0.2, 0.86), (-0.4, 0.5), (-0.84, 0.3))  # fmt: skip
    long = ((-1.08, -0.6), (-1.06, 0.55), (-0.6, 1.12), (0.05, 1.22), (0.66, 1.08), (1.06, 0.5), (1.1, -0.6),
            (0.92, -0.5), (0.84, 0.36), (0.3, 0.72), (-0.02, 0.84), (-0.4, 0.7), (-0.82, 0.3),
            (-0.9, -0.5))  # fmt: skip
    bob = ((-1.12, -0.75), (-1.1, 0.5), (-0.6, 1.12), (0.05, 1.22), (0.66, 1.08), (1.1, 0.5), (1.14, -0.75),
           (0.84, -0.78), (0.86, 0.3), (0.5, 0.42), (0.0, 0.44), (-0.5, 0.42), (-0.84, 0.3),
           (-0.82, -0.78))  # fmt: skip
    return {"side": (side,), "long": (long,), "bob": (bob,), "curly": (cap,), "bun": (cap,)}.get(style, (cap,))
