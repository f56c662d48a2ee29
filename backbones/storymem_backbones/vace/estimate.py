"""What a shot by VACE takes: its passes counted on the meta device, the rest as for Wan."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import torch

from storymem_backbones.diffusion.counting import Counted, count
from storymem_backbones.diffusion.estimate import (
    BYTES,
    Estimate,
    context_bytes,
    denoising_seconds,
    other_seconds,
    placed,
    wan_decoding_bytes,
)
from storymem_backbones.diffusion.profiles import Profile
from storymem_backbones.wan.estimate import UMT5_XXL, WAN_VAE, text_encoder_parameters, vae_parameters

VACE_1_3B: dict[str, Any] = {
    "num_attention_heads": 12, "attention_head_dim": 128, "ffn_dim": 8960, "num_layers": 30, "in_channels": 16,
    "out_channels": 16, "text_dim": 4096, "freq_dim": 256, "vace_in_channels": 96,
    "vace_layers": tuple(range(0, 30, 2)),
}  # fmt: skip
VACE_14B: dict[str, Any] = {
    **VACE_1_3B, "num_attention_heads": 40, "ffn_dim": 13824, "num_layers": 40, "vace_layers": tuple(range(0, 40, 5)),
}  # fmt: skip
_Frozen = tuple[tuple[str, Any], ...]


def count_forward(config: Mapping[str, Any], size: tuple[int, int], latents: int, text_tokens: int) -> Counted:
    """Count one forward pass.

    Args:
        config: Of the transformer.
        size: (width, height) in pixels.
        latents: Latent frames, references included.
        text_tokens: Length of the padded prompt.
    """
    plain = {k: tuple(v) if isinstance(v, list) else v for k, v in config.items() if not k.startswith("_")}
    return _count(tuple(sorted(plain.items())), size, latents, text_tokens)


@lru_cache(maxsize=32)
def _count(frozen: _Frozen, size: tuple[int, int], latents: int, text_tokens: int) -> Counted:
    from diffusers import WanVACETransformer3DModel

    config = dict(frozen)
    shape = (latents, size[1] // 8, size[0] // 8)
    with torch.device("meta"):
        inputs = {
            "hidden_states": torch.empty(1, config["in_channels"], *shape),
            "control_hidden_states": torch.empty(1, config["vace_in_channels"], *shape),
            "timestep": torch.empty(1, dtype=torch.long),
            "encoder_hidden_states": torch.empty(1, text_tokens, config["text_dim"]),
        }
    return count(WanVACETransformer3DModel, config, inputs, ("blocks", "vace_blocks"))


def estimate_shot(
    profile: Profile,
    counted: Counted,
    *,
    passes: int,
    size: tuple[int, int],
    frames: int,
    memory: int,
    configs: Mapping[str, Mapping[str, Any]] | None = None,
    experts: int = 1,
) -> Estimate:
    """Estimate one shot.

    Args:
        profile: How it is run.
        counted: One forward pass.
        passes: How many there are.
        size: (width, height) in pixels.
        frames: 4n+1.
        memory: References.
        configs: Configurations by component; Wan2.1-VACE-1.3B's by default.
        experts: 1 or 2.
    """
    configs = configs or {"transformer": VACE_1_3B, "text_encoder": UMT5_XXL, "vae": WAN_VAE}
    each = 1 if profile.linear_fp8 != "none" else BYTES[profile.dtype]
    text = text_encoder_parameters(configs["text_encoder"])
    weights = {
        "expert": float(counted.parameters * each),
        "text_encoder": float(text * BYTES[profile.dtype]),
        "vae": float(vae_parameters(configs["vae"]) * BYTES[profile.vae_dtype]),
    }
    working = max(
        _denoising_bytes(configs["transformer"], size, (frames - 1) // 4 + 1 + memory),
        wan_decoding_bytes(configs["vae"], size, frames, profile),
    )
    gpu, host = placed(profile, weights, counted.block * 2.0, experts)
    flops = passes * counted.flops
    return Estimate(
        gpu_bytes=gpu + working + context_bytes(profile),
        host_bytes=host,
        disk_bytes=float(2 * (experts * counted.parameters + text) + weights["vae"]),
        seconds=denoising_seconds(profile, flops) + other_seconds(profile, configs["vae"], size, frames),
        flops=flops,
    )


def _denoising_bytes(config: Mapping[str, Any], size: tuple[int, int], latents: int) -> float:
    """Hidden states and the widest layer, as in Wan, and the output that each control block keeps for later."""
    d = config["num_attention_heads"] * config["attention_head_dim"]
    tokens = latents * (size[0] // 16) * (size[1] // 16)
    return float(tokens * (d * 22 + config["ffn_dim"] * 6 + len(config["vace_layers"]) * d * 2))
