"""Names of LoRA tensors: the forms found on disk, the public Wan form, and diffusers' module names.

Pure string work on one naming scheme; knows nothing about files, ranks or models.
"""

import re
from typing import Literal

Expert = Literal["high", "low"]

_ATTENTION = {"self_attn": "attn1", "cross_attn": "attn2"}
_PROJECTION = {"q": "to_q", "k": "to_k", "v": "to_v", "o": "to_out.0"}
_FFN = {"0": "net.0.proj", "2": "net.2"}

TARGETS = tuple(
    [f"{wan}.{p}" for wan in _ATTENTION for p in _PROJECTION] + [f"ffn.{layer}" for layer in _FFN],
)
"""The layers of one block that M2V's LoRA adapts, in the public Wan naming."""

DIFFUSERS_TARGETS = tuple(
    [f"{d}.{p}" for d in _ATTENTION.values() for p in _PROJECTION.values()]
    + [f"ffn.{layer}" for layer in _FFN.values()],
)
"""The same layers in diffusers' naming."""

_TO_DIFFUSERS = dict(zip(TARGETS, DIFFUSERS_TARGETS, strict=True))
_TO_PUBLIC = {ours: theirs for theirs, ours in _TO_DIFFUSERS.items()}

_PREFIX = re.compile(r"^(?:base_model\.model\.|diffusion_model\.|model\.diffusion_model\.|transformer(?:_2)?\.)+")
_EXPERT = re.compile(r"^(?:base_model\.model\.)?(high|low)_noise_model\.")
_LEAF = re.compile(r"^(?P<module>.+?)\.(?P<kind>lora_A|lora_B|lora_down|lora_up|alpha)(?:\.[^.]+)?(?:\.weight)?$")
_MODULE = re.compile(r"^blocks\.(?P<block>\d+)\.(?P<layer>.+)$")
_KINDS = {
    "lora_A": "lora_A",
    "lora_down": "lora_A",
    "lora_B": "lora_B",
    "lora_up": "lora_B",
    "alpha": "alpha",
}


def expert_of(key: str) -> Expert | None:
    """The expert that a key's prefix (``low_noise_model.`` / ``high_noise_model.``) names, if any."""
    match = _EXPERT.match(key)
    return None if match is None else ("high" if match[1] == "high" else "low")


def parse_key(key: str) -> tuple[str, str] | None:
    """Split a LoRA tensor's name into (diffusers module name, "lora_A" | "lora_B" | "alpha").

    Understands the public Wan form (``base_model.model.blocks.0.self_attn.q.lora_A.weight``), an adapter name
    inside it (``lora_A.default.weight``), an expert prefix, ``lora_down``/``lora_up`` with ``alpha``, and
    diffusers' own names.

    Returns:
        None for a tensor that is not part of a LoRA.
    """
    match = _LEAF.match(_PREFIX.sub("", _EXPERT.sub("", key)))
    if match is None:
        return None
    return diffusers_module(match["module"]), _KINDS[match["kind"]]


def diffusers_module(module: str) -> str:
    """``blocks.0.self_attn.q`` -> ``blocks.0.attn1.to_q``; a name in another scheme is returned as it is."""
    return _translate(module, _TO_DIFFUSERS)


def public_module(module: str) -> str:
    """``blocks.0.attn1.to_q`` -> ``blocks.0.self_attn.q``; a name in another scheme is returned as it is."""
    return _translate(module, _TO_PUBLIC)


def public_key(module: str, kind: str) -> str:
    """The public Wan key of a diffusers module's ``lora_A`` or ``lora_B``."""
    return f"base_model.model.{public_module(module)}.{kind}.weight"


def _translate(module: str, names: dict[str, str]) -> str:
    match = _MODULE.match(module)
    if match is None or match["layer"] not in names:
        return module
    return f"blocks.{match['block']}.{names[match['layer']]}"
