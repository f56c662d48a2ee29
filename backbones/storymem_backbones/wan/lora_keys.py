"""Names of LoRA tensors: the forms found on disk, the public Wan form, and diffusers' module names.

Pure string work on one naming scheme; knows nothing about files, ranks or models.
"""

import re
from collections.abc import Iterable
from typing import Literal

Expert = Literal["high", "low"]
Kind = Literal["lora_A", "lora_B", "lora_bias", "alpha", "diff", "diff_b", "dora"]
"""What a tensor is: a factor, the bias of B, the scale's numerator, a change of a weight or bias, a DoRA magnitude."""

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

_BLOCK_LAYERS = {
    **_TO_DIFFUSERS,
    "norm3": "norm2",
    "modulation": "scale_shift_table",
    "self_attn.norm_q": "attn1.norm_q",
    "self_attn.norm_k": "attn1.norm_k",
    "cross_attn.norm_q": "attn2.norm_q",
    "cross_attn.norm_k": "attn2.norm_k",
    "cross_attn.k_img": "attn2.add_k_proj",
    "cross_attn.v_img": "attn2.add_v_proj",
    "cross_attn.norm_k_img": "attn2.norm_added_k",
}
_OUTER_LAYERS = {
    "patch_embedding": "patch_embedding",
    "text_embedding.0": "condition_embedder.text_embedder.linear_1",
    "text_embedding.2": "condition_embedder.text_embedder.linear_2",
    "time_embedding.0": "condition_embedder.time_embedder.linear_1",
    "time_embedding.2": "condition_embedder.time_embedder.linear_2",
    "time_projection.1": "condition_embedder.time_proj",
    "img_emb.proj.0": "condition_embedder.image_embedder.norm1",
    "img_emb.proj.1": "condition_embedder.image_embedder.ff.net.0.proj",
    "img_emb.proj.3": "condition_embedder.image_embedder.ff.net.2",
    "img_emb.proj.4": "condition_embedder.image_embedder.norm2",
    "head.head": "proj_out",
    "head.modulation": "scale_shift_table",
}


def _flat(names: Iterable[str]) -> dict[str, str]:
    """Return the names by their form without dots, as kohya's trainers write them."""
    return {name.replace(".", "_"): name for name in names}


_FLAT_BLOCK = _flat([*_BLOCK_LAYERS, *_BLOCK_LAYERS.values()])
_FLAT_OUTER = _flat([*_OUTER_LAYERS, *_OUTER_LAYERS.values()])

# What programs put before a name, in any order and number, and what wrappers leave inside it.
_PREFIX = re.compile(
    r"^(?:base_model\.model\.|base_model\.|diffusion_model\.|model\.|transformer(?:_2)?\.|pipe\.|dit\.|unet\.)+"
)
_WRAPPER = re.compile(r"(?:^|(?<=\.))(?:module|_orig_mod|_checkpoint_wrapped_module|_fsdp_wrapped_module)\.")
_KOHYA = re.compile(r"^lora_(?:unet|transformer|dit)_+")
_EXPERT = re.compile(r"^(?:base_model\.model\.)?(high|low)_noise_model\.")
_LEAF = re.compile(
    r"^(?P<module>.+?)\.(?P<kind>lora_A|lora_B|lora_down|lora_up|lora\.down|lora\.up|alpha|diff_b|diff|dora_scale|"
    r"lora_magnitude_vector)(?:\.(?!weight$|bias$)[^.]+)?(?:\.(?P<part>weight|bias))?$"
)
_MODULE = re.compile(r"^blocks[._](?P<block>\d+)[._](?P<layer>.+)$")
_KINDS: dict[str, Kind] = {
    "lora_A": "lora_A",
    "lora_down": "lora_A",
    "lora.down": "lora_A",
    "lora_B": "lora_B",
    "lora_up": "lora_B",
    "lora.up": "lora_B",
    "alpha": "alpha",
    "diff": "diff",
    "diff_b": "diff_b",
    "dora_scale": "dora",
    "lora_magnitude_vector": "dora",
}
_FOREIGN = {
    "hada_": "LoHa",
    "lokr_": "LoKr",
    "lora_mid": "LoCon with a middle factor",
    "oft_": "OFT",
    "boft_": "BOFT",
    "ia3_": "IA3",
    "vera_": "VeRA",
    "on_input": "IA3",
    "glora_": "GLoRA",
}
# Programs whose LoRAs scale by alpha / r, and by 1 where no alpha is stored.
_PLAIN_SCALE = re.compile(
    r"lora_down|lora_up|lora\.down|lora\.up|^(?:lora_|diffusion_model\.|transformer|pipe\.|dit\.|unet\.)"
)


