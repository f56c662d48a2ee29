"""What a shot will take: GPU memory, seconds, host memory and disk, from configurations alone.

Parameters and floating-point operations are counted exactly; speed and working memory are scaled from
measurements on one H200 (benchmarks/results) and are estimates. Loads no weights and imports no torch.
"""

from collections.abc import Mapping
from typing import Any

from storymem_backbones.diffusion.estimate import (
    BYTES,
    Estimate,
    Work,
    context_bytes,
    denoising_seconds,
    other_seconds,
    placed,
    wan_decoding_bytes,
)
from storymem_backbones.diffusion.profiles import Profile
from storymem_backbones.wan.geometry import latent_frames
from storymem_backbones.wan.shot import Sampling

_LORA_RANK = 128

A14B: dict[str, Any] = {
    "num_attention_heads": 40, "attention_head_dim": 128, "ffn_dim": 13824, "num_layers": 40, "in_channels": 36,
    "out_channels": 16, "text_dim": 4096, "freq_dim": 256, "patch_size": (1, 2, 2),
}  # fmt: skip
UMT5_XXL: dict[str, Any] = {
    "vocab_size": 256384, "d_model": 4096, "d_kv": 64, "d_ff": 10240, "num_layers": 24, "num_heads": 64,
    "relative_attention_num_buckets": 32,
}  # fmt: skip
WAN_VAE: dict[str, Any] = {"base_dim": 96, "parameters": 126_892_531}


def transformer_parameters(config: Mapping[str, Any]) -> int:
    """Parameters of one expert, from its configuration."""
    d, ffn = _width(config), config["ffn_dim"]
    patch = _product(config.get("patch_size", (1, 2, 2)))
    attention = 4 * (d * d + d) + 2 * d
    block = 2 * attention + (2 * d * ffn + ffn + d) + 2 * d + 6 * d
    time = config["freq_dim"] * d + d + d * d + d + 6 * d * d + 6 * d
    text = config["text_dim"] * d + d + d * d + d
    ends = config["in_channels"] * patch * d + d + config["out_channels"] * patch * (d + 1) + 2 * d
    return int(config["num_layers"] * block + time + text + ends)


def block_parameters(config: Mapping[str, Any]) -> int:
    """Parameters of one block."""
    one, two = ({**config, "num_layers": n} for n in (1, 2))
    return transformer_parameters(two) - transformer_parameters(one)


def text_encoder_parameters(config: Mapping[str, Any]) -> int:
    """Parameters of the UMT5 encoder, from its configuration."""
    d, inner = config["d_model"], config["num_heads"] * config["d_kv"]
    positions = config["relative_attention_num_buckets"] * config["num_heads"]
    block = 4 * d * inner + positions + 3 * d * config["d_ff"] + 2 * d
    return int(config["vocab_size"] * d + config["num_layers"] * block + d)


def forward_work(config: Mapping[str, Any], width: int, height: int, frames: int, memory: int) -> Work:
    """Tokens and operations of one forward pass, multiplications and additions counted separately."""
    patch = config.get("patch_size", (1, 2, 2))
    latents = memory + latent_frames(frames)
    tokens = latents // patch[0] * (height // 8 // patch[1]) * (width // 8 // patch[2])
    d, text = _width(config), 512
    linear = 2 * tokens * (6 * d * d + 2 * d * config["ffn_dim"]) + 2 * text * 2 * d * d
    attention = 4 * tokens * (tokens + text) * d
    return Work(tokens, float(config["num_layers"] * (linear + attention)))


def estimate_shot(
    profile: Profile,
    sampling: Sampling,
    *,
    size: tuple[int, int],
    frames: int,
    memory: int,
    configs: Mapping[str, Mapping[str, Any]] | None = None,
    experts: int = 2,
    loras: int = 1,
) -> Estimate:
    """Estimate one shot.

    Args:
        profile: How it is run.
        sampling: Steps and guidance.
        size: (width, height) in pixels.
        frames: 4n+1.
        memory: Memory keyframes.
        configs: Configurations by component (transformer, text_encoder, vae); Wan2.2-A14B's by default.
        experts: 1 or 2.
        loras: LoRAs kept unmerged on each expert, taken to be of rank 128.
    """
    configs = configs or {"transformer": A14B, "text_encoder": UMT5_XXL, "vae": WAN_VAE}
    transformer = configs["transformer"]
    work = forward_work(transformer, *size, frames, memory)
    sampling = sampling.suited_to(memory)
    passes = sampling.steps * (2 if max(sampling.guidance_high, sampling.guidance_low) > 1 else 1)
    flops = passes * work.flops
    if memory and sampling.memory_guidance > 1:
        flops += sampling.steps * forward_work(transformer, *size, frames, 0).flops
    weights = _component_bytes(profile, configs, loras)
    batch = 2 if profile.batched_guidance else 1
    working = max(
        _denoising_bytes(transformer, work.tokens, profile) * batch / profile.gpus,
        wan_decoding_bytes(configs["vae"], size, frames, profile),
    )
    gpu, host = placed(profile, weights, block_parameters(transformer) * 2.0, experts)
    return Estimate(
        gpu_bytes=gpu + working + context_bytes(profile),
        host_bytes=host,
        disk_bytes=_disk_bytes(configs, experts),
        seconds=denoising_seconds(profile, flops) + other_seconds(profile, configs["vae"], size, frames),
        flops=flops,
    )


def _component_bytes(profile: Profile, configs: Mapping[str, Mapping[str, Any]], loras: int) -> dict[str, float]:
    transformer, bytes_each = configs["transformer"], BYTES[profile.dtype]
    blocks = transformer["num_layers"] * block_parameters(transformer)
    rest = transformer_parameters(transformer) - blocks
    d, ffn = _width(transformer), transformer["ffn_dim"]
    lora = loras * transformer["num_layers"] * _LORA_RANK * (16 * d + 2 * (d + ffn))
    return {
        "expert": blocks * (1 if profile.linear_fp8 != "none" else bytes_each) + (rest + lora) * bytes_each,
        "text_encoder": text_encoder_parameters(configs["text_encoder"]) * bytes_each,
        "vae": vae_parameters(configs["vae"]) * BYTES[profile.vae_dtype],
    }


def _denoising_bytes(config: Mapping[str, Any], tokens: int, profile: Profile) -> float:
    """Hidden states, their float32 copies, queries, keys, values and the widest layer."""
    d = _width(config)
    wide = 2 if profile.compile else 3
    return float(tokens * (d * 22 + config["ffn_dim"] * 2 * wide))


def _disk_bytes(configs: Mapping[str, Mapping[str, Any]], experts: int) -> float:
    # The published A14B experts and VAE are float32, the text encoder is bfloat16.
    return float(
        4 * experts * transformer_parameters(configs["transformer"])
        + 2 * text_encoder_parameters(configs["text_encoder"])
        + 4 * vae_parameters(configs["vae"])
    )


def vae_parameters(config: Mapping[str, Any]) -> int:
    """Parameters of Wan's VAE, scaled from its published size."""
    return int(config.get("parameters", WAN_VAE["parameters"] * (config.get("base_dim", 96) / 96) ** 2))


def _width(config: Mapping[str, Any]) -> int:
    return int(config["num_attention_heads"] * config["attention_head_dim"])


def _product(sizes: Any) -> int:
    total = 1
    for size in sizes:
        total *= size
    return total
