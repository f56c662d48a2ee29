"""Clip specs as training targets: what can be seen in each clip, as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from storymem_storyworld.draw.packing import Batch, pack
from storymem_storyworld.world.spec import KINDS, PANS, PROPS, ClipSpec


@dataclass(frozen=True)
class Truth:
    """Targets for B clips.

    Attributes:
        present: (B, 13), 1 for each kind of character in the clip.
        twice: (B, 13), 1 for each kind of which there are two.
        coat, outfit, hat_colour, scarf_colour: (B, 13, 3); hat, pattern, motion: indices (B, 13); scarf:
            (B, 13). Zero where absent.
        prop: (B, 6), 1 for the thing in the clip; prop_colour: (B, 6, 3).
        place, time, size, pan: indices (B,); palette: (B, 2).
    """

    present: Tensor
    twice: Tensor
    coat: Tensor
    outfit: Tensor
    hat_colour: Tensor
    scarf_colour: Tensor
    hat: Tensor
    scarf: Tensor
    pattern: Tensor
    motion: Tensor
    prop: Tensor
    prop_colour: Tensor
    place: Tensor
    palette: Tensor
    time: Tensor
    size: Tensor
    pan: Tensor


def _by_kind(index: Tensor, values: Tensor, kinds: int) -> Tensor:
    """Spread the values (B, S, ·) of S slots over the kinds (B, kinds, ·) that `index` (B, S) names; -1 is nobody."""
    spread = torch.zeros(len(index), kinds + 1, values.shape[-1], device=values.device)
    where = torch.where(index < 0, kinds, index)
    spread.scatter_(1, where[..., None].expand_as(values), values)
    return spread[:, :kinds]


def _twice(kind: Tensor) -> Tensor:
    """(B, 13), from the kinds (B, 2) in a clip's slots; -1 is nobody."""
    counts = sum(torch.nn.functional.one_hot(slot.clamp(min=0), len(KINDS)) * (slot >= 0)[:, None] for slot in kind.T)
    return (torch.as_tensor(counts) > 1).float()


def truth_of(specs: Sequence[ClipSpec], device: torch.device) -> Truth:
    """The targets of these clips."""
    batch: Batch = pack(specs, device)
    cast = _by_kind(batch.kind, torch.cat((torch.ones_like(batch.cast[..., :1]), batch.cast[..., 1:]), -1), len(KINDS))
    colour = _by_kind(batch.prop[:, None], batch.prop_colour[:, None], len(PROPS))
    ones = torch.ones(len(specs), 1, 1, device=device)
    return Truth(
        present=cast[..., 0],
        twice=_twice(batch.kind),
        coat=cast[..., 1:4],
        outfit=cast[..., 4:7],
        hat_colour=cast[..., 20:23],
        scarf_colour=cast[..., 23:26],
        hat=cast[..., 11].long(),
        scarf=cast[..., 12],
        pattern=cast[..., 13].long(),
        motion=cast[..., 14].long(),
        prop=_by_kind(batch.prop[:, None], ones, len(PROPS))[..., 0],
        prop_colour=colour,
        place=batch.place,
        palette=batch.palette,
        time=batch.time,
        size=batch.size,
        pan=torch.tensor([PANS.index(spec.pan) for spec in specs], device=device),
    )
