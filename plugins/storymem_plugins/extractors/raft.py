"""RAFT: optical flow (arXiv 2003.12039), the large model, by its published checkpoint's layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from storymem.errors import MediaError
from storymem.interfaces import MotionEstimator
from storymem.values.clip import Frames, check_frames
from storymem_plugins.extractors.checkpoints import fill, read_checkpoint
from storymem_plugins.extractors.loading import TorchModel
from storymem_plugins.extractors.pictures import to_tensor
from storymem_plugins.extractors.settings import RaftSettings
from storymem_plugins.metrics.formulas import moving

LEVELS, RADIUS = 4, 4
_HIDDEN = 128


class ResidualBlock(nn.Module):
    """Two convolutions of 3, normalised, and a shortcut."""

    def __init__(self, inputs: int, outputs: int, batch: bool, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1)
        self.norm1, self.norm2 = _norm(outputs, batch), _norm(outputs, batch)
        self.downsample: nn.Sequential | None = None
        if stride > 1:
            self.norm3 = _norm(outputs, batch)  # under both names in the checkpoint
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride), self.norm3)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, outputs, H / stride, W / stride)."""
        inner = functional.relu(self.norm1(self.conv1(x)))
        inner = functional.relu(self.norm2(self.conv2(inner)))
        return functional.relu((x if self.downsample is None else self.downsample(x)) + inner)


def _norm(width: int, batch: bool) -> nn.Module:
    return nn.BatchNorm2d(width) if batch else nn.InstanceNorm2d(width)


class FeatureNet(nn.Module):
    """Features at an eighth of the size."""

    def __init__(self, output: int, batch: bool) -> None:
        super().__init__()
        self.norm1, self.conv1 = _norm(64, batch), nn.Conv2d(3, 64, 7, 2, 3)
        self.layer1 = nn.Sequential(ResidualBlock(64, 64, batch), ResidualBlock(64, 64, batch))
        self.layer2 = nn.Sequential(ResidualBlock(64, 96, batch, 2), ResidualBlock(96, 96, batch))
        self.layer3 = nn.Sequential(ResidualBlock(96, 128, batch, 2), ResidualBlock(128, 128, batch))
        self.conv2 = nn.Conv2d(128, output, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, output, H / 8, W / 8)."""
        x = functional.relu(self.norm1(self.conv1(x)))
        features: Tensor = self.conv2(self.layer3(self.layer2(self.layer1(x))))
        return features


class MotionEncoder(nn.Module):
    """Puts correlations and flow together."""

    def __init__(self) -> None:
        super().__init__()
        self.convc1, self.convc2 = nn.Conv2d(LEVELS * (2 * RADIUS + 1) ** 2, 256, 1), nn.Conv2d(256, 192, 3, padding=1)
        self.convf1, self.convf2 = nn.Conv2d(2, 128, 7, padding=3), nn.Conv2d(128, 64, 3, padding=1)
        self.conv = nn.Conv2d(64 + 192, 128 - 2, 3, padding=1)

    def forward(self, flow: Tensor, correlation: Tensor) -> Tensor:
        """Return (N, 128, h, w)."""
        seen = functional.relu(self.convc2(functional.relu(self.convc1(correlation))))
        moved = functional.relu(self.convf2(functional.relu(self.convf1(flow))))
        return torch.cat((functional.relu(self.conv(torch.cat((seen, moved), dim=1))), flow), dim=1)


class SeparableGru(nn.Module):
    """A gated unit, along rows and then along columns."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        for n, (kernel, padding) in enumerate((((1, 5), (0, 2)), ((5, 1), (2, 0))), start=1):
            for gate in "zrq":
                setattr(self, f"conv{gate}{n}", nn.Conv2d(_HIDDEN + inputs, _HIDDEN, kernel, padding=padding))

    def forward(self, hidden: Tensor, x: Tensor) -> Tensor:
        """Return the new state (N, 128, h, w)."""
        for n in (1, 2):
            z, r, q = (getattr(self, f"conv{gate}{n}") for gate in "zrq")
            both = torch.cat((hidden, x), dim=1)
            update, reset = z(both).sigmoid(), r(both).sigmoid()
            candidate = q(torch.cat((reset * hidden, x), dim=1)).tanh()
            hidden = (1 - update) * hidden + update * candidate
        return hidden


