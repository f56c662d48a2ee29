"""DINO (v1) as VBench looks through it, and DINOv2 as EntityBench does; models of the transformers library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from transformers import Dinov2Model, ViTModel

from storymem.interfaces import ImageEncoder
from storymem.values.clip import Frames
from storymem_plugins.extractors.hugging_face import read_model
from storymem_plugins.extractors.loading import TorchModel, folder_files
from storymem_plugins.extractors.pictures import IMAGENET_MEAN, IMAGENET_STD, Transform
from storymem_plugins.extractors.settings import FolderSettings


class DinoEncoder(TorchModel[FolderSettings], ImageEncoder[FolderSettings]):
    """DINO ViT: the class token of the whole picture, shorter side 224 without antialiasing, no crop."""

    name = "dino"
    transform = Transform(224, None, "bilinear", False, False, IMAGENET_MEAN, IMAGENET_STD)

    def files(self) -> list[Path]:
        """See :meth:`TorchModel.files`."""
        return folder_files(self.name, self.settings.model)

    def load(self) -> Any:
        """See :meth:`TorchModel.load`; the pooler, which DINO does not have, is left out."""
        return read_model(self.name, self.settings.model, _Unpooled, "vit")

    @property
    def dimension(self) -> int:
        """See :attr:`ImageEncoder.dimension`; loads the model."""
        return int(self.model().config.hidden_size)

    def encode_images(self, frames: Frames) -> NDArray[np.float32]:
        """See :meth:`ImageEncoder.encode_images`."""
        return self.rows(frames, lambda batch: class_tokens(self.model(), self.transform(batch)))


class _Unpooled:
    @staticmethod
    def from_pretrained(folder: Path, **options: Any) -> Any:
        return ViTModel.from_pretrained(folder, add_pooling_layer=False, **options)


def class_tokens(model: Any, pixels: Tensor) -> Tensor:
    """Return the normalised class tokens (N, D) of pictures of any size, (N, 3, H, W), whole patches of them."""
    embeddings, patch = model.embeddings, model.config.patch_size
    height, width = pixels.shape[2] // patch, pixels.shape[3] // patch
    patches = embeddings.patch_embeddings(pixels[:, :, : height * patch, : width * patch])
    tokens = torch.cat((embeddings.cls_token.expand(len(pixels), -1, -1), patches), dim=1)
    hidden = tokens + positions(embeddings.position_embeddings, height, width)
    for layer in model.layers:
        hidden = layer(hidden, None)
    normal: Tensor = model.layernorm(hidden)[:, 0]
    return normal


def positions(table: Tensor, height: int, width: int) -> Tensor:
    """Return a square table of positions, (1, 1 + n, D), for another grid of patches.

    The grid is scaled by factors that are a tenth of a patch too large, as DINO's own code has it against rounding;
    the factors, not the sizes, decide where the table is sampled.
    """
    side = int((table.shape[1] - 1) ** 0.5)
    if (height, width) == (side, side):
        return table
    grid = table[:, 1:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
    scale = ((height + 0.1) / side, (width + 0.1) / side)
    scaled = functional.interpolate(grid, scale_factor=scale, mode="bicubic")
    return torch.cat((table[:, :1], scaled.permute(0, 2, 3, 1).reshape(1, height * width, -1)), dim=1)


class Dinov2Encoder(DinoEncoder):
    """DINOv2: the class token of the middle 224 pixels, shorter side 256, as its published processor does it."""

    name = "dinov2"
    transform = Transform(256, 224, "bicubic", True, True, IMAGENET_MEAN, IMAGENET_STD)

    def load(self) -> Any:
        """See :meth:`TorchModel.load`."""
        return read_model(self.name, self.settings.model, Dinov2Model, "dinov2")

    def encode_images(self, frames: Frames) -> NDArray[np.float32]:
        """See :meth:`ImageEncoder.encode_images`."""
        return self.rows(frames, lambda batch: self.model()(self.transform(batch)).last_hidden_state[:, 0])
