"""LoRA on a Wan transformer: StoryMem's M2V weights, alone or stacked with others (StoryMem section 3.4).

Applied unmerged by default, because adding a small delta to bfloat16 weights rounds part of it away. Every
file is checked against the model before anything changes. Knows nothing about pipelines or experts' noise
ranges.
"""

import logging
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from storymem_backbones.wan.errors import LoraError
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
        rank: r.
        scale: alpha/sqrt(r) or alpha/r, without the weight.
        ignored_keys: Tensors of the file that are not LoRA factors.
    """

    adapter: str
    layers: int
    rank: int
    scale: float
    ignored_keys: tuple[str, ...]


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
    name = "LoRA" if isinstance(source, LoraWeights) else str(source)
    if isinstance(source, LoraWeights):
        weights = source
    else:
        weights = read_lora(Path(source), expert=expert, alpha=alpha, rslora=rslora)
    _check_fits(transformer, weights, name, every_layer)
    if adapter in _adapters(transformer):
        raise LoraError(f"{name}: the adapter name {adapter!r} is taken; give this LoRA another name")
    if weights.other_keys:
        some = some_of(weights.other_keys)
        _log.warning("%s: %d tensors are not LoRA and are not applied: %s", name, len(weights.other_keys), some)
    _inject(transformer, weights, adapter)
    set_lora_weights(transformer, {adapter: weight})
    return LoraReport(adapter, len(weights.factors), weights.rank, weights.scale, weights.other_keys)


def set_lora_weights(transformer: "WanTransformer3DModel", weights: Mapping[str, float]) -> None:
    """Set the strength of named adapters and switch all adapters on."""
    unknown = sorted(set(weights) - set(_adapters(transformer)))
    if unknown:
        raise LoraError(f"no LoRA named {', '.join(unknown)} on this transformer; there is {_adapters(transformer)}")
    for module in _lora_layers(transformer).values():
        module.set_adapter(_adapters(transformer))
        for adapter, weight in weights.items():
            module.set_scale(adapter, weight)


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
    return LoraWeights(factors, config.r, config.lora_alpha, config.use_rslora)


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


def _check_fits(transformer: nn.Module, weights: LoraWeights, name: str, every_layer: bool) -> None:
    linears = {n: m for n, m in _base_layers(transformer).items() if n.startswith("blocks.")}
    unknown = [module for module in weights.factors if module not in linears]
    if unknown:
        raise LoraError(
            f"{name}: {len(unknown)} of {len(weights.factors)} layers do not exist in this model: "
            f"{some_of(unknown)}; "
            "is it a LoRA of another model?"
        )
    for module, (a, b) in weights.factors.items():
        wanted = (linears[module].out_features, linears[module].in_features)
        if (b.shape[0], a.shape[1]) != wanted:
            raise LoraError(
                f"{name}: {module} is for a {b.shape[0]}x{a.shape[1]} layer but this model's is "
                f"{wanted[0]}x{wanted[1]}; "
                "it is a LoRA of another model"
            )
    missing = [n for n in linears if n.split(".", 2)[2] in DIFFUSERS_TARGETS and n not in weights.factors]
    if every_layer and missing:
        raise LoraError(
            f"{name}: matches {len(weights.factors)} layers but not {len(missing)} others: "
            f"{some_of(missing)}; the file is "
            "incomplete (set every_layer = false for a LoRA that adapts fewer layers on purpose)"
        )


def _peft_config(weights: LoraWeights) -> dict[str, Any]:
    return {
        "r": weights.rank,
        "lora_alpha": weights.alpha,
        "use_rslora": weights.rslora,
        "target_modules": sorted(weights.factors),
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