class _FlowHead(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(_HIDDEN, 256, 3, padding=1), nn.Conv2d(256, 2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        moved: Tensor = self.conv2(functional.relu(self.conv1(x)))
        return moved


class UpdateBlock(nn.Module):
    """One step of refinement."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.gru, self.flow_head = MotionEncoder(), SeparableGru(128 + _HIDDEN), _FlowHead()
        self.mask = nn.Sequential(nn.Conv2d(128, 256, 3, padding=1), nn.ReLU(), nn.Conv2d(256, 64 * 9, 1))

    def forward(self, hidden: Tensor, context: Tensor, correlation: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:
        """Return the new state and the change of the flow."""
        hidden = self.gru(hidden, torch.cat((context, self.encoder(flow, correlation)), dim=1))
        return hidden, self.flow_head(hidden)


class RaftModel(nn.Module):
    """The whole model, under the checkpoint's names."""

    def __init__(self) -> None:
        super().__init__()
        self.fnet, self.cnet = FeatureNet(256, batch=False), FeatureNet(_HIDDEN * 2, batch=True)
        self.update_block = UpdateBlock()

    def forward(self, first: Tensor, second: Tensor, iterations: int) -> Tensor:
        """Return the flow (N, 2, H, W), x before y, in pixels; pictures (N, 3, H, W) of 0..255, sides in eights."""
        first, second = (2 * (picture / 255) - 1 for picture in (first, second))
        pyramid = correlations(self.fnet(first), self.fnet(second))
        hidden, context = self.cnet(first).split(_HIDDEN, dim=1)
        hidden, context = hidden.tanh(), functional.relu(context)
        start = grid(len(first), first.shape[2] // 8, first.shape[3] // 8, first.device)
        now = start
        for _ in range(iterations):
            hidden, change = self.update_block(hidden, context, look_up(pyramid, now), now - start)
            now = now + change
        # Gradients are balanced by the factor in training; the checkpoint expects it here too.
        return upsampled(now - start, 0.25 * self.update_block.mask(hidden))


def grid(count: int, height: int, width: int, device: torch.device) -> Tensor:
    """Return the coordinates of a picture, (count, 2, height, width), x before y."""
    y, x = torch.meshgrid(torch.arange(height, device=device), torch.arange(width, device=device), indexing="ij")
    return torch.stack((x, y)).float().expand(count, -1, -1, -1)


def correlations(first: Tensor, second: Tensor) -> list[Tensor]:
    """Return the correlation of all places of two feature maps, (N h w, 1, h', w'), halved from level to level."""
    count, width, h, w = first.shape
    whole = first.flatten(2).transpose(1, 2) @ second.flatten(2) / width**0.5
    pyramid = [whole.reshape(count * h * w, 1, h, w)]
    for _ in range(LEVELS - 1):
        pyramid.append(functional.avg_pool2d(pyramid[-1], 2, stride=2))
    return pyramid


def look_up(pyramid: list[Tensor], places: Tensor) -> Tensor:
    """Return the correlations around ``places`` (N, 2, h, w) on all levels, (N, 4 * 81, h, w)."""
    count, _, h, w = places.shape
    steps = torch.arange(-RADIUS, RADIUS + 1, device=places.device, dtype=places.dtype)
    # The window is laid x by y: that is how the checkpoint's first convolution counts its channels.
    window = torch.stack(torch.meshgrid(steps, steps, indexing="ij"), dim=-1)[None]
    middles = places.permute(0, 2, 3, 1).reshape(count * h * w, 1, 1, 2)
    found = [sampled(level, middles / 2**i + window) for i, level in enumerate(pyramid)]
    return torch.cat([f.view(count, h, w, -1) for f in found], dim=-1).permute(0, 3, 1, 2).contiguous()


def sampled(pictures: Tensor, places: Tensor) -> Tensor:
    """Return pictures (N, 1, h, w) at places (N, a, b, 2) in pixels, x before y, 0 outside."""
    h, w = pictures.shape[2:]
    size = places.new_tensor([max(1, w - 1), max(1, h - 1)])
    return functional.grid_sample(pictures, 2 * places / size - 1, align_corners=True)


def upsampled(flow: Tensor, mask: Tensor) -> Tensor:
    """Return flow (N, 2, h, w) eight times as large, each pixel a convex mix of its nine neighbours."""
    count, _, h, w = flow.shape
    weights = mask.view(count, 1, 9, 8, 8, h, w).softmax(dim=2)
    around = functional.unfold(8 * flow, 3, padding=1).view(count, 2, 9, 1, 1, h, w)
    mixed = (weights * around).sum(dim=2)
    return mixed.permute(0, 1, 4, 2, 5, 3).reshape(count, 2, 8 * h, 8 * w)


class RaftEstimator(TorchModel[RaftSettings], MotionEstimator[RaftSettings]):
    """RAFT as VBench's dynamic degree runs it: sides padded to eights by repeating the border."""

    name = "raft"

    def files(self) -> list[Path]:
        """See :meth:`TorchModel.files`."""
        return self.existing(self.settings.weights)

    def load(self) -> Any:
        """See :meth:`TorchModel.load`."""
        return fill(RaftModel(), read_checkpoint(self.settings.weights, self.name), self.settings.weights, self.name)

    def motion(self, first: Frames, second: Frames) -> float:
        """See :meth:`MotionEstimator.motion`."""
        for frame in (first, second):
            check_frames(frame, 3, "picture to compare")
        if min(first.shape[:2]) < 8 * 2 ** (LEVELS - 1) * 2:
            raise MediaError(f"raft: frames of {first.shape[1]}x{first.shape[0]} are too small; 128 pixels are needed")
        with torch.inference_mode():
            pictures = (_padded(to_tensor(frame, self.device)) for frame in (first, second))
            flow = self.model()(*pictures, self.settings.iterations)
        return moving(np.asarray(flow[0].norm(dim=0).cpu().numpy(), dtype=np.float64))


def _padded(frame: Tensor) -> Tensor:
    """Return (1, 3, H, W) float with sides in eights; the odd half of the border is at the end."""
    height, width = frame.shape[:2]
    down, across = -height % 8, -width % 8
    pads = [across // 2, across - across // 2, down // 2, down - down // 2]
    return functional.pad(frame.permute(2, 0, 1)[None].float(), pads, mode="replicate")
