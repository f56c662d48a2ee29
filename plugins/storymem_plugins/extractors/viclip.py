"""ViCLIP: clips and sentences in one space (InternVid, arXiv 2307.06942), by its published checkpoint's layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from storymem.errors import PluginError
from storymem.interfaces import VideoTextEncoder
from storymem.values.clip import Frames, check_frames
from storymem_plugins.encoders.pictures import CLIP_MEAN, CLIP_STD
from storymem_plugins.encoders.towers import unit_rows
from storymem_plugins.extractors.bpe import ClipTokenizer
from storymem_plugins.extractors.checkpoints import count_layers, fill, need, read_checkpoint
from storymem_plugins.extractors.clip_layout import Transformer
from storymem_plugins.extractors.loading import TorchModel
from storymem_plugins.extractors.pictures import Transform, to_tensor
from storymem_plugins.extractors.settings import ViclipSettings

_NAME = "viclip"


class VideoTower(nn.Module):
    """A CLIP vision tower over the patches of all frames at once, with one class token."""

    def __init__(self, width: int, layers: int, patch: int, grid: int, frames: int, output: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(3, width, (1, patch, patch), (1, patch, patch), bias=False)
        self.class_embedding = nn.Parameter(torch.zeros(width))
        self.positional_embedding = nn.Parameter(torch.zeros(grid * grid + 1, width))
        self.temporal_positional_embedding = nn.Parameter(torch.zeros(1, frames, width))
        self.ln_pre = nn.LayerNorm(width)
        self.transformer = Transformer(width, layers)
        self.ln_post = nn.LayerNorm(width)
        self.proj = nn.Parameter(torch.zeros(width, output))

    def forward(self, clips: Tensor) -> Tensor:
        """Return (B, D) for (B, T, 3, H, W).

        Each patch gets the position of its place and of its frame; the class token only that of its place.
        """
        patches = self.conv1(clips.transpose(1, 2))  # (B, width, T, h, w)
        rows = patches.flatten(3).permute(0, 2, 3, 1)  # (B, T, h*w, width)
        rows = rows + self.positional_embedding[1:] + self.temporal_positional_embedding[:, :, None]
        # Place by place, each with all its frames: the order the attention was trained with.
        tokens = rows.transpose(1, 2).flatten(1, 2)
        first = (self.class_embedding + self.positional_embedding[0]).expand(len(clips), 1, -1)
        hidden = self.transformer(self.ln_pre(torch.cat((first, tokens), dim=1)))
        projected: Tensor = self.ln_post(hidden[:, 0]) @ self.proj
        return projected


class TextTower(nn.Module):
    """CLIP's text tower; the embedding is that of the end mark."""

    def __init__(self, width: int, layers: int, words: int, length: int, output: int) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(words, width)
        self.positional_embedding = nn.Parameter(torch.zeros(length, width))
        self.transformer = Transformer(width, layers)
        self.ln_final = nn.LayerNorm(width)
        self.text_projection = nn.Parameter(torch.zeros(width, output))

    def forward(self, tokens: Tensor) -> Tensor:
        """Return (N, D) for token numbers (N, L); the end mark has the greatest."""
        length = tokens.shape[1]
        later = torch.full((length, length), float("-inf"), device=tokens.device).triu(1)
        hidden = self.transformer(self.token_embedding(tokens) + self.positional_embedding[:length], later)
        ends = self.ln_final(hidden)[torch.arange(len(tokens)), tokens.argmax(dim=1)]
        projected: Tensor = ends @ self.text_projection
        return projected


class ViclipModel(nn.Module):
    """Both towers, under the checkpoint's names."""

    def __init__(self, vision: VideoTower, text: TextTower) -> None:
        super().__init__()
        self.vision_encoder, self.text_encoder = vision, text


def build(state: Mapping[str, Tensor], path: Path) -> ViclipModel:
    """Return an empty model of the sizes that a checkpoint has."""

    def size(name: str) -> tuple[int, ...]:
        return tuple(need(state, name, path, _NAME).shape)

    width, patch = size("vision_encoder.conv1.weight")[0], size("vision_encoder.conv1.weight")[-1]
    grid = round((size("vision_encoder.positional_embedding")[0] - 1) ** 0.5)
    frames, output = size("vision_encoder.temporal_positional_embedding")[1], size("vision_encoder.proj")[1]
    layers = count_layers(state, "vision_encoder.transformer.resblocks.")
    words, text_width = size("text_encoder.token_embedding.weight")
    length = size("text_encoder.positional_embedding")[0]
    text_layers = count_layers(state, "text_encoder.transformer.resblocks.")
    vision = VideoTower(width, layers, patch, grid, frames, output)
    return ViclipModel(vision, TextTower(text_width, text_layers, words, length, output))


class ViclipEncoder(TorchModel[ViclipSettings], VideoTextEncoder[ViclipSettings]):
    """ViCLIP with VBench's preprocessing: shorter side bicubic without antialiasing, middle square, 32 tokens."""

    name = _NAME
    clip_frames = 8
    tokens = 32

    def files(self) -> list[Path]:
        """See :meth:`TorchModel.files`."""
        return self.existing(self.settings.weights, self.settings.vocabulary)

    def load(self) -> Any:
        """See :meth:`TorchModel.load`."""
        path = self.settings.weights
        state = read_checkpoint(path, self.name)
        model = fill(build(state, path), state, path, self.name)
        vision = model.vision_encoder
        assert isinstance(vision, VideoTower)
        if vision.temporal_positional_embedding.shape[1] != self.clip_frames:
            found = vision.temporal_positional_embedding.shape[1]
            raise PluginError(f"{self.name}: {path}: was made for {found} frames, not {self.clip_frames}")
        return _Loaded(model, ClipTokenizer(self.settings.vocabulary))

    def encode_clip(self, frames: Frames) -> NDArray[np.float32]:
        """See :meth:`VideoTextEncoder.encode_clip`."""
        check_frames(frames, 4, "clip to encode")
        loaded = self.model()
        side = loaded.side
        transform = Transform(side, side, "bicubic", False, True, CLIP_MEAN, CLIP_STD)
        with torch.inference_mode():
            pixels = transform(to_tensor(frames, self.device))
            return np.asarray(unit_rows(loaded.model.vision_encoder(pixels[None]))[0])

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See :meth:`VideoTextEncoder.encode_texts`; texts are cut at 32 tokens."""
        loaded = self.model()
        length = min(self.tokens, loaded.model.text_encoder.positional_embedding.shape[0])
        rows = [loaded.tokenizer(text, length) for text in texts]
        with torch.inference_mode():
            return unit_rows(loaded.model.text_encoder(torch.tensor(rows, device=self.device)))


class _Loaded:
    """A loaded model with its tokenizer."""

    def __init__(self, model: Any, tokenizer: ClipTokenizer) -> None:
        self.model, self.tokenizer = model, tokenizer
        vision = model.vision_encoder
        self.side = round((vision.positional_embedding.shape[0] - 1) ** 0.5) * vision.conv1.kernel_size[-1]

    def to(self, device: torch.device) -> _Loaded:
        """Move the model."""
        self.model.to(device)
        return self
