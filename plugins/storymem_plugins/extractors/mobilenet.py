"""MobileNetV2 without its classifier: a small image embedding whose trained weights come inside a Python package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from storymem.interfaces import ImageEncoder
from storymem.values.clip import Frames
from storymem_plugins.extractors.checkpoints import fill, read_checkpoint
from storymem_plugins.extractors.loading import TorchModel
from storymem_plugins.extractors.pictures import IMAGENET_MEAN, IMAGENET_STD, interpolated, normalised
from storymem_plugins.extractors.settings import FileSettings

SIDE, WIDTH = 224, 1280
#: Expansion, channels, blocks, stride.
_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def _convolution(inputs: int, outputs: int, kernel: int, stride: int, groups: int) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU6(),
    ]


class InvertedResidual(nn.Module):
    """Widen, filter each channel alone, narrow; added to what came in where the shapes allow."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        layers = [] if expansion == 1 else _convolution(inputs, hidden, 1, 1, 1)
        layers += _convolution(hidden, hidden, 3, stride, hidden)
        layers += [nn.Conv2d(hidden, outputs, 1, bias=False), nn.BatchNorm2d(outputs)]
        self.conv = nn.Sequential(*layers)
        self.added = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, outputs, H / stride, W / stride)."""
        inner: Tensor = self.conv(x)
        return x + inner if self.added else inner


class MobileNet(nn.Module):
    """The whole network, under the checkpoint's names."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Sequential(*_convolution(3, 32, 3, 2, 1))]
        inputs = 32
        for expansion, outputs, blocks, stride in _STAGES:
            for block in range(blocks):
                layers.append(InvertedResidual(inputs, outputs, stride if block == 0 else 1, expansion))
                inputs = outputs
        layers.append(nn.Sequential(*_convolution(inputs, WIDTH, 1, 1, 1)))
        self.features = nn.Sequential(*layers)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return (N, 1280) for (N, 3, 224, 224): the mean over places."""
        pooled: Tensor = self.features(pixels).mean(dim=(2, 3))
        return pooled


class MobileNetEncoder(TorchModel[FileSettings], ImageEncoder[FileSettings]):
    """MobileNetV2's last features, 1280 numbers; the whole picture squashed to 224, bilinear, antialiased."""

    name = "mobilenet"

    def files(self) -> list[Path]:
        """See :meth:`TorchModel.files`."""
        return self.existing(self.settings.weights)

    def load(self) -> Any:
        """See :meth:`TorchModel.load`."""
        state = read_checkpoint(self.settings.weights, self.name)
        return fill(MobileNet(), state, self.settings.weights, self.name)

    @property
    def dimension(self) -> int:
        """See :attr:`ImageEncoder.dimension`."""
        return WIDTH

    def encode_images(self, frames: Frames) -> NDArray[np.float32]:
        """See :meth:`ImageEncoder.encode_images`."""

        def embed(batch: Tensor) -> Tensor:
            pixels = interpolated(batch.permute(0, 3, 1, 2).float(), (SIDE, SIDE), "bilinear", antialias=True)
            features: Tensor = self.model()(normalised(pixels / 255, IMAGENET_MEAN, IMAGENET_STD))
            return features

        return self.rows(frames, embed)
