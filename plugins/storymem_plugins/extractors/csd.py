"""CSD: style embeddings (arXiv 2404.01292), a CLIP ViT-L with a style projection, by its checkpoint's layout."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from storymem.interfaces import ImageEncoder
from storymem.values.clip import Frames
from storymem_plugins.encoders.pictures import CLIP_MEAN, CLIP_STD
from storymem_plugins.extractors.checkpoints import count_layers, fill, need, read_checkpoint
from storymem_plugins.extractors.clip_layout import Transformer
from storymem_plugins.extractors.loading import TorchModel
from storymem_plugins.extractors.pictures import interpolated, normalised
from storymem_plugins.extractors.settings import FileSettings

_NAME = "csd"


class Backbone(nn.Module):
    """CLIP's vision tower without its projection."""

    def __init__(self, width: int, layers: int, patch: int, grid: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, patch, patch, bias=False)
        self.class_embedding = nn.Parameter(torch.zeros(width))
        self.positional_embedding = nn.Parameter(torch.zeros(grid * grid + 1, width))
        self.ln_pre = nn.LayerNorm(width)
        self.transformer = Transformer(width, layers)
        self.ln_post = nn.LayerNorm(width)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return (N, width) for (N, 3, H, W)."""
        patches = self.conv1(pixels).flatten(2).transpose(1, 2)
        first = self.class_embedding.expand(len(pixels), 1, -1)
        hidden = self.transformer(self.ln_pre(torch.cat((first, patches), dim=1) + self.positional_embedding))
        normal: Tensor = self.ln_post(hidden[:, 0])
        return normal


class CsdModel(nn.Module):
    """The backbone and the style projection, under the checkpoint's names."""

    def __init__(self, backbone: Backbone, width: int, output: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.last_layer_style = nn.Parameter(torch.zeros(width, output))

    def forward(self, pixels: Tensor) -> Tensor:
        """Return style embeddings (N, D), not normalised."""
        styles: Tensor = self.backbone(pixels) @ self.last_layer_style
        return styles

    @property
    def side(self) -> int:
        """Pixels that it takes."""
        grid = round((self.backbone.positional_embedding.shape[0] - 1) ** 0.5)
        return int(grid * self.backbone.conv1.kernel_size[0])


def build(state: Mapping[str, Tensor], path: Path) -> CsdModel:
    """Return an empty model of the sizes that a checkpoint has."""
    kernel = need(state, "backbone.conv1.weight", path, _NAME)
    grid = round((need(state, "backbone.positional_embedding", path, _NAME).shape[0] - 1) ** 0.5)
    width, output = need(state, "last_layer_style", path, _NAME).shape
    layers = count_layers(state, "backbone.transformer.resblocks.")
    return CsdModel(Backbone(kernel.shape[0], layers, kernel.shape[-1], grid), width, output)


class CsdEncoder(TorchModel[FileSettings], ImageEncoder[FileSettings]):
    """CSD's style embedding; the whole picture squashed to 224, bicubic, antialiased, as ViStoryBench does it."""

    name = _NAME

    def files(self) -> list[Path]:
        """See :meth:`TorchModel.files`."""
        return self.existing(self.settings.weights)

    def load(self) -> Any:
        """See :meth:`TorchModel.load`."""
        state = read_checkpoint(self.settings.weights, self.name)
        return fill(build(state, self.settings.weights), state, self.settings.weights, self.name)

    @property
    def dimension(self) -> int:
        """See :attr:`ImageEncoder.dimension`; loads the model."""
        return int(self.model().last_layer_style.shape[1])

    def encode_images(self, frames: Frames) -> NDArray[np.float32]:
        """See :meth:`ImageEncoder.encode_images`."""
        model = self.model()
        size = (model.side, model.side)

        def embed(batch: Tensor) -> Tensor:
            pixels = interpolated(batch.permute(0, 3, 1, 2).float() / 255, size, "bicubic", antialias=True)
            styles: Tensor = model(normalised(pixels, CLIP_MEAN, CLIP_STD))
            return styles

        return self.rows(frames, embed)
