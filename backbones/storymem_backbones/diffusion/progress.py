"""Progress and cancellation of any pipeline, by hooks on its transformers.

Works for classic and modular pipelines alike, and under offloading: what counts is that a transformer has run.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from storymem.interfaces import Progress
from storymem_backbones.diffusion.errors import GenerationError


@contextmanager
def reporting(transformers: Sequence[nn.Module], expected: int, progress: Progress) -> Iterator[None]:
    """Report each forward pass inside, and stop at the first that does not give numbers.

    Args:
        transformers: What is run step by step.
        expected: How many forward passes they make together.
        progress: Called before the first and after each; what it raises ends the work.

    Raises:
        GenerationError: If a prediction is not finite.
    """
    done = 0

    def after(_: nn.Module, __: Any, output: Any) -> None:
        nonlocal done
        done += 1
        if not all(bool(torch.isfinite(tensor).all()) for tensor in _tensors(output)):
            raise GenerationError(
                f"the prediction is not finite in forward pass {done} of {expected}: the weights or the profile's "
                "number format are wrong; try dtype = float32"
            )
        progress(min(done, expected), expected)

    progress(0, expected)
    handles = [transformer.register_forward_hook(after) for transformer in transformers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _tensors(output: Any) -> Iterator[Tensor]:
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, tuple | list):
        for item in output:
            yield from _tensors(item)
