"""LoRA on a Wan transformer: StoryMem's M2V weights, alone or stacked with others (StoryMem section 3.4).

Applied unmerged by default, because adding a small delta to bfloat16 weights rounds part of it away. Every
file is checked against the model before anything changes. Knows nothing about pipelines or experts' noise
ranges.
"""

import logging
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from storymem_backbones.wan.errors import LoraError
from storymem_backbones.wan.lora_deltas import add_deltas, base_parameters, check_deltas, deltas_of, weigh_deltas
from storymem_backbones.wan.lora_file import LoraWeights, read_lora, some_of, write_lora
from storymem_backbones.wan.lora_keys import DIFFUSERS_TARGETS, Expert

if TYPE_CHECKING:
    from diffusers.models.transformers.transformer_wan import WanTransformer3DModel

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoraReport:
    """What was applied.

    Attributes:
        adapter: Its name on the transformer.
        layers: Layers changed.
        rank: Most common r.
        scale: Most common alpha/sqrt(r) or alpha/r, without the weight.
        parameters: Weights and biases changed as a whole.
    """

    adapter: str
    layers: int
    rank: int
    scale: float
    parameters: int = 0


def load_m2v_lora(
    transformer: "WanTransformer3DModel",
    source: Path | str | LoraWeights,
    *,
    adapter: str = "m2v",
    expert: Expert | None = None,
    alpha: float | None = None,
    rslora: bool | None = None,
    weight: float = 1.0,
    every_layer: bool = True,
) -> LoraReport:
    """Apply a LoRA to one expert, unmerged, beside those already there.

    Args:
        transformer: Changed in place; LoRA factors take its dtype.
        source: A file (see `read_lora`) or weights already read.
        adapter: A name not yet used on this transformer.
        expert: Which expert to take from a file that holds both.
        alpha: Wins over the file's.
        rslora: Wins over the file's.
        weight: Strength.
        every_layer: Refuse a file that does not cover all ten layers of every block, as StoryMem's does. Turn
            off for distilled or style LoRAs that adapt fewer.

    Raises:
        LoraError: If the file does not fit this model, naming the layers; the transformer is then unchanged.
    """
    if isinstance(source, LoraWeights):
        weights = source
    else:
        weights = read_lora(Path(source), expert=expert, alpha=alpha, rslora=rslora)
    _check_fits(transformer, weights, every_layer)
    if adapter in _adapters(transformer):
        raise LoraError(f"{weights.name}: the adapter name {adapter!r} is taken; give this LoRA another name")
    _inject(transformer, weights, adapter)
    add_deltas(transformer, adapter, weights.deltas)
    set_lora_weights(transformer, {adapter: weight})
    return LoraReport(adapter, len(weights.factors), weights.rank, weights.scale, len(weights.deltas))


def known_part(transformer: "WanTransformer3DModel", weights: LoraWeights) -> LoraWeights:
    """Return what of a LoRA this model has layers for; the rest is left out with a log line.

    For LoRAs of related models, such as Wan 2.1's with its image branch.

    Raises:
        LoraError: If nothing is left.
    """
    name, linears, parameters = weights.name, _base_layers(transformer), base_parameters(transformer)
    factors = {module: pair for module, pair in weights.factors.items() if module in linears}
    deltas = {key: delta for key, delta in weights.deltas.items() if key in parameters}
    left = [*weights.other_keys, *(m for m in weights.factors if m not in factors)]
    left += [key for key in weights.deltas if key not in deltas]
    if not factors and not deltas:
        raise LoraError(f"{name}: no layer of it exists in this model: {some_of(left)}; is it a LoRA of another model?")
    if left:
        _log.warning("%s: %d tensors or layers are not applied: %s", name, len(left), some_of(left))
    return replace(weights, factors=factors, deltas=deltas, other_keys=())


def set_lora_weights(transformer: "WanTransformer3DModel", weights: Mapping[str, float]) -> None:
    """Set the strength of named adapters and switch all adapters on."""
    unknown = sorted(set(weights) - set(_adapters(transformer)))
    if unknown:
        raise LoraError(f"no LoRA named {', '.join(unknown)} on this transformer; there is {_adapters(transformer)}")
    for module in _lora_layers(transformer).values():
        module.set_adapter(_adapters(transformer))
        for adapter, weight in weights.items():
            module.set_scale(adapter, weight)
    weigh_deltas(transformer, weights)


def merge_loras(transformer: "WanTransformer3DModel") -> None:
    """Add all LoRAs to the weights in float32 and remove the adapters.

    The sum is rounded to the weights' own dtype at the end: with bfloat16 weights up to 17 % of a small delta
    is lost, so keep LoRAs unmerged unless the weights are float32 or speed matters more.

    Raises:
        LoraError: If the weights are quantized.
    """
    for module in _lora_layers(transformer).values():
        base = module.get_base_layer()
        if not base.weight.is_floating_point():
            raise LoraError("merge_loras: these weights are quantized; set merge_loras = false")
        total = base.weight.detach().float()
        for adapter in module.active_adapters:
            if adapter in module.lora_A:
                factors = (
                    module.lora_B[adapter].weight.detach().float() @ module.lora_A[adapter].weight.detach().float()
                )
                total = total + module.scaling[adapter] * factors
        base.weight.data = total.to(base.weight.dtype)
    transformer.unload_lora()


