"""Reading and writing LoRA files (.safetensors, .pth) of one expert.

The scale is alpha/sqrt(r) with rslora (StoryMem's files) and alpha/r without; which one holds is read from
the file or given by the caller, never guessed. Only names of programs that store no alpha where the scale is 1
(kohya's, ComfyUI's, diffusers') say so without one. Ranks and alphas may differ from layer to layer.
Knows nothing about the model that the LoRA is for.
"""

import json
import pickle
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import isfinite, sqrt
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from storymem_backbones.wan.errors import LoraError
from storymem_backbones.wan.lora_keys import (
    DIFFUSERS_TARGETS,
    Expert,
    expert_of,
    foreign_format,
    parse_key,
    public_key,
    public_module,
    scales_plainly,
)

_DIFFUSERS_METADATA = "lora_adapter_metadata"
_Number = TypeVar("_Number", int, float)


@dataclass(frozen=True)
class LoraWeights:
    """The LoRA of one expert.

    Attributes:
        factors: Diffusers module name -> (A (r, in), B (out, r)); r may differ from layer to layer.
        rank: Most common r.
        alpha: Most common scale numerator.
        rslora: Whether the scale is alpha/sqrt(r) instead of alpha/r.
        other_keys: Tensors in the file that are not understood.
        alphas: Scale numerators of the layers that have another one.
        deltas: Diffusers parameter name -> what is added to it at strength 1, of its shape.
        name: For messages, such as the file's path.
    """

    factors: Mapping[str, tuple[Tensor, Tensor]]
    rank: int
    alpha: float
    rslora: bool
    other_keys: tuple[str, ...] = field(default=())
    alphas: Mapping[str, float] = field(default_factory=dict)
    deltas: Mapping[str, Tensor] = field(default_factory=dict)
    name: str = "LoRA"

    @property
    def scale(self) -> float:
        """What B @ A is multiplied with in most layers."""
        return _scale(self.alpha, self.rank, self.rslora)

    def rank_of(self, module: str) -> int:
        """R of one layer."""
        return self.factors[module][0].shape[0]

    def scale_of(self, module: str) -> float:
        """What B @ A of one layer is multiplied with."""
        return _scale(self.alphas.get(module, self.alpha), self.rank_of(module), self.rslora)


def read_lora(
    path: Path, *, expert: Expert | None = None, alpha: float | None = None, rslora: bool | None = None
) -> LoraWeights:
    """Read one expert's LoRA.

    Args:
        path: A ``.safetensors`` file, or ``.pth`` / ``.pt`` / ``.bin`` (tensors only; no code is run).
        expert: Which expert to take from a file that names experts in its keys.
        alpha: Wins over what the file says.
        rslora: Wins over what the file says.

    Raises:
        LoraError: If the file cannot be read, holds no LoRA for this expert, has factors without their
            partner, or neither it nor the caller says alpha or rslora.
    """
    tensors, metadata = _read_tensors(path)
    return parse_lora(tensors, metadata, name=str(path), expert=expert, alpha=alpha, rslora=rslora)


def parse_lora(
    tensors: Mapping[str, Tensor],
    metadata: Mapping[str, str],
    *,
    name: str = "LoRA",
    expert: Expert | None = None,
    alpha: float | None = None,
    rslora: bool | None = None,
) -> LoraWeights:
    """As `read_lora`, from tensors and metadata already in memory; `name` is used in errors."""
    own = _only_expert(tensors, expert, name)
    parts, other = _collect(own, name)
    factors = _pairs(parts, name)
    alphas, rslora = _scales(parts, metadata, factors, _Given(name, own, alpha, rslora))
    rank = _most_common([a.shape[0] for a, _ in factors.values()], 1)
    common = _most_common(list(alphas.values()), float(rank))
    weights = LoraWeights(
        factors, rank, common, rslora, other, {module: value for module, value in alphas.items() if value != common}
    )
    return replace(weights, deltas=_deltas(parts, weights), name=name)


def write_lora(weights: LoraWeights, path: Path) -> None:
    """Write in the public Wan key form, with r, alpha and rslora in the safetensors metadata.

    Raises:
        LoraError: If layers differ in rank or alpha, or weights change beside the factors: this form cannot say so.
    """
    if weights.alphas or weights.deltas or any(weights.rank_of(module) != weights.rank for module in weights.factors):
        raise LoraError(f"{path}: cannot hold a LoRA whose layers differ in rank or alpha, or that changes biases")
    tensors = {}
    for module, (a, b) in weights.factors.items():
        tensors[public_key(module, "lora_A")] = a.detach().contiguous().cpu()
        tensors[public_key(module, "lora_B")] = b.detach().contiguous().cpu()
    config = {
        "r": weights.rank,
        "lora_alpha": weights.alpha,
        "use_rslora": weights.rslora,
        "target_modules": sorted({t for t in DIFFUSERS_TARGETS for m in weights.factors if m.endswith(t)}),
    }
    metadata = {"format": "pt", **{key: json.dumps(value) for key, value in config.items()}}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, metadata=metadata)


