"""Ranks that train side by side and now and then take the mean of their weights (local SGD, arXiv 1805.09767).

For steps that are recorded as CUDA graphs, which hold no communication, and for models so small that exchanging
gradients at every step would cost more than it gives.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import distributed

AVERAGE_EVERY = 8  # steps, unless said otherwise


class WeightAverage:
    """Averages the same parameters on all ranks; does nothing where there is one process.

    Args:
        parameters: Equal shapes in equal order on every rank.
        every: Steps between averagings; every rank must count the same steps.
    """

    def __init__(self, parameters: Sequence[torch.nn.Parameter], every: int) -> None:
        self._parameters = [parameter.data for parameter in parameters]
        self._every = every

    def __call__(self, step: int) -> None:
        """Average after `step` steps if it is time."""
        if step % self._every == 0:
            self.now()

    def now(self) -> None:
        """Average."""
        if not (distributed.is_available() and distributed.is_initialized()):
            return
        flat = torch.cat([parameter.flatten() for parameter in self._parameters])
        distributed.all_reduce(flat)
        flat /= distributed.get_world_size()
        parts = torch.split(flat, [parameter.numel() for parameter in self._parameters])
        views = [part.view_as(parameter) for part, parameter in zip(parts, self._parameters, strict=True)]
        torch._foreach_copy_(self._parameters, views)