def add_m2v_lora(
    transformer: "WanTransformer3DModel",
    *,
    rank: int = 128,
    alpha: float = 128,
    rslora: bool = True,
    adapter: str = "m2v",
) -> list[nn.Parameter]:
    """Add a fresh, trainable LoRA (B = 0) on StoryMem's layers; return its parameters, freeze the others."""
    from peft import LoraConfig

    config = LoraConfig(r=rank, lora_alpha=alpha, use_rslora=rslora, target_modules=_target_pattern())
    transformer.requires_grad_(False)
    transformer.add_adapter(config, adapter_name=adapter)
    return [p for n, p in transformer.named_parameters() if f".{adapter}." in n and p.requires_grad]


def extract_lora(transformer: "WanTransformer3DModel", adapter: str = "m2v") -> LoraWeights:
    """One adapter's factors, as `LoraWeights` (without its strength)."""
    if adapter not in _adapters(transformer):
        raise LoraError(f"no LoRA named {adapter} on this transformer; there is {_adapters(transformer)}")
    layers = {n: m for n, m in _lora_layers(transformer).items() if adapter in m.lora_A}
    factors = {n: (m.lora_A[adapter].weight.detach(), m.lora_B[adapter].weight.detach()) for n, m in layers.items()}
    config: Any = transformer.peft_config[adapter]
    own = {n: float(config.alpha_pattern[n]) for n in layers if n in config.alpha_pattern}
    return LoraWeights(
        factors, config.r, config.lora_alpha, config.use_rslora, alphas=own, deltas=deltas_of(transformer, adapter)
    )


def save_m2v_lora(transformer: "WanTransformer3DModel", path: Path | str, adapter: str = "m2v") -> None:
    """Write one expert's adapter to a ``.safetensors`` file: public Wan keys, rslora in its metadata."""
    write_lora(extract_lora(transformer, adapter), Path(path))


def _inject(transformer: "WanTransformer3DModel", weights: LoraWeights, adapter: str) -> None:
    state: dict[str, Tensor] = {}
    for module, (a, b) in weights.factors.items():
        state |= {f"{module}.lora_A.weight": a, f"{module}.lora_B.weight": b}
    with warnings.catch_warnings():
        # A stack of several adapters is what is wanted here.
        warnings.filterwarnings("ignore", message="Already found a `peft_config` attribute")
        transformer.load_lora_adapter(state, prefix=None, adapter_name=adapter, metadata=_peft_config(weights))


def _check_fits(transformer: nn.Module, weights: LoraWeights, every_layer: bool) -> None:
    name = weights.name
    _check_known(transformer, weights)
    if not weights.factors:
        raise LoraError(f"{name}: holds no LoRA factors, only changes of whole weights; merge them into the model")
    linears = _base_layers(transformer)
    for module, (a, b) in weights.factors.items():
        wanted = (linears[module].out_features, linears[module].in_features)
        if (b.shape[0], a.shape[1]) != wanted:
            raise LoraError(
                f"{name}: {module} is for a {b.shape[0]}x{a.shape[1]} layer but this model's is "
                f"{wanted[0]}x{wanted[1]}; "
                "it is a LoRA of another model"
            )
    check_deltas(transformer, weights.deltas, name)
    targets = (n for n in linears if n.startswith("blocks.") and n.split(".", 2)[2] in DIFFUSERS_TARGETS)
    missing = [n for n in targets if n not in weights.factors]
    if every_layer and missing:
        raise LoraError(
            f"{name}: matches {len(weights.factors)} layers but not {len(missing)} others: "
            f"{some_of(missing)}; the file is "
            "incomplete (set every_layer = false for a LoRA that adapts fewer layers on purpose)"
        )


def _check_known(transformer: nn.Module, weights: LoraWeights) -> None:
    """Fail on layers that the model lacks, and on tensors that are not understood: they would change the picture."""
    name, linears, parameters = weights.name, _base_layers(transformer), base_parameters(transformer)
    unknown = [module for module in weights.factors if module not in linears]
    unknown += [key for key in weights.deltas if key not in parameters]
    if unknown:
        raise LoraError(
            f"{name}: {len(unknown)} of {len(weights.factors) + len(weights.deltas)} layers do not exist in this "
            f"model: {some_of(unknown)}; is it a LoRA of another model? (skip_unknown = true leaves them out)"
        )
    if weights.other_keys:
        raise LoraError(
            f"{name}: {len(weights.other_keys)} tensors are not understood: {some_of(weights.other_keys)}; "
            "set skip_unknown = true to apply the rest without them"
        )


def _peft_config(weights: LoraWeights) -> dict[str, Any]:
    ranks = {module: weights.rank_of(module) for module in weights.factors}
    return {
        "r": weights.rank,
        "lora_alpha": weights.alpha,
        "use_rslora": weights.rslora,
        "target_modules": sorted(weights.factors),
        "rank_pattern": {module: rank for module, rank in ranks.items() if rank != weights.rank},
        "alpha_pattern": {module: alpha for module, alpha in weights.alphas.items() if module in ranks},
    }


def _target_pattern() -> str:
    return r"blocks\.\d+\.(?:" + "|".join(t.replace(".", r"\.") for t in DIFFUSERS_TARGETS) + ")"


def _adapters(transformer: nn.Module) -> list[str]:
    return list(getattr(transformer, "peft_config", {}))


def _lora_layers(transformer: nn.Module) -> dict[str, Any]:
    from peft.tuners.lora import LoraLayer

    return {name: module for name, module in transformer.named_modules() if isinstance(module, LoraLayer)}


def _base_layers(transformer: nn.Module) -> dict[str, nn.Linear]:
    found = {}
    for name, module in transformer.named_modules():
        base = getattr(module, "base_layer", module)
        if isinstance(base, nn.Linear) and "lora_" not in name:
            found[name] = base
    return found
