"""Puts a shot on its sheets: which figure stands where and how large, before which backdrop.

Draws each layer once; the camera (see ``camera``) then photographs them frame by frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from storymem.values.clip import Frames
from storymem_backbones.animatic import creatures, things
from storymem_backbones.animatic.cast import Cast, Look
from storymem_backbones.animatic.colour import LIGHTS, Palette, hue_of
from storymem_backbones.animatic.interiors import INDOORS
from storymem_backbones.animatic.outdoors import OUTDOORS, remembered
from storymem_backbones.animatic.overhead import from_above
from storymem_backbones.animatic.people import Acting, Painter
from storymem_backbones.animatic.reading import Angle, Reading, Size
from storymem_backbones.animatic.scenery import HUES, Set, place_dice, tufts
from storymem_backbones.animatic.sheet import Pen, Sheet, Stage
from storymem_backbones.animatic.weather import fog


@dataclass(frozen=True, slots=True)
class _Framing:
    """What a shot size means, in units of the frame (100 high).

    Attributes:
        height: Height of an adult from feet to crown.
        head: Where the middle of the head is, from the top; feet follow from it.
        most: Most figures shown.
        zoom: Scale of the backdrop.
        blur: Softness of the backdrop.
        horizon: Its height from the top.
    """

    height: float
    head: float
    most: int
    zoom: float
    blur: float
    horizon: float


_FRAMINGS = {
    Size.EXTREME_CLOSE_UP: _Framing(760, 43, 1, 2.6, 2.6, 60),
    Size.CLOSE_UP: _Framing(330, 41, 2, 2.1, 1.7, 60),
    Size.MEDIUM_CLOSE_UP: _Framing(225, 36, 2, 1.75, 1.0, 58),
    Size.MEDIUM: _Framing(150, 29, 3, 1.4, 0.45, 56),
    Size.MEDIUM_WIDE: _Framing(100, 22, 4, 1.2, 0.2, 53),
    Size.WIDE: _Framing(57, 26, 6, 1.0, 0.0, 50),
    Size.EXTREME_WIDE: _Framing(24, 56, 6, 0.66, 0.0, 52),
}
_CLOSE = (Size.EXTREME_CLOSE_UP, Size.CLOSE_UP, Size.MEDIUM_CLOSE_UP)
_PAPER_HUE = 60.0
_HEAD = 0.9  #: of a figure's height


@dataclass(frozen=True, slots=True)
class Layer:
    """A finished sheet: RGB, and a mask for all but the backdrop."""

    image: Image.Image
    mask: Image.Image | None


@dataclass(frozen=True, slots=True)
class Layers:
    """Everything that is photographed, back to front; ``front`` may be missing."""

    backdrop: Layer
    cast: Layer
    front: Layer | None


class Staging:
    """Draws the layers of one shot.

    Args:
        stage: Frame and sheet geometry.
        reading: What the prompt asks for.
        cast: Who is in it.
        seen: The picture last seen, uint8 RGB (H, W, 3), or None; a shot that names no place stays in its colours.
        seed: The shot's seed; decides who stands left or right.
        grain: Strength of the paper grain, 0..1.
    """

    def __init__(
        self, stage: Stage, reading: Reading, cast: Cast, seen: Frames | None, seed: int, grain: float
    ) -> None:
        self.stage, self.reading, self.cast = stage, reading, cast
        self.grain = grain
        self.framing = _narrowed(reading.size, stage.width, len(cast.figures))
        self.seen = seen
        self.palette = Palette(LIGHTS[reading.hour], HUES.get(reading.place, _hue_of(seen)))
        self.lit = self.palette.for_figures()
        self.side = 1.0 if seed % 2 else -1.0
        self.dice_name = cast.place or reading.place or "nowhere"

    def layers(self) -> Layers:
        """Draw and return all layers."""
        backdrop, front = self._backdrop(), self._front()
        cast = Sheet(self.stage, self.palette.ink, masked=True)
        if self.reading.angle is Angle.TOP:
            self._draw_from_above(cast)
        else:
            self._draw_cast(cast)
        layers = Layers(backdrop, Layer(*cast.finish(0.6 * self.grain)), front)
        return _tilted(layers) if self.reading.angle is Angle.DUTCH else layers

    @property
    def step(self) -> tuple[float, float]:
        """How those who walk or run bob: (part of the frame's height, times a second)."""
        if not self.cast.figures or self.reading.angle is Angle.TOP:
            return 0.0, 0.0
        part, rate = {"walk": (0.007, 1.7), "run": (0.014, 2.6)}.get(self.reading.pose, (0.0, 0.0))
        return part * min(1.0, self.framing.height / 100), rate

    # Backdrop and foreground

    @property
    def horizon(self) -> float:
        """Height of the horizon, from the top of the frame."""
        return {Angle.LOW: 74.0, Angle.HIGH: 27.0}.get(self.reading.angle, self.framing.horizon)

    def _set(self, sheet: Sheet) -> Set:
        return Set(sheet, self.palette, self.horizon, self.framing.zoom, place_dice(self.dice_name))

    def _backdrop(self) -> Layer:
        sheet = Sheet(self.stage, self.palette.sky_low)
        scene = self._set(sheet)
        if self.reading.angle is Angle.TOP:
            from_above(scene, self.reading.place)
        elif not self.reading.place and self.seen is not None:
            remembered(scene, self.seen)
        else:
            {**OUTDOORS, **INDOORS}[self.reading.place](scene)
        if self.reading.weather == "fog":
            fog(sheet, self.palette)
        return Layer(*sheet.finish(self.grain, blur=self.framing.blur))

    def _front(self) -> Layer | None:
        if self.reading.angle is Angle.OVER_SHOULDER:
            return self._shoulder()
        wide = self.reading.size in (Size.WIDE, Size.EXTREME_WIDE, Size.MEDIUM_WIDE)
        grassy = self.reading.place in ("field", "forest", "mountain")
        if not (wide and grassy) or self.reading.angle is Angle.TOP:
            return None
        sheet = Sheet(self.stage, self.palette.base(0.36, 0.06), masked=True)
        scene = Set(sheet, self.palette, 92.0, 3.4, place_dice(self.dice_name))
        tufts(scene, self.palette.base(0.36, 0.06), 26)
        return Layer(*sheet.finish(0.6 * self.grain))

    def _shoulder(self) -> Layer:
        """Someone's back, dark and large at the edge of the frame."""
        sheet = Sheet(self.stage, self.palette.ink, masked=True)
        dark = Palette(LIGHTS["night"], self.palette.hue)
        other = self.cast.figures[1] if len(self.cast.figures) > 1 else self.cast.figures[0]
        height = 330.0
        pen = Pen(sheet, self.stage.width * (0.5 - 0.4 * self.side), 52 + _HEAD * height, height)
        Painter(pen, _as_person(other), dark).draw(Acting(back=True))
        return Layer(*sheet.finish(0.6 * self.grain))

    # Figures

    def _draw_cast(self, sheet: Sheet) -> None:
        shown = self.cast.figures[: self.framing.most]
        if self.reading.angle is Angle.OVER_SHOULDER:
            shown = shown[:1]
        if not shown:
            self._draw_inserts(sheet)
            return
        large = [look for look in self.cast.things if things.HEIGHTS.get(look.form, 0) > 0.6]
        if self.reading.size not in _CLOSE:
            self._draw_large_things(sheet, large)
        tallest = max(_stature(look) for look in shown)
        animals_only = all(look.form in creatures.HEIGHTS for look in shown)
        for look, x in sorted(zip(shown, self._places(len(shown)), strict=True), key=lambda pair: -_stature(pair[0])):
            self._draw_figure(sheet, look, x, _stature(look) / tallest, animals_only)
        if self.reading.size is not Size.EXTREME_CLOSE_UP:
            self._draw_small_things(sheet, [look for look in self.cast.things if look not in large])

    def _places(self, count: int) -> list[float]:
        """Return x of each figure: off the middle when alone, else spread and symmetrical."""
        if count == 1:
            shift = {Size.EXTREME_CLOSE_UP: 0.02, Size.CLOSE_UP: 0.06}.get(self.reading.size, 0.09)
            return [self.stage.width * (0.5 + shift * self.side)]
        wide = min(0.64, 0.17 * count + 0.06) if self.reading.size not in _CLOSE else 0.4
        order = [self.stage.width * (0.5 + wide * (i / (count - 1) - 0.5)) for i in range(count)]
        return order if self.side > 0 else order[::-1]

    def _draw_figure(self, sheet: Sheet, look: Look, x: float, relative: float, animals_only: bool) -> None:
        framing, reading = self.framing, self.reading
        mirror = x > self.stage.width / 2
        legs_seen = reading.size in (Size.MEDIUM_WIDE, Size.WIDE, Size.EXTREME_WIDE)
        acting = Acting(reading.pose if legs_seen else "stand", reading.mood, reading.back)
        if look.form not in ("person", "robot"):
            self._draw_animal(sheet, look, x, relative, animals_only, acting)
            return
        # In close framings the camera follows the faces: a child is not left below the frame.
        follow = 0.62 if reading.size in _CLOSE else 0.0 if reading.size in (Size.WIDE, Size.EXTREME_WIDE) else 0.4
        height = framing.height * relative ** (0.5 if reading.size in _CLOSE else 1.0)
        head = framing.head + (1 - follow) * _HEAD * (framing.height - height)
        feet = head + _HEAD * height
        sheet.soft_ellipse((x + 1, feet), (height * 0.24, height * 0.035), self.palette.ink, 0.55)
        Painter(Pen(sheet, x, feet, height, mirror), look, self.lit).draw(acting)

    def _draw_animal(self, sheet: Sheet, look: Look, x: float, relative: float, alone: bool, acting: Acting) -> None:
        framing, mirror = self.framing, x > self.stage.width / 2
        if self.reading.size in _CLOSE and look.form != "fish":
            height = framing.height * (1.0 if alone else 0.72)
            pen = Pen(sheet, x, framing.head + 4 + 0.86 * height + (0 if alone else 16), height)
            creatures.draw_portrait(pen, look, self.lit, acting)
            return
        if alone:
            height = framing.height * 0.42 * relative
            feet = min(84.0, framing.head + _HEAD * framing.height)
        else:
            height = framing.height * creatures.HEIGHTS[look.form]
            # Small animals come forward, into the frame; a horse is cropped as its rider is.
            lowest = 92.0 if creatures.HEIGHTS[look.form] < 0.6 else 400.0
            feet = min(lowest, framing.head + _HEAD * framing.height)
        if look.form == "fish":
            feet = 62.0
        else:
            sheet.soft_ellipse((x, feet), (height * 0.75, height * 0.09), self.palette.ink, 0.5)
        creatures.draw_animal(Pen(sheet, x, feet, height, mirror), look, self.lit, acting)

    # Things

    def _draw_large_things(self, sheet: Sheet, looks: Sequence[Look]) -> None:
        feet = min(84.0, self.framing.head + _HEAD * self.framing.height) - 4
        for i, look in enumerate(looks[:2]):
            height = min(62.0, self.framing.height * things.HEIGHTS[look.form] * 0.75)
            x = self.stage.width * (0.5 - (0.27 - 0.5 * i) * self.side)
            sheet.soft_ellipse((x, feet), (height * 1.2, height * 0.12), self.palette.ink, 0.5)
            things.draw_thing(Pen(sheet, x, feet, height), look, self.lit)

    def _draw_small_things(self, sheet: Sheet, looks: Sequence[Look]) -> None:
        feet = min(82.0, self.framing.head + _HEAD * self.framing.height + 2)
        for i, look in enumerate(looks[:3]):
            height = min(34.0, self.framing.height * things.HEIGHTS.get(look.form, 0.16))
            x = self.stage.width * (0.5 - (0.24 + 0.16 * i) * self.side)
            sheet.soft_ellipse((x, feet), (height * 0.7, height * 0.12), self.palette.ink, 0.5)
            things.draw_thing(Pen(sheet, x, feet, height), look, self.lit)

    def _draw_inserts(self, sheet: Sheet) -> None:
        """Only things: large, on a table."""
        height = {Size.EXTREME_CLOSE_UP: 66.0, Size.CLOSE_UP: 46.0, Size.EXTREME_WIDE: 16.0, Size.WIDE: 26.0}.get(
            self.reading.size, 36.0
        )
        looks = self.cast.things
        wide, feet = self.stage.width, 74.0
        if self.reading.size in (*_CLOSE, Size.MEDIUM):
            edge, wood = self.stage.edge[0], self.palette.tone(0.5, 0.06, 58)
            sheet.polygon([(-edge, 66), (wide + edge, 66), (wide + edge, 130), (-edge, 130)], wood)
            sheet.polygon(
                [(-edge, 66), (wide + edge, 66), (wide + edge, 67), (-edge, 67)], self.palette.tone(0.64, 0.06, 62)
            )
        for i, look in enumerate(looks):
            x = wide * (0.5 + 0.26 * (i - (len(looks) - 1) / 2))
            sheet.soft_ellipse((x + 1.5, feet), (height * 0.75, height * 0.12), self.palette.ink, 0.6)
            things.draw_thing(Pen(sheet, x, feet, height), look, self.lit)

    def _draw_from_above(self, sheet: Sheet) -> None:
        across = {Size.EXTREME_WIDE: 7.0, Size.WIDE: 13.0}.get(self.reading.size, 20.0)
        spots = place_dice(self.dice_name + "/above")
        centre = self.stage.width / 2
        for i, look in enumerate(self.cast.figures):
            x, y = (centre, 46.0) if i == 0 else (centre + float(spots.uniform(-42, 42)), float(spots.uniform(26, 66)))
            creatures.draw_from_above(Pen(sheet, x, y, across * (0.8 if look.child else 1.0)), look, self.lit)
        for i, look in enumerate(self.cast.things):
            things.draw_thing(Pen(sheet, centre + 26 * (i + 1) * self.side, 60, across * 0.8), look, self.lit)


def _hue_of(seen: Frames | None) -> float:
    """Return the hue of a picture on the whole, or that of plain paper."""
    if seen is None:
        return _PAPER_HUE
    red, green, blue = seen[:: max(1, len(seen) // 32)].reshape(-1, 3).mean(axis=0).tolist()
    chroma, hue = hue_of((red, green, blue))
    return hue if chroma > 0.008 else _PAPER_HUE


def _narrowed(size: Size, width: float, figures: int) -> _Framing:
    """Return the framing of a size, stepped back until a group fits a square or upright frame; ``width`` in units."""
    framing = _FRAMINGS[size]
    needed = min(figures, framing.most) * framing.height * (0.24 if size in _CLOSE else 0.3)
    factor = max(0.4, min(1.0, 0.92 * width / needed)) if figures > 1 else 1.0
    height = framing.height * factor
    # Where feet are seen they stay where they were; elsewhere faces stay near the upper third.
    lower = _HEAD * (framing.height - height) if size in (Size.WIDE, Size.EXTREME_WIDE) else 14 * (1 - factor)
    return replace(framing, height=height, head=framing.head + lower)


def _stature(look: Look) -> float:
    if look.form in creatures.HEIGHTS:
        return creatures.HEIGHTS[look.form]
    return 0.7 if look.child else 1.0


def _as_person(look: Look) -> Look:
    plain = Look(look.name, "person", look.skin, look.hair, look.top, look.bottom)
    return look if look.form in ("person", "robot") else plain


def _tilted(layers: Layers) -> Layers:
    def turn(layer: Layer) -> Layer:
        mask = layer.mask.rotate(5, Image.Resampling.BICUBIC) if layer.mask is not None else None
        fill = tuple(int(v) for v in np.asarray(layer.image.resize((1, 1), Image.Resampling.BOX))[0, 0])
        return Layer(layer.image.rotate(5, Image.Resampling.BICUBIC, fillcolor=fill), mask)

    return Layers(turn(layers.backdrop), turn(layers.cast), turn(layers.front) if layers.front else None)
