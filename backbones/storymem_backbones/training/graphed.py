"""Training steps replayed as CUDA graphs.

A small model's step is thousands of kernels of a few microseconds each: launching them takes longer than running them.
A graph launches all of them at once. The arithmetic is that of the plain step; on a CPU the plain step runs. Knows
nothing about models or data.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

Step = Callable[..., Tensor]
"""Takes tensors by name, changes weights in place and returns a loss (); it may not read a value back to the host."""

_WARMUPS = 3  # plain steps of a new shape, in which kernels are compiled and optimizer state is made
_Shapes = tuple[tuple[str, torch.Size], ...]


@dataclass(frozen=True)
class _Recorded:
    graph: torch.cuda.CUDAGraph
    inputs: dict[str, Tensor]
    loss: Tensor


class GraphedSteps:
    """Call it like the step it is made of; every call is a step, the ones that warm up included.

    Args:
        step: See `Step`. Optimizers in it must be capturable, their learning rates tensors.
        device: Where it runs.
    """

    def __init__(self, step: Step, device: torch.device) -> None:
        self._step = step
        self._graphs: dict[_Shapes, _Recorded] = {}
        self._seen: Counter[_Shapes] = Counter()
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle() if device.type == "cuda" else None

    def __call__(self, **inputs: Tensor) -> Tensor:
        """Do one step; shapes that were not seen before are recorded after a few plain steps."""
        if self._stream is None:
            return self._step(**inputs)
        outside = torch.cuda.current_stream()
        self._stream.wait_stream(outside)
        with torch.cuda.stream(self._stream):
            loss = self._run(inputs)
        outside.wait_stream(self._stream)
        return loss

    def _run(self, inputs: dict[str, Tensor]) -> Tensor:
        shapes = tuple((name, value.shape) for name, value in inputs.items())
        self._seen[shapes] += 1
        if self._seen[shapes] <= _WARMUPS:
            return self._step(**inputs)
        if shapes not in self._graphs:
            self._graphs[shapes] = self._record(inputs)
        recorded = self._graphs[shapes]
        for name, value in inputs.items():
            recorded.inputs[name].copy_(value)
        recorded.graph.replay()
        return recorded.loss.clone()

    def _record(self, inputs: dict[str, Tensor]) -> _Recorded:
        fixed = {name: value.clone() for name, value in inputs.items()}
        graph = torch.cuda.CUDAGraph()
        # One pool for all graphs: they never run at the same time, and only losses outlive a replay.
        # Other threads continue: with several ranks, one of them watches over their communication.
        mode = "thread_local"
        with torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode=mode):
            loss = self._step(**fixed)
        return _Recorded(graph, fixed, loss)


def learning_rate(value: float, recorded_on: torch.device | None) -> Any:
    """A learning rate as optimizers take it: a tensor on the device where steps are recorded, if they are."""
    return value if recorded_on is None else torch.tensor(value, device=recorded_on)


def adamw(
    parameters: Iterable[torch.nn.Parameter], rate: float, recorded_on: torch.device | None, **options: Any
) -> torch.optim.AdamW:
    """AdamW with these options, in the form that a graph may hold if its steps are recorded."""
    form: dict[str, Any] = {} if recorded_on is None else {"fused": True, "capturable": True}
    return torch.optim.AdamW(parameters, lr=learning_rate(rate, recorded_on), **form, **options)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate, in place where it is a tensor, as recorded steps read it."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate
