"""Encoded clips, in memory or on disk, from which batches are gathered.

Knows nothing about stories or how samples are drawn; `draw.Draw` names clips by number.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from safetensors.torch import load_file

from storymem_backbones.training.batch import M2VBatch
from storymem_backbones.training.draw import Draw


class ClipStore(Protocol):
    """Where a draw becomes a batch."""

    def gather(self, draw: Draw) -> M2VBatch:
        """The batch of a draw, on the store's device, in float32."""


@dataclass(frozen=True)
class ClipTensors:
    """N clips in one device's memory (any float dtype).

    Attributes:
        video: (N, 16, T, h, w).
        first: (N, 16, T, h, w), VAE(first frame + zero pixels).
        motion: (N, 16, T, h, w), VAE(first five frames + zero pixels).
        keyframes: (N, K, 16, h, w).
        text: (N, L, D).
        no_condition: (16, T, h, w), VAE(zero pixels).
        no_text: (L, D), the embedding of the empty text.
        weight: (N, T, h, w) or None, see `M2VBatch`.
    """

    video: torch.Tensor
    first: torch.Tensor
    motion: torch.Tensor
    keyframes: torch.Tensor
    text: torch.Tensor
    no_condition: torch.Tensor
    no_text: torch.Tensor
    weight: torch.Tensor | None = None

    def gather(self, draw: Draw) -> M2VBatch:
        """See `ClipStore`."""
        device = self.video.device
        # Without waiting: the GPU may still be busy with the step before.
        target, known, clip, frame, silent = (
            index.to(device, non_blocking=True)
            for index in (draw.target, draw.known, draw.memory_clip, draw.memory_frame, draw.drop_text)
        )
        condition = self.conditions(target, known)
        memory = self.keyframes[clip, frame].transpose(1, 2)
        text = torch.where(silent.view(-1, 1, 1), self.no_text[None], self.text[target])
        weight = None if self.weight is None else self.weight[target].float()
        return M2VBatch(self.video[target].float(), memory.float(), condition.float(), known, text.float(), weight)

    def conditions(self, target: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
        """Condition latents (B, 16, T, h, w) of these clips with 0, 1 or 2 known latents."""
        shape = (-1, 1, 1, 1, 1)
        given = torch.where((known == 1).view(shape), self.first[target], self.motion[target])
        return torch.where((known == 0).view(shape), self.no_condition[None], given)


class ClipFiles:
    """Clips encoded to one safetensors file each, read when needed (see `encode.encode_stories`)."""

    def __init__(self, files: list[Path], constants: Path) -> None:
        self._files = files
        self._constants = load_file(constants)

    def gather(self, draw: Draw) -> M2VBatch:
        """See `ClipStore`."""
        rows = [self._row(draw, i) for i in range(len(draw.target))]
        video, memory, condition, text = (torch.stack(column).float() for column in zip(*rows, strict=True))
        return M2VBatch(video, memory, condition, draw.known, text)

    def _row(self, draw: Draw, row: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        clip = load_file(self._files[int(draw.target[row])])
        chosen = zip(draw.memory_clip[row].tolist(), draw.memory_frame[row].tolist(), strict=True)
        memory = torch.stack([load_file(self._files[c])["keyframes"][k] for c, k in chosen], dim=1)
        condition = (self._constants["no_condition"], clip["first"], clip["motion"])[int(draw.known[row])]
        text = self._constants["no_text"] if bool(draw.drop_text[row]) else clip["text"]
        return clip["video"], memory, condition, text