def _read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    if not path.is_file():
        raise LoraError(f"{path}: no such LoRA file")
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as file:
                names = list(file.keys())
                return {key: file.get_tensor(key) for key in names}, dict(file.metadata() or {})
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise LoraError(f"{path}: not a readable LoRA file ({type(error).__name__}); download it again") from error
    if not isinstance(loaded, dict):
        raise LoraError(f"{path}: holds a {type(loaded).__name__}, not a dictionary of tensors")
    inner = loaded.get("state_dict", loaded)
    return {key: value for key, value in inner.items() if isinstance(value, Tensor)}, {}


def _only_expert(tensors: Mapping[str, Tensor], expert: Expert | None, name: str) -> Mapping[str, Tensor]:
    named = {key: expert_of(key) for key in tensors}
    experts = {e for e in named.values() if e is not None}
    if not experts:
        return tensors
    if expert is None and len(experts) == 1:
        expert = next(iter(experts))
    if expert is None:
        raise LoraError(f"{name}: holds both experts; say which to take (high or low)")
    if expert not in experts:
        raise LoraError(f"{name}: holds only the {next(iter(experts))}-noise expert, not the {expert}-noise one")
    return {key: tensor for key, tensor in tensors.items() if named[key] in (expert, None)}


def _collect(tensors: Mapping[str, Tensor], name: str) -> tuple[dict[str, dict[str, Tensor]], tuple[str, ...]]:
    parts: dict[str, dict[str, Tensor]] = {}
    other = []
    for key, tensor in tensors.items():
        if form := foreign_format(key):
            raise LoraError(f"{name}: is a {form} file ({key}); only LoRA is supported, convert or choose another")
        parsed = parse_key(key)
        if parsed is None:
            other.append(key)
            continue
        module, kind = parsed
        if kind == "dora":
            raise LoraError(f"{name}: is a DoRA file ({key}); only LoRA is supported, convert or choose another")
        if parts.setdefault(module, {}).setdefault(kind, tensor) is not tensor:
            raise LoraError(f"{name}: two tensors for {kind} of {module} (one of them is {key})")
    if not any(kinds.keys() - {"alpha"} for kinds in parts.values()):
        raise LoraError(f"{name}: no LoRA tensors among {len(tensors)} keys, such as {some_of(tensors)}")
    return parts, tuple(other)


def _pairs(parts: Mapping[str, Mapping[str, Tensor]], name: str) -> dict[str, tuple[Tensor, Tensor]]:
    layers = {module: kinds for module, kinds in parts.items() if not kinds.keys() <= {"diff", "diff_b"}}
    lonely = [module for module, kinds in layers.items() if not {"lora_A", "lora_B"} <= kinds.keys()]
    if lonely:
        raise LoraError(
            f"{name}: {len(lonely)} layers lack lora_A or lora_B: {some_of(lonely)}; the file is incomplete"
        )
    pairs = {module: (kinds["lora_A"], kinds["lora_B"]) for module, kinds in layers.items()}
    wrong = [m for m, (a, b) in pairs.items() if a.ndim != 2 or b.ndim != 2 or a.shape[0] != b.shape[1]]
    if wrong:
        raise LoraError(f"{name}: lora_A and lora_B do not fit together in {some_of(wrong)}")
    return pairs


@dataclass(frozen=True)
class _Given:
    """What is known of a file beside its tensors: names for messages, and what the caller says."""

    name: str
    keys: Iterable[str]
    alpha: float | None
    rslora: bool | None


