"""MUSIQ: technical quality of pictures (arXiv 2108.05997), by the layout of its published PyTorch checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from storymem.interfaces import ImageScorer
from storymem.values.clip import Frames, check_frames
from storymem_plugins.extractors.checkpoints import fill, need, read_checkpoint
from storymem_plugins.extractors.loading import TorchModel
from storymem_plugins.extractors.pictures import interpolated, to_tensor
from storymem_plugins.extractors.settings import FileSettings

_NAME = "musiq"
PATCH, GRID, SCALES = 32, 10, (224, 384)
#: VBench shrinks pictures whose longer side is greater.
LONGEST = 512
_HEAD_WIDTH = 64
_GROUPS = 32


def same_padded(x: Tensor, kernel: int, stride: int) -> Tensor:
    """Return (N, C, H, W) with zeros around, so that a convolution gives ceil(size / stride) places."""
    pads: list[int] = []
    for size in (x.shape[3], x.shape[2]):
        total = max(0, (-(-size // stride) - 1) * stride + kernel - size)
        pads += [total // 2, total - total // 2]
    return functional.pad(x, pads)


class StandardConv(nn.Conv2d):
    """A convolution whose kernels are made mean 0 and deviation 1 first, padded as TensorFlow does."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution."""
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        weight = weight / (weight.std((1, 2, 3), keepdim=True) + 1e-5)
        return functional.conv2d(same_padded(x, self.kernel_size[0], self.stride[0]), weight, None, self.stride)


class Bottleneck(nn.Module):
    """A residual block of three convolutions."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1, self.gn1 = StandardConv(inputs, inputs, 1), nn.GroupNorm(_GROUPS, inputs, eps=1e-4)
        self.conv2, self.gn2 = StandardConv(inputs, inputs, 3), nn.GroupNorm(_GROUPS, inputs, eps=1e-4)
        self.conv3, self.gn3 = StandardConv(inputs, outputs, 1), nn.GroupNorm(_GROUPS, outputs, eps=1e-4)
        self.conv_proj, self.gn_proj = StandardConv(inputs, outputs, 1), nn.GroupNorm(_GROUPS, outputs, eps=1e-4)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, outputs, H, W)."""
        inner = functional.relu(self.gn1(self.conv1(x)))
        inner = functional.relu(self.gn2(self.conv2(inner)))
        return functional.relu(self.gn3(self.conv3(inner)) + self.gn_proj(self.conv_proj(x)))


class Attention(nn.Module):
    """Multi-head attention with separate projections."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = max(1, width // _HEAD_WIDTH)
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)
        self.value, self.out = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Tensor, shown: Tensor) -> Tensor:
        """Return (N, L, D); ``shown`` (N, L) is false for tokens that are padding."""
        count, length, width = x.shape
        parts = (
            layer(x).view(count, length, self.heads, -1).transpose(1, 2) for layer in (self.query, self.key, self.value)
        )
        query, key, value = parts
        logits = query @ key.transpose(-2, -1) * (width // self.heads) ** -0.5
        both = (shown[:, None, :, None] & shown[:, None, None, :]).expand_as(logits)
        # Not -inf: a padding token, all of whose pairs are hidden, must still have a finite row.
        weights = logits.masked_fill(~both, -1e3).softmax(dim=-1)
        mixed: Tensor = self.out((weights @ value).transpose(1, 2).reshape(count, length, width))
        return mixed


class Perceptron(nn.Module):
    """Two layers with GELU between."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, inner), nn.Linear(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return (..., width)."""
        grown: Tensor = self.fc2(functional.gelu(self.fc1(x)))
        return grown


