"""Signed distances of simple shapes, on batches of pixel grids.

All coordinates broadcast to (N, H, W); a distance is negative inside and in the units of the coordinates.
"""

from __future__ import annotations

import torch
from torch import Tensor

Scalar = Tensor | float


def circle(x: Tensor, y: Tensor, radius: Scalar) -> Tensor:
    """Distance to a disc around the origin."""
    return torch.sqrt(x * x + y * y + 1e-12) - radius


def ellipse(x: Tensor, y: Tensor, rx: Scalar, ry: Scalar) -> Tensor:
    """Distance to an ellipse around the origin (first order: exact at the rim)."""
    px, py = x / rx, y / ry
    level = torch.sqrt(px * px + py * py + 1e-12)
    slope = torch.sqrt((px / rx) ** 2 + (py / ry) ** 2 + 1e-12)
    return level * (level - 1.0) / slope


def box(x: Tensor, y: Tensor, half_width: Scalar, half_height: Scalar, radius: Scalar = 0.0) -> Tensor:
    """Distance to a box around the origin with rounded corners."""
    dx = x.abs() - half_width + radius
    dy = y.abs() - half_height + radius
    outside = torch.sqrt(dx.clamp(min=0.0) ** 2 + dy.clamp(min=0.0) ** 2 + 1e-12)
    return outside + torch.maximum(dx, dy).clamp(max=0.0) - radius


def segment(x: Tensor, y: Tensor, ax: Scalar, ay: Scalar, bx: Scalar, by: Scalar, radius: Scalar) -> Tensor:
    """Distance to a thick line from a to b."""
    px, py = x - ax, y - ay
    ex, ey = bx - ax, by - ay
    along = ((px * ex + py * ey) / (ex * ex + ey * ey + 1e-9)).clamp(0.0, 1.0)
    return torch.sqrt((px - along * ex) ** 2 + (py - along * ey) ** 2 + 1e-12) - radius


def cone(x: Tensor, y: Tensor, ay: float, ra: float, by: float, rb: float) -> Tensor:
    """Distance to the hull of two discs on the y axis: radius `ra` at height `ay`, `rb` at `by` > `ay`."""
    px, py = x.abs(), y - ay
    height = by - ay
    slope = (ra - rb) / height
    rise = (1.0 - slope * slope) ** 0.5
    along = py * rise - px * slope
    side = px * rise + py * slope - ra
    low = torch.sqrt(px * px + py * py + 1e-12) - ra
    high = torch.sqrt(px * px + (py - height) ** 2 + 1e-12) - rb
    return torch.where(along < 0, low, torch.where(along > height * rise, high, side))


def spike(x: Tensor, y: Tensor, half_base: Scalar, height: Scalar) -> Tensor:
    """Distance (a lower bound) to an isosceles triangle standing on y = 0, tip up."""
    norm = (half_base * half_base + height * height) ** 0.5
    side = (x.abs() * height + (y - height) * half_base) / norm
    return torch.maximum(side, -y)


def cover(distance: Tensor, pixel: Scalar) -> Tensor:
    """Antialiased coverage in [0, 1] of the inside of a shape, for pixels of size `pixel`."""
    return (0.5 - distance / pixel).clamp(0.0, 1.0)
