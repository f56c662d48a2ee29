"""Reading and writing LoRA files (.safetensors, .pth) of one expert.

The scale is alpha/sqrt(r) with rslora (StoryMem's files) and alpha/r without; which one holds is read from
the file or given by the caller, never guessed. Knows nothing about the model that the LoRA is for.
"""

import json
import pickle
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import sqrt
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from storymem_backbones.wan.errors import LoraError
from storymem_backbones.wan.lora_keys import DIFFUSERS_TARGETS, Expert, expert_of, parse_key, public_key

_DIFFUSERS_METADATA = "lora_adapter_metadata"


@dataclass(frozen=True)
class LoraWeights:
    """The LoRA of one expert.

    Attributes:
        factors: Diffusers module name -> (A (r, in), B (out, r)).
        rank: Most common r.
        alpha: Scale numerator.
        rslora: Whether the scale is alpha/sqrt(r) instead of alpha/r.
        other_keys: Tensors in the file that are not LoRA factors (not applied).
    """

    factors: Mapping[str, tuple[Tensor, Tensor]]
    rank: int
    alpha: float
    rslora: bool
    other_keys: tuple[str, ...] = field(default=())

    @property
    def scale(self) -> float:
        """What B @ A is multiplied with."""
        return self.alpha / (sqrt(self.rank) if self.rslora else self.rank)


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
    parts, other = _collect(_only_expert(tensors, expert, name), name)
    factors = _pairs(parts, name)
    ranks = [a.shape[0] for a, _ in factors.values()]
    rank = max(set(ranks), key=ranks.count)
    if set(ranks) != {rank}:
        odd = next(module for module, (a, _) in factors.items() if a.shape[0] != rank)
        raise LoraError(f"{name}: most layers have rank {rank} but {odd} has {factors[odd][0].shape[0]}; not supported")
    stated_alpha, stated_rslora = _stated_scale(parts, metadata, rank, name)
    alpha = stated_alpha if alpha is None else alpha
    rslora = stated_rslora if rslora is None else rslora
    if alpha is None or rslora is None:
        missing = " and ".join(n for n, v in (("alpha", alpha), ("rslora", rslora)) if v is None)
        raise LoraError(
            f"{name}: neither the file nor the settings say {missing}; set it (StoryMem's own files: alpha "
            f"= {rank}, "
            "rslora = true)"
        )
    return LoraWeights(factors, rank, alpha, rslora, other)


def write_lora(weights: LoraWeights, path: Path) -> None:
    """Write in the public Wan key form, with r, alpha and rslora in the safetensors metadata."""
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
        parsed = parse_key(key)
        if parsed is None:
            other.append(key)
            continue
        module, kind = parsed
        if parts.setdefault(module, {}).setdefault(kind, tensor) is not tensor:
            raise LoraError(f"{name}: two tensors for {kind} of {module} (one of them is {key})")
    if not parts:
        raise LoraError(f"{name}: no LoRA tensors among {len(tensors)} keys, such as {some_of(tensors)}")
    return parts, tuple(other)


def _pairs(parts: Mapping[str, Mapping[str, Tensor]], name: str) -> dict[str, tuple[Tensor, Tensor]]:
    lonely = [module for module, kinds in parts.items() if not {"lora_A", "lora_B"} <= kinds.keys()]
    if lonely:
        raise LoraError(
            f"{name}: {len(lonely)} layers lack lora_A or lora_B: {some_of(lonely)}; the file is incomplete"
        )
    pairs = {module: (kinds["lora_A"], kinds["lora_B"]) for module, kinds in parts.items()}
    wrong = [m for m, (a, b) in pairs.items() if a.ndim != 2 or b.ndim != 2 or a.shape[0] != b.shape[1]]
    if wrong:
        raise LoraError(f"{name}: lora_A and lora_B do not fit together in {some_of(wrong)}")
    return pairs


def _stated_scale(
    parts: Mapping[str, Mapping[str, Tensor]], metadata: Mapping[str, str], rank: int, name: str
) -> tuple[float | None, bool | None]:
    alphas = {float(kinds["alpha"]) for kinds in parts.values() if "alpha" in kinds}
    if len(alphas) > 1:
        raise LoraError(f"{name}: layers have different alphas {sorted(alphas)}; not supported")
    if alphas:
        # Files with an alpha tensor per layer define their scale as alpha / r.
        return alphas.pop(), False
    config = _config(metadata, name)
    stated_rank = config.get("r", rank)
    if stated_rank != rank:
        raise LoraError(f"{name}: the metadata says rank {stated_rank} but the tensors have rank {rank}")
    alpha, rslora = config.get("lora_alpha"), config.get("use_rslora")
    return (
        float(alpha) if isinstance(alpha, int | float) else None,
        rslora if isinstance(rslora, bool) else None,
    )


def _config(metadata: Mapping[str, str], name: str) -> dict[str, object]:
    try:
        if _DIFFUSERS_METADATA in metadata:
            config = json.loads(metadata[_DIFFUSERS_METADATA])
            return {key.removeprefix("transformer_2.").removeprefix("transformer."): v for key, v in config.items()}
        known = ("r", "lora_alpha", "use_rslora")
        return {key: json.loads(metadata[key].lower()) for key in known if key in metadata}
    except json.JSONDecodeError as error:
        raise LoraError(f"{name}: its metadata cannot be read ({error.msg})") from error


def some_of(keys: Iterable[str], limit: int = 3) -> str:
    """The first few names, and how many more there are."""
    names = list(keys)
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
