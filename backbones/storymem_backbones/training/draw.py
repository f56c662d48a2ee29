"""Which clips, memory frames and conditions make up a training batch.

A sample is one target clip and M keyframes of earlier clips of the same story, in story order. Draws depend on
(seed, step, rank) alone, so a resumed run sees what an uninterrupted one would have. Knows nothing about latents.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from pydantic import BaseModel, ConfigDict, Field

from storymem_backbones.training.errors import TrainingDataError


class SampleSettings(BaseModel):
    """How samples are drawn.

    Attributes:
        max_memory: Memory frames are drawn from 1 to this many.
        no_memory: Share of steps without memory, as in a story's first shot; none in the published recipe.
        first_frame: Share of samples conditioned on the clip's first frame (MI2V).
        motion_frames: Share conditioned on the clip's first five frames (MM2V).
        text_dropout: Share trained without text, for classifier-free guidance.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_memory: int = Field(8, ge=1)
    no_memory: float = Field(0.0, ge=0, lt=1)
    first_frame: float = Field(0.5, ge=0, le=1)
    motion_frames: float = Field(0.0, ge=0, le=1)
    text_dropout: float = Field(0.1, ge=0, le=1)


@dataclass(frozen=True)
class Draw:
    """Indices of one batch, on the CPU.

    Attributes:
        target: (B,) clip.
        memory_clip: (B, M) clip of each memory frame, ascending.
        memory_frame: (B, M) which of that clip's keyframes.
        known: (B,) condition latents: 0, 1 or 2.
        drop_text: (B,) bool.
    """

    target: torch.Tensor
    memory_clip: torch.Tensor
    memory_frame: torch.Tensor
    known: torch.Tensor
    drop_text: torch.Tensor


class StoryDraws:
    """Draws batches from stories of given lengths.

    Args:
        clips_per_story: Clips of each story, numbered through in this order.
        keyframes: K, keyframes kept of each clip.
        settings: How samples are drawn.
        seed: Of the whole run.

    Raises:
        TrainingDataError: If no story has two clips.
    """

    def __init__(self, clips_per_story: Sequence[int], keyframes: int, settings: SampleSettings, seed: int) -> None:
        counts = torch.tensor(list(clips_per_story))
        if counts.numel() == 0 or int(counts.max()) < 2:
            raise TrainingDataError("no story has two clips; memory needs at least one earlier clip to remember")
        starts = torch.cumsum(counts, 0) - counts
        self._start = starts.repeat_interleave(counts)
        self._earlier = (torch.arange(int(counts.sum())) - self._start) * keyframes
        self._keyframes = keyframes
        self._settings = settings
        self._seed = seed

    def __call__(self, step: int, rank: int, batch_size: int) -> Draw:
        """The batch of one step; M is the same on every rank."""
        memory = self._memory_frames(step)
        generator = torch.Generator().manual_seed(hash((self._seed, step, rank)) % 2**63)
        usable = torch.nonzero(self._earlier >= memory).flatten()
        target = usable[torch.randint(len(usable), (batch_size,), generator=generator)]
        slots = self._slots(target, memory, generator)
        draw = torch.rand(batch_size, generator=generator)
        first, motion = self._settings.first_frame, self._settings.motion_frames
        known = (draw < first + motion).long() + (draw < motion).long()
        drop = torch.rand(batch_size, generator=generator) < self._settings.text_dropout
        clip = self._start[target][:, None] + slots // self._keyframes
        return Draw(target, clip, slots % self._keyframes, known, drop)

    def _memory_frames(self, step: int) -> int:
        generator = torch.Generator().manual_seed(hash((self._seed, step, -2)) % 2**63)
        most = min(self._settings.max_memory, int(self._earlier.max()))
        if float(torch.rand(1, generator=generator)) < self._settings.no_memory:
            return 0
        return int(torch.randint(1, most + 1, (1,), generator=generator))

    def _slots(self, target: torch.Tensor, memory: int, generator: torch.Generator) -> torch.Tensor:
        """(B, M) distinct keyframe slots before each target, ascending."""
        room = self._earlier[target]
        scores = torch.rand(len(target), int(room.max()), generator=generator)
        scores[torch.arange(scores.shape[1])[None] >= room[:, None]] = -1
        return scores.topk(memory, dim=1).indices.sort(dim=1).values
