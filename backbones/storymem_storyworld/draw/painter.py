"""Painting shapes onto batches of pictures.

A `Canvas` is the picture itself; a `Figure` collects the parts of one character (or thing) with an ink
outline around each part and the whole, and is laid onto the canvas at the end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import torch
from torch import Tensor

from storymem_storyworld.draw import sdf

INK = (0.16, 0.11, 0.14)


@lru_cache(maxsize=1024)
def constant(values: tuple[float, ...] | tuple[tuple[float, ...], ...], device: torch.device) -> Tensor:
    """Fixed numbers on a device; kept, because copying them there again and again is what a GPU would wait for."""
    return torch.tensor(values, device=device)


def spread(colour: Tensor) -> Tensor:
    """(N, 3) -> (N, 3, 1, 1)."""
    return colour[..., None, None]


def mixed(a: Tensor, b: Tensor | tuple[float, float, float] | float, share: float | Tensor) -> Tensor:
    """Colour `a` (N, 3) moved by `share` in [0, 1] towards `b`."""
    target = constant(b, a.device) if isinstance(b, tuple) else b
    return a + (target - a) * share


@dataclass
class Canvas:
    """N pictures (N, 3, H, W) in [0, 1] under a common light.

    Attributes:
        tint: Colour of the light (N, 3); multiplies whatever is not a source of light itself.
    """

    rgb: Tensor
    tint: Tensor

    def colour(self, value: Tensor | tuple[float, float, float]) -> Tensor:
        """`value` as (N, 3)."""
        paint = constant(value, self.rgb.device) if isinstance(value, tuple) else value
        return paint.expand(self.rgb.shape[0], 3)

    def fill(
        self,
        mask: Tensor,
        colour: Tensor | tuple[float, float, float],
        shade: Tensor | None = None,
        lit: bool = False,
    ) -> None:
        """Lay `colour` (N, 3) over the pictures where `mask` (N, H, W) says; `lit` ignores the light."""
        paint = self.colour(colour)
        paint = spread(paint if lit else paint * self.tint)
        if shade is not None:
            paint = paint * shade[:, None]
        self.rgb = torch.lerp(self.rgb, paint.expand_as(self.rgb), mask[:, None].expand_as(self.rgb))


@dataclass
class Figure:
    """The parts of one character in its own coordinates.

    Attributes:
        u, v: Pixel coordinates (N, H, W): right and up from the point between the feet, in body units.
        pixel: Size of a pixel (N, 1, 1).
    """

    u: Tensor
    v: Tensor
    pixel: Tensor
    rgb: Tensor = field(init=False)
    distance: Tensor = field(init=False)

    def __post_init__(self) -> None:
        shape = self.u.shape
        ink = constant(INK, self.u.device)
        self.rgb = spread(ink).expand(shape[0], 3, *shape[1:]).clone()
        self.distance = torch.full_like(self.u, 10.0)

    @property
    def ink_width(self) -> Tensor:
        """Outline width in body units, a little wider in close-ups."""
        return 0.006 + 0.6 * self.pixel

    def _lay(self, mask: Tensor, paint: Tensor) -> None:
        self.rgb = torch.lerp(self.rgb, paint.expand_as(self.rgb), mask[:, None].expand_as(self.rgb))

    def part(self, distance: Tensor, colour: Tensor, shade: Tensor | None = None, outlined: bool = True) -> Tensor:
        """Add a solid part; returns its coverage (N, H, W), to clip marks on it."""
        if outlined:
            ink = constant(INK, self.u.device)
            self._lay(sdf.cover(distance - 0.8 * self.ink_width, self.pixel), spread(ink))
        mask = sdf.cover(distance, self.pixel)
        paint = spread(colour) if shade is None else spread(colour) * shade[:, None]
        self._lay(mask, paint)
        self.distance = torch.minimum(self.distance, distance)
        return mask

    def mark(self, distance: Tensor, colour: Tensor, inside: Tensor | None = None) -> None:
        """Paint a flat mark on the figure without changing its silhouette."""
        mask = sdf.cover(distance, self.pixel)
        self._lay(mask if inside is None else mask * inside, spread(colour))

    def glow(self, cu: float | Tensor, cv: float | Tensor, radius: float) -> Tensor:
        """Soft light from the upper left on a round part: about 0.86 to 1.1."""
        lift = ((self.v - cv) * 0.8 - (self.u - cu) * 0.35) / radius
        return 1.0 + 0.13 * lift.clamp(-1.1, 0.8)

    def onto(self, canvas: Canvas) -> None:
        """Lay the figure onto the canvas."""
        mask = sdf.cover(self.distance - self.ink_width, self.pixel)
        softened = mixed(canvas.tint, 1.0, 0.45)
        paint = self.rgb * spread(softened)
        canvas.rgb = torch.lerp(canvas.rgb, paint, mask[:, None].expand_as(paint))
