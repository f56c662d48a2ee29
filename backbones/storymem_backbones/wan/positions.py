"""Temporal positions with a negative shift for memory (StoryMem section 3.3, "negative RoPE shift").

Memory latents come before the video on the time axis, at positions -M*S, ..., -2S, -S, while the video
keeps 0, 1, ..., T-1, so that the pretrained model sees its clip where it always was. Knows nothing about
which frames are in memory, or about LoRA.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Literal, Protocol, cast

import torch
from torch import Tensor, nn

from storymem_backbones.diffusion.errors import ConditioningError

Shift = int | Literal["contiguous"]
PAPER_SHIFT = 5


class _WanLike(Protocol):
    rope: nn.Module


def temporal_positions(memory_frames: int, video_frames: int, shift: Shift = PAPER_SHIFT) -> list[int]:
    """Temporal position of every latent frame, memory first.

    Args:
        memory_frames: M, single-frame latents in front.
        video_frames: T, latent frames of the clip.
        shift: S between memory frames, or "contiguous" for 0, ..., M+T-1 (the first public release; RoPE is
            relative, so it equals S = 1).

    Raises:
        ConditioningError: If a count is negative or the shift is not positive.
    """
    if memory_frames < 0 or video_frames < 0:
        raise ConditioningError(f"{memory_frames} memory and {video_frames} video latents: neither may be negative")
    if shift == "contiguous":
        return list(range(memory_frames + video_frames))
    if shift < 1:
        raise ConditioningError(f"memory shift {shift}: give 1 or more, or 'contiguous'")
    return [*range(-memory_frames * shift, 0, shift), *range(video_frames)]


class MemoryRotaryPosEmbed(nn.Module):
    """Rotary embedding that replaces ``WanTransformer3DModel.rope`` (no parameters, no state-dict keys).

    Set `memory_frames` before a forward pass; the model need not be rebuilt. `explicit_positions`, if set,
    gives the position of each of the M+T latent frames and wins over the shift. Tables of the last `kept_tables` shapes
    and counts are kept: one is enough for the steps of a shot.

    Args:
        attention_head_dim: D, even; 2*(D//6) of it go to each of height and width, the rest to time.
        patch_size: (time, height, width) patch of the transformer.
        shift: See `temporal_positions`.
        theta: Base of the rotary frequencies.
    """

    def __init__(
        self,
        attention_head_dim: int,
        patch_size: Sequence[int],
        *,
        shift: Shift = PAPER_SHIFT,
        theta: float = 10000.0,
    ) -> None:
        super().__init__()
        side = 2 * (attention_head_dim // 6)
        self.axis_dims = (attention_head_dim - 2 * side, side, side)
        self.patch_size = tuple(patch_size)
        self.shift: Shift = shift
        self.theta = theta
        self.memory_frames = 0
        self.explicit_positions: tuple[int, ...] | None = None
        self.kept_tables = 1
        self._tables: OrderedDict[object, tuple[Tensor, Tensor]] = OrderedDict()

    def forward(self, hidden_states: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and sines for latents (B, C, M+T, h, w).

        Returns:
            Two float32 tensors (1, L, 1, D), L the number of patches, each value twice along D; so the
            context-parallel plan of diffusers, which splits both along dim 1, applies as it is.

        Raises:
            ConditioningError: If there are fewer latent frames than memory frames, or not as many as
                positions.
        """
        grid = [size // patch for size, patch in zip(hidden_states.shape[-3:], self.patch_size, strict=True)]
        positions = self._positions(grid[0])
        key = (tuple(positions), grid[1], grid[2], hidden_states.device)
        if key not in self._tables:
            while len(self._tables) >= self.kept_tables:
                self._tables.popitem(last=False)
            self._tables[key] = self._build(positions, grid[1], grid[2], hidden_states.device)
        return self._tables[key]

    def _positions(self, latent_frames: int) -> Sequence[int]:
        if self.explicit_positions is not None:
            if len(self.explicit_positions) != latent_frames:
                raise ConditioningError(
                    f"{len(self.explicit_positions)} explicit positions for {latent_frames} latent frames: "
                    f"give one each"
                )
            return self.explicit_positions
        if self.memory_frames > latent_frames:
            raise ConditioningError(f"{self.memory_frames} memory frames but only {latent_frames} latent frames")
        return temporal_positions(self.memory_frames, latent_frames - self.memory_frames, self.shift)

    def _build(self, positions: Sequence[int], rows: int, columns: int, device: torch.device) -> tuple[Tensor, Tensor]:
        counts = (len(positions), rows, columns)
        axes = [
            self._angles(axis, dim).reshape([-1 if i == n else 1 for i in range(3)] + [dim // 2]).expand(*counts, -1)
            for n, (axis, dim) in enumerate(zip((positions, range(rows), range(columns)), self.axis_dims, strict=True))
        ]
        angles = torch.cat(axes, dim=-1).reshape(1, -1, 1, sum(self.axis_dims) // 2)
        # float64 on the CPU, so that every device gets the same float32 table.
        cos, sin = angles.cos(), angles.sin()
        return _doubled(cos).to(device), _doubled(sin).to(device)

    def _angles(self, axis: Sequence[int], dim: int) -> Tensor:
        exponents = torch.arange(0, dim, 2, dtype=torch.float64) / dim
        return torch.outer(torch.tensor(axis, dtype=torch.float64), self.theta**-exponents)


def _doubled(table: Tensor) -> Tensor:
    return table.float().repeat_interleave(2, dim=-1)


def install_memory_rope(transformer: nn.Module, shift: Shift = PAPER_SHIFT) -> MemoryRotaryPosEmbed:
    """Replace the `rope` of a ``WanTransformer3DModel`` and return the new one.

    A second call changes the shift of the one already there.
    """
    model = cast("_WanLike", transformer)
    if isinstance(model.rope, MemoryRotaryPosEmbed):
        model.rope.shift = shift
        return model.rope
    head_dim = cast("int", model.rope.attention_head_dim)
    rope = MemoryRotaryPosEmbed(head_dim, cast("Sequence[int]", model.rope.patch_size), shift=shift)
    model.rope = rope
    return rope