class Block(nn.Module):
    """Attention and perceptron, each after a layer norm."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(width, eps=1e-6), Attention(width)
        self.norm2, self.mlp = nn.LayerNorm(width, eps=1e-6), Perceptron(width, inner)

    def forward(self, x: Tensor, shown: Tensor) -> Tensor:
        """Return (N, L, D)."""
        x = x + self.attention(self.norm1(x), shown)
        grown: Tensor = x + self.mlp(self.norm2(x))
        return grown


class _Positions(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.position_emb = nn.Parameter(torch.zeros(1, GRID * GRID, width))


class _Scales(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale_emb = nn.Parameter(torch.zeros(len(SCALES) + 1, width))


class Encoder(nn.Module):
    """The transformer over patches of all scales."""

    def __init__(self, width: int, inner: int, layers: int) -> None:
        super().__init__()
        self.posembed_input, self.scaleembed_input = _Positions(width), _Scales(width)
        self.cls = nn.Parameter(torch.zeros(1, 1, width))
        self.encoder_norm = nn.LayerNorm(width, eps=1e-6)
        self.transformer = nn.ModuleDict({f"encoderblock_{i}": Block(width, inner) for i in range(layers)})

    def forward(self, x: Tensor, places: Tensor, scales: Tensor, shown: Tensor) -> Tensor:
        """Return the class token (N, D)."""
        x = x + self.posembed_input.position_emb[0][places] + self.scaleembed_input.scale_emb[scales]
        x = torch.cat((self.cls.expand(len(x), -1, -1), x), dim=1)
        shown = torch.cat((torch.ones_like(shown[:, :1]), shown), dim=1)
        for block in self.transformer.values():
            x = block(x, shown)
        normal: Tensor = self.encoder_norm(x)[:, 0]
        return normal


class MusiqModel(nn.Module):
    """The whole model, under the checkpoint's names."""

    def __init__(self, tokens: int, width: int, inner: int, layers: int, classes: int) -> None:
        super().__init__()
        self.conv_root, self.gn_root = StandardConv(3, tokens, 7, 2), nn.GroupNorm(_GROUPS, tokens, eps=1e-6)
        self.block1 = Bottleneck(tokens, tokens * 4)
        self.embedding = nn.Linear(tokens * 4 * (PATCH // 4) ** 2, width)
        self.transformer_encoder = Encoder(width, inner, layers)
        linear = nn.Linear(width, classes)
        self.head: nn.Module = nn.Sequential(linear, nn.Softmax(dim=-1)) if classes > 1 else linear

    def forward(self, picture: Tensor) -> Tensor:
        """Return the score (1,) of one picture (1, 3, H, W), values 0..1."""
        patches, places, scales, shown = multiscale((picture - 0.5) * 2)
        x = functional.relu(self.gn_root(self.conv_root(patches)))
        x = functional.max_pool2d(same_padded(x, 3, 2), 3, 2)
        x = self.block1(x).permute(0, 2, 3, 1).flatten(1)  # the channel last, as the first implementation had it
        q = self.head(self.transformer_encoder(self.embedding(x)[None], places, scales, shown))
        marks = torch.arange(1, q.shape[1] + 1, device=q.device, dtype=q.dtype)
        score: Tensor = (q * marks).sum(dim=1) if q.shape[1] > 1 else q[:, 0]
        return score


def multiscale(picture: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the patches of all scales of one picture (1, 3, H, W), and each one's place, scale and whether it is real.

    The two smaller scales, longer side 224 and 384, are filled up with empty patches to a square of them; the last is
    the picture as it is.
    """
    height, width = picture.shape[2:]
    found: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
    for scale, longer in enumerate(SCALES):
        ratio = longer / max(height, width)
        size = (round(height * ratio), round(width * ratio))
        small = interpolated(picture, size, "bicubic", antialias=False)
        found.append(_patches(small, scale, (-(-longer // PATCH)) ** 2))
    found.append(_patches(picture, len(SCALES), None))
    patches, *rest = (torch.cat(parts) for parts in zip(*found, strict=True))
    places, scales, shown = (part[None] for part in rest)
    return patches, places, scales, shown


def _patches(picture: Tensor, scale: int, count: int | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return patches (n, 3, 32, 32), hashed places (n,), scales (n,) and marks (n,), padded or cut to ``count``."""
    rows, columns = -(-picture.shape[2] // PATCH), -(-picture.shape[3] // PATCH)
    unfolded = functional.unfold(same_padded(picture, PATCH, PATCH), PATCH, stride=PATCH)[0].T
    down = torch.arange(rows, device=picture.device) * GRID // rows
    across = torch.arange(columns, device=picture.device) * GRID // columns
    places = (down[:, None] * GRID + across[None, :]).flatten()
    real = len(places)
    wanted = real if count is None else count
    patches = unfolded.new_zeros(wanted, unfolded.shape[1])
    patches[: min(real, wanted)] = unfolded[:wanted]
    hashed, scales = (places.new_zeros(wanted) for _ in range(2))
    hashed[: min(real, wanted)], scales[: min(real, wanted)] = places[:wanted], scale
    marks = torch.arange(wanted, device=picture.device) < real
    return patches.view(wanted, 3, PATCH, PATCH), hashed, scales, marks


def build(state: Mapping[str, Tensor], path: Path) -> MusiqModel:
    """Return an empty model of the sizes that a checkpoint has."""
    width = need(state, "embedding.weight", path, _NAME).shape[0]
    tokens = need(state, "conv_root.weight", path, _NAME).shape[0]
    inner = need(state, "transformer_encoder.transformer.encoderblock_0.mlp.fc1.weight", path, _NAME).shape[0]
    layers = len({name.split(".")[2] for name in state if name.startswith("transformer_encoder.transformer.")})
    head = state.get("head.0.weight", state.get("head.weight"))
    return MusiqModel(tokens, width, inner, layers, 1 if head is None else head.shape[0])


class MusiqScorer(TorchModel[FileSettings], ImageScorer[FileSettings]):
    """MUSIQ's mean opinion score, higher is better; the SPAQ checkpoint's is 0..100."""

    name = _NAME

    def files(self) -> list[Path]:
        """See :meth:`TorchModel.files`."""
        return self.existing(self.settings.weights)

    def load(self) -> Any:
        """See :meth:`TorchModel.load`."""
        state = read_checkpoint(self.settings.weights, self.name)
        return fill(build(state, self.settings.weights), state, self.settings.weights, self.name)

    def score_images(self, frames: Frames) -> NDArray[np.float64]:
        """See :meth:`ImageScorer.score_images`; longer sides over 512 are shrunk to it without antialiasing."""
        check_frames(frames, 4, "pictures to score")
        model, device = self.model(), self.device
        with torch.inference_mode():
            scores = [float(model(_shrunk(to_tensor(frame[None], device)))[0]) for frame in frames]
        return np.asarray(scores, dtype=np.float64)


def _shrunk(batch: Tensor) -> Tensor:
    pixels = batch.permute(0, 3, 1, 2).float()
    height, width = pixels.shape[2:]
    scale = LONGEST / max(height, width)
    if scale < 1:
        pixels = interpolated(pixels, (int(scale * height), int(scale * width)), "bilinear", antialias=False)
    return pixels / 255
