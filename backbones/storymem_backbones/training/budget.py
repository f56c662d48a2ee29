"""How far a training run is, by steps or by the clock.

A rented machine gives seconds, not steps. The clock is the main rank's, so that all ranks use the same
learning rate and stop together; it is read only now and then, because reading it waits for every GPU.
"""

from __future__ import annotations

import time

import torch


class Budget:
    """Progress from 0 to 1.

    Args:
        steps: Steps that make the whole budget, or None.
        seconds: Seconds that make the whole budget, or None; whichever is reached first ends the run.
        device: Where ranks talk.
        every: Steps between readings of the clock.
    """

    def __init__(self, steps: int | None, seconds: float | None, device: torch.device, every: int = 10) -> None:
        if steps is None and seconds is None:
            raise ValueError("a budget needs steps or seconds")
        self._steps, self._seconds, self._device, self._every = steps, seconds, device, every
        self._began: float | None = None
        self._calls = 0
        self._used = 0.0

    def progress(self, step: int) -> float:
        """Share used before `step` (0-based); every rank must ask for every step.

        The clock starts after the first step, which may compile the model.
        """
        self._calls += 1
        if self._calls == 2:
            self._began = time.monotonic()
        if self._seconds is not None and self._began is not None and self._calls % self._every == 2:
            used = torch.tensor((time.monotonic() - self._began) / self._seconds, device=self._device)
            if torch.distributed.is_available() and torch.distributed.is_initialized():
                torch.distributed.broadcast(used, 0)
            self._used = float(used)
        return max(self._used, 0.0 if self._steps is None else step / self._steps)


def one_cycle(progress: float, warmup: float = 0.02, floor: float = 0.01) -> float:
    """Learning-rate factor: linear up over `warmup` of the run, then linear down to `floor`."""
    if progress < warmup:
        return max(progress / warmup, floor)
    return max(1 - (progress - warmup) / (1 - warmup), floor)
