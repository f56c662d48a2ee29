"""The upsampler's network: four times the size, each frame by itself. Knows nothing about films or finishing.

Two paths add up: one linear convolution that starts out as bicubic interpolation, and a few small convolutions at the
low resolution that learn what interpolation loses. The storyworld is drawn, so what it loses is the sharpness of edges.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

SCALE = 4
_REACH = 2  # pixels on each side that bicubic interpolation looks at
WEIGHTS_FILE = "model.safetensors"


@dataclass(frozen=True)
class UpscalerSize:
    """Channels between the convolutions, and how many convolutions stand between the first and the last."""

    width: int = 32
    depth: int = 3


class Upscaler(nn.Module):
    """Pictures (N, 3, H, W) in [-1, 1] -> (N, 3, 4H, 4W), about in [-1, 1]."""

    def __init__(self, size: UpscalerSize | None = None) -> None:
        super().__init__()
        self.size = size or UpscalerSize()
        width, out = self.size.width, 3 * SCALE**2
        self.linear = nn.Conv2d(3, out, 2 * _REACH + 1)
        self.first = nn.Conv2d(3, width, 5, padding=2)
        self.middle = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(self.size.depth))
        self.last = nn.Conv2d(width, out, 3, padding=1)
        self._start_as_bicubic()

    def forward(self, pictures: Tensor) -> Tensor:
        """See the class."""
        return functional.pixel_shuffle(self.cells(pictures), SCALE)

    def cells(self, pictures: Tensor) -> Tensor:
        """Pictures (N, 3, H, W) -> (N, 48, H, W): the 4 x 4 pixels that each becomes, colour by colour."""
        found = functional.relu(self.first(pictures))
        for layer in self.middle:
            found = functional.relu(layer(found)) + found
        padded = functional.pad(pictures, (_REACH,) * 4, mode="replicate")
        out: Tensor = self.linear(padded) + self.last(found)
        return out

    @torch.no_grad()
    def _start_as_bicubic(self) -> None:
        """Set the linear path to bicubic interpolation, read off what becomes of a single bright pixel."""
        nn.init.zeros_(self.last.weight)
        for layer in (self.linear, self.last):
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
        nn.init.zeros_(self.linear.weight)
        taps = 2 * _REACH + 1
        middle = taps - 1
        impulse = torch.zeros(1, 1, 2 * taps - 1, 2 * taps - 1)
        impulse[0, 0, middle, middle] = 1
        spread = functional.interpolate(impulse, scale_factor=float(SCALE), mode="bicubic", align_corners=False)[0, 0]
        cells = spread.reshape(2 * taps - 1, SCALE, 2 * taps - 1, SCALE).permute(1, 3, 0, 2)  # (4, 4, y, x)
        # The tap at +k of the pixel at p weighs the pixel at p + k: that of the impulse, seen from k before it.
        near = cells[..., middle - _REACH : middle + _REACH + 1, middle - _REACH : middle + _REACH + 1].flip(2, 3)
        for channel in range(3):
            phases = slice(channel * SCALE**2, (channel + 1) * SCALE**2)
            self.linear.weight[phases, channel] = near.reshape(SCALE**2, taps, taps)


def save_upscaler(network: Upscaler, folder: Path) -> None:
    """Write a network to ``folder``, made if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: value.half().cpu().contiguous() for name, value in network.state_dict().items()}
    save_file(tensors, folder / WEIGHTS_FILE, {key: str(value) for key, value in asdict(network.size).items()})


def load_upscaler(folder: Path) -> Upscaler:
    """Read a network from ``folder``, ready to be used; its size follows from its weights."""
    tensors = {name: value.float() for name, value in load_file(folder / WEIGHTS_FILE).items()}
    depth = sum(name.startswith("middle.") and name.endswith(".bias") for name in tensors)
    network = Upscaler(UpscalerSize(len(tensors["first.bias"]), depth))
    network.load_state_dict(tensors)
    return network.eval().requires_grad_(requires_grad=False)
