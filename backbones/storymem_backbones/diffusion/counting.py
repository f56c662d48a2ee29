"""A model's parameters and operations, counted by running it on the meta device: exact, and without memory."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True, slots=True)
class Counted:
    """One forward pass of one transformer.

    Attributes:
        parameters: Of the whole model.
        block: Of its largest block.
        flops: Of the pass, multiplications and additions counted separately, attention included.
    """

    parameters: int
    block: int
    flops: float


def count(model_class: Any, config: Mapping[str, Any], inputs: Mapping[str, Any], blocks: tuple[str, ...]) -> Counted:
    """Count a forward pass.

    Args:
        model_class: Of diffusers.
        config: Its configuration.
        inputs: Arguments of its forward pass, tensors on the meta device.
        blocks: Names of its lists of blocks.
    """
    with torch.device("meta"), torch.no_grad():
        model = model_class.from_config(dict(config))
        with FlopCounterMode(display=False) as counter:
            model(**inputs, return_dict=False)
    largest = max(_parameters(block) for name in blocks for block in model.get_submodule(name).children())
    return Counted(_parameters(model), largest, float(counter.get_total_flops()))


def parameters(model_class: Any, config: Mapping[str, Any]) -> int:
    """Parameters of a diffusers model of this configuration."""
    with torch.device("meta"):
        return _parameters(model_class.from_config(dict(config)))


def _parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
