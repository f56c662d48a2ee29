"""Changes of whole weights and biases that come with a LoRA: ``diff``, ``diff_b``, and the bias of B.

They are added to the parameters themselves, in float32 and from a copy of what was there before, so that another
strength can be set at any time without rounding twice. Knows nothing about files.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor, nn

from storymem_backbones.wan.errors import LoraError
from storymem_backbones.wan.lora_file import some_of

_ATTRIBUTE = "storymem_lora_deltas"


@dataclass
class _Deltas:
    """What is added to a transformer.

    Attributes:
        bases: The parameters before any change, by name.
        adapters: Each adapter's changes at strength 1, by parameter name.
        strengths: Each adapter's strength.
    """

    bases: dict[str, Tensor] = field(default_factory=dict)
    adapters: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    strengths: dict[str, float] = field(default_factory=dict)


def base_parameters(transformer: nn.Module) -> dict[str, nn.Parameter]:
    """Return the model's own parameters by their names before any adapter was put around them."""
    named = transformer.named_parameters()
    return {name.replace(".base_layer.", "."): each for name, each in named if ".lora_" not in name}


def check_deltas(transformer: nn.Module, deltas: Mapping[str, Tensor], name: str) -> None:
    """Raise `LoraError` unless every change fits its parameter, which must not be quantized."""
    parameters = base_parameters(transformer)
    wrong = [key for key, delta in deltas.items() if delta.shape != parameters[key].shape]
    if wrong:
        shape, wanted = tuple(deltas[wrong[0]].shape), tuple(parameters[wrong[0]].shape)
        raise LoraError(f"{name}: {some_of(wrong)} is for {shape} but this model's is {wanted}; is it another model's?")
    quantized = [key for key in deltas if not parameters[key].is_floating_point() or parameters[key].itemsize == 1]
    if quantized:
        raise LoraError(f"{name}: changes {some_of(quantized)}, which are quantized here; use unquantized weights")


def add_deltas(transformer: nn.Module, adapter: str, deltas: Mapping[str, Tensor]) -> None:
    """Take in an adapter's changes; `weigh_deltas` applies them."""
    if not deltas:
        return
    kept, parameters = _kept(transformer), base_parameters(transformer)
    for key in deltas:
        kept.bases.setdefault(key, parameters[key].detach().clone())
    kept.adapters[adapter] = dict(deltas)


@torch.no_grad()
def weigh_deltas(transformer: nn.Module, strengths: Mapping[str, float]) -> None:
    """Set the strength of the named adapters' changes; the others keep theirs."""
    kept = _kept(transformer)
    kept.strengths |= {adapter: weight for adapter, weight in strengths.items() if adapter in kept.adapters}
    parameters = base_parameters(transformer) if kept.adapters else {}
    for key, base in kept.bases.items():
        total = base.float()
        for adapter, deltas in kept.adapters.items():
            if key in deltas:
                total = total + kept.strengths.get(adapter, 0.0) * deltas[key].to(base.device, torch.float32)
        parameters[key].data.copy_(total)


def deltas_of(transformer: nn.Module, adapter: str) -> dict[str, Tensor]:
    """Return an adapter's changes at strength 1, by parameter name."""
    return _kept(transformer).adapters.get(adapter, {})


def _kept(transformer: nn.Module) -> _Deltas:
    if not hasattr(transformer, _ATTRIBUTE):
        setattr(transformer, _ATTRIBUTE, _Deltas())
    return cast("_Deltas", getattr(transformer, _ATTRIBUTE))
