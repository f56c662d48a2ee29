"""What a shot will take: GPU memory, seconds, host memory and disk, from configurations alone.

Parameters and floating-point operations are counted exactly; speed and working memory are scaled from
measurements on one H200 (benchmarks/results) and are estimates. Loads no weights and imports no torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from storymem_backbones.wan.geometry import latent_frames
from storymem_backbones.wan.profiles import Profile
from storymem_backbones.wan.shot import Sampling

GIB = 2**30
_BYTES = {"bfloat16": 2, "float32": 4}
_CONTEXT = 0.7 * GIB
_LORA_RANK = 128
# Per pixel, frame and squared base width; from a small VAE's seconds on a CPU.
_VAE_OPERATIONS = 750

A14B: dict[str, Any] = {
    "num_attention_heads": 40, "attention_head_dim": 128, "ffn_dim": 13824, "num_layers": 40, "in_channels": 36,
    "out_channels": 16, "text_dim": 4096, "freq_dim": 256, "patch_size": (1, 2, 2),
}  # fmt: skip
UMT5_XXL: dict[str, Any] = {
    "vocab_size": 256384, "d_model": 4096, "d_kv": 64, "d_ff": 10240, "num_layers": 24, "num_heads": 64,
    "relative_attention_num_buckets": 32,
}  # fmt: skip
WAN_VAE: dict[str, Any] = {"base_dim": 96, "parameters": 126_892_531}


@dataclass(frozen=True, slots=True)
class Work:
    """Size of one forward pass.

    Attributes:
        tokens: Patches of memory and video together.
        flops: Floating-point operations of one forward pass of one expert, batch 1.
    """

    tokens: int
    flops: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a shot takes.

    Attributes:
        gpu_bytes: Peak on one GPU (of host memory on a CPU).
        host_bytes: Weights kept in host memory.
        disk_bytes: Weights on disk.
        seconds: For one shot, weights already loaded.
        flops: For one shot.
    """

    gpu_bytes: float
    host_bytes: float
    disk_bytes: float
    seconds: float
    flops: float


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
        _decoding_bytes(configs["vae"], size, frames, profile),
    )
    gpu, host = _placed(profile, weights, block_parameters(transformer) * 2.0, experts)
    context = _CONTEXT if profile.device == "cuda" else 0
    return Estimate(
        gpu_bytes=gpu + working + context,
        host_bytes=host,
        disk_bytes=_disk_bytes(configs, experts),
        seconds=flops / (profile.tflops * 1e12 * profile.gpus**0.9)
        + _other_seconds(profile, configs["vae"], size, frames),
        flops=flops,
    )


def _component_bytes(profile: Profile, configs: Mapping[str, Mapping[str, Any]], loras: int) -> dict[str, float]:
    transformer, bytes_each = configs["transformer"], _BYTES[profile.dtype]
    blocks = transformer["num_layers"] * block_parameters(transformer)
    rest = transformer_parameters(transformer) - blocks
    d, ffn = _width(transformer), transformer["ffn_dim"]
    lora = loras * transformer["num_layers"] * _LORA_RANK * (16 * d + 2 * (d + ffn))
    return {
        "expert": blocks * (1 if profile.linear_fp8 != "none" else bytes_each) + (rest + lora) * bytes_each,
        "text_encoder": text_encoder_parameters(configs["text_encoder"]) * bytes_each,
        "vae": _vae_parameters(configs["vae"]) * _BYTES[profile.vae_dtype],
    }


def _placed(profile: Profile, weights: dict[str, float], block: float, experts: int) -> tuple[float, float]:
    everything = experts * weights["expert"] + weights["text_encoder"] + weights["vae"]
    if profile.device == "cpu" or profile.offload == "none":
        return everything, 0.0
    if profile.offload == "model":
        return max(weights.values()), everything
    # Two blocks are on the GPU at a time, one in use and one on its way.
    return 3 * block + weights["vae"], everything


def _denoising_bytes(config: Mapping[str, Any], tokens: int, profile: Profile) -> float:
    """Hidden states, their float32 copies, queries, keys, values and the widest layer."""
    d = _width(config)
    wide = 2 if profile.compile else 3
    return float(tokens * (d * 22 + config["ffn_dim"] * 2 * wide))


def _decoding_bytes(config: Mapping[str, Any], size: tuple[int, int], frames: int, profile: Profile) -> float:
    pixels = min(size[0] * size[1], 256 * 256 * 2) if profile.vae_tiling else size[0] * size[1]
    channels = 2 * int(config.get("base_dim", 96))
    working = pixels * 4 * channels * 4 * _BYTES[profile.vae_dtype]
    return float(working + 2 * size[0] * size[1] * frames * 3 * 4)


def _other_seconds(profile: Profile, vae: Mapping[str, Any], size: tuple[int, int], frames: int) -> float:
    """VAE (encoding and decoding one clip, counted from its width) and moving the experts."""
    operations = _VAE_OPERATIONS * size[0] * size[1] * frames * int(vae.get("base_dim", 96)) ** 2
    return operations / (profile.vae_tflops * 1e12) + (20.0 if profile.offload == "model" else 0.0)


def _disk_bytes(configs: Mapping[str, Mapping[str, Any]], experts: int) -> float:
    # The published A14B experts and VAE are float32, the text encoder is bfloat16.
    return float(
        4 * experts * transformer_parameters(configs["transformer"])
        + 2 * text_encoder_parameters(configs["text_encoder"])
        + 4 * _vae_parameters(configs["vae"])
    )


def _vae_parameters(config: Mapping[str, Any]) -> int:
    return int(config.get("parameters", WAN_VAE["parameters"] * (config.get("base_dim", 96) / 96) ** 2))


def _width(config: Mapping[str, Any]) -> int:
    return int(config["num_attention_heads"] * config["attention_head_dim"])


def _product(sizes: Any) -> int:
    total = 1
    for size in sizes:
        total *= size
    return total