def _scales(
    parts: Mapping[str, Mapping[str, Tensor]],
    metadata: Mapping[str, str],
    factors: Mapping[str, tuple[Tensor, Tensor]],
    given: _Given,
) -> tuple[dict[str, float], bool]:
    """Return every layer's alpha, and whether scales are alpha/sqrt(r)."""
    ranks = {module: a.shape[0] for module, (a, _) in factors.items()}
    alphas, rslora = _stated_scales(parts, metadata, ranks, given)
    if given.alpha is not None:
        alphas = dict.fromkeys(ranks, given.alpha)
    rslora = rslora if given.rslora is None else given.rslora
    if factors and (alphas is None or rslora is None):
        missing = " and ".join(n for n, v in (("alpha", alphas), ("rslora", rslora)) if v is None)
        raise LoraError(
            f"{given.name}: neither the file nor the settings say {missing}; set it (StoryMem's own files: alpha "
            f"= {_most_common(list(ranks.values()), 1)}, rslora = true)"
        )
    return alphas or {}, bool(rslora)


def _stated_scales(
    parts: Mapping[str, Mapping[str, Tensor]],
    metadata: Mapping[str, str],
    ranks: Mapping[str, int],
    given: _Given,
) -> tuple[dict[str, float] | None, bool | None]:
    stored = {module: float(kinds["alpha"]) for module, kinds in parts.items() if "alpha" in kinds}
    if any(not isfinite(value) for value in stored.values()):
        raise LoraError(f"{given.name}: an alpha is no finite number; the file is damaged")
    if stored:
        # Files with alpha tensors define their scale as alpha / r, and as 1 in layers without one.
        return {module: stored.get(module, float(rank)) for module, rank in ranks.items()}, False
    config = _config(metadata, given.name)
    alpha, rslora = config.get("lora_alpha"), config.get("use_rslora")
    _check_ranks(config, ranks, given.name)
    if isinstance(alpha, int | float):
        patterns = config.get("alpha_pattern")
        own = patterns if isinstance(patterns, dict) else {}
        alphas = {module: float(_by_pattern(own, module, alpha)) for module in ranks}
        return alphas, rslora if isinstance(rslora, bool) else None
    if scales_plainly(given.keys):
        return {module: float(rank) for module, rank in ranks.items()}, False
    return None, rslora if isinstance(rslora, bool) else None


def _check_ranks(config: Mapping[str, object], ranks: Mapping[str, int], name: str) -> None:
    """Fail if the metadata's rank is that of no layer."""
    stated = config.get("r")
    if isinstance(stated, int) and ranks and stated not in ranks.values() and not config.get("rank_pattern"):
        found = _most_common(list(ranks.values()), 1)
        raise LoraError(f"{name}: the metadata says rank {stated} but the tensors have rank {found}")


def _by_pattern(patterns: Mapping[str, object], module: str, default: float) -> float:
    """Return the value whose key ends the module's name, in either naming, as PEFT matches its patterns."""
    for key, value in patterns.items():
        if isinstance(value, int | float) and any(
            re.fullmatch(rf"(.*\.)?{re.escape(key)}", each) for each in (module, public_module(module))
        ):
            return value
    return default


def _deltas(parts: Mapping[str, Mapping[str, Tensor]], weights: LoraWeights) -> dict[str, Tensor]:
    """Return what is added to whole weights and biases, by parameter."""
    deltas: dict[str, Tensor] = {}
    for module, kinds in parts.items():
        if "diff" in kinds:
            deltas[module if module.endswith("scale_shift_table") else f"{module}.weight"] = kinds["diff"]
        if "diff_b" in kinds:
            deltas[f"{module}.bias"] = kinds["diff_b"]
        if "lora_bias" in kinds:
            change = kinds["lora_bias"] * weights.scale_of(module)
            deltas[f"{module}.bias"] = deltas[f"{module}.bias"] + change if f"{module}.bias" in deltas else change
    return deltas


def _most_common(values: list[_Number], default: _Number) -> _Number:
    return max(dict.fromkeys(values), key=values.count, default=default)


def _scale(alpha: float, rank: int, rslora: bool) -> float:
    return alpha / (sqrt(rank) if rslora else rank)


def _config(metadata: Mapping[str, str], name: str) -> dict[str, object]:
    try:
        if _DIFFUSERS_METADATA in metadata:
            config = json.loads(metadata[_DIFFUSERS_METADATA])
            if not isinstance(config, dict):
                raise LoraError(f"{name}: its metadata is no table")
            return {key.removeprefix("transformer_2.").removeprefix("transformer."): v for key, v in config.items()}
        known = ("r", "lora_alpha", "use_rslora", "rank_pattern", "alpha_pattern")
        return {key: json.loads(metadata[key].lower()) for key in known if key in metadata}
    except json.JSONDecodeError as error:
        raise LoraError(f"{name}: its metadata cannot be read ({error.msg})") from error


def some_of(keys: Iterable[str], limit: int = 3) -> str:
    """The first few names, and how many more there are."""
    names = list(keys)
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