def expert_of(key: str) -> Expert | None:
    """The expert that a key's prefix (``low_noise_model.`` / ``high_noise_model.``) names, if any."""
    match = _EXPERT.match(key)
    return None if match is None else ("high" if match[1] == "high" else "low")


def foreign_format(key: str) -> str | None:
    """Return the name of another kind of adapter that a tensor belongs to, such as LoHa, if any."""
    leaf = key.split(".", 1)[-1]
    return next((name for mark, name in _FOREIGN.items() if re.search(rf"(?:^|\.){mark}", leaf)), None)


def scales_plainly(keys: Iterable[str]) -> bool:
    """Whether the names are those of programs that take a LoRA without alpha at scale 1."""
    return any(_PLAIN_SCALE.search(_EXPERT.sub("", key)) for key in keys)


def parse_key(key: str) -> tuple[str, Kind] | None:
    """Split a tensor's name into a diffusers module name and what the tensor is.

    Understands the public Wan form (``base_model.model.blocks.0.self_attn.q.lora_A.weight``), adapter names inside it
    (``lora_A.default.weight``), expert prefixes, ``lora_down``/``lora_up`` with ``alpha``, diffusers' own names,
    kohya's names without dots (``lora_unet__blocks_0_self_attn_q``), prefixes of other programs and wrappers
    (``pipe.dit.``, ``module.``, ``_orig_mod.``), and changes of whole weights and biases (``diff``, ``diff_b``).

    Returns:
        None for a tensor that is none of these.
    """
    match = _LEAF.match(_bare(key))
    if match is None:
        return None
    kind = _KINDS[match["kind"]]
    if match["part"] == "bias":
        if kind != "lora_B":
            return None
        kind = "lora_bias"
    return diffusers_module(match["module"]), kind


def _bare(key: str) -> str:
    """Return a name without prefixes and wrappers."""
    key = _EXPERT.sub("", key)
    before = ""
    while before != key:
        before, key = key, _KOHYA.sub("", _PREFIX.sub("", _WRAPPER.sub("", key)))
    return key


def diffusers_module(module: str) -> str:
    """``blocks.0.self_attn.q`` -> ``blocks.0.attn1.to_q``; a name in another scheme is returned as it is."""
    match = _MODULE.match(module)
    if match is None:
        known = _FLAT_OUTER.get(module.replace(".", "_"))
        return module if known is None else _OUTER_LAYERS.get(known, known)
    known = _FLAT_BLOCK.get(match["layer"].replace(".", "_"))
    return module if known is None else f"blocks.{match['block']}.{_BLOCK_LAYERS.get(known, known)}"


def public_module(module: str) -> str:
    """``blocks.0.attn1.to_q`` -> ``blocks.0.self_attn.q``; a name in another scheme is returned as it is."""
    match = _MODULE.match(module)
    if match is None or match["layer"] not in _TO_PUBLIC:
        return module
    return f"blocks.{match['block']}.{_TO_PUBLIC[match['layer']]}"


def public_key(module: str, kind: str) -> str:
    """The public Wan key of a diffusers module's ``lora_A`` or ``lora_B``."""
    return f"base_model.model.{public_module(module)}.{kind}.weight"
