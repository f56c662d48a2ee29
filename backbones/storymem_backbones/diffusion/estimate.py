"""What a shot takes, as far as it is the same for every model: sizes, number formats, placement, speed.

Loads no weights and imports no torch; `counting` counts a model's work on the meta device.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from storymem_backbones.diffusion.profiles import Profile

GIB = 2**30
BYTES = {"bfloat16": 2, "float32": 4}
_CONTEXT = 0.7 * GIB
#: Per pixel, frame and squared base width of Wan's VAE; from a small VAE's seconds on a CPU.
_VAE_OPERATIONS = 750


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

    def sentence(self) -> str:
        """In words, for ``storymem doctor``."""
        return (
            f"about {self.seconds:.0f} s a shot, {self.gpu_bytes / GIB:.1f} GiB at the peak, "
            f"{self.host_bytes / GIB:.0f} GiB of weights in host memory"
        )


def placed(profile: Profile, weights: Mapping[str, float], block: float, experts: int) -> tuple[float, float]:
    """Bytes of weights on the GPU and in host memory.

    Args:
        profile: Where components are.
        weights: Bytes of "expert", "text_encoder" and "vae".
        block: Bytes of one block.
        experts: 1 or 2.
    """
    everything = experts * weights["expert"] + weights["text_encoder"] + weights["vae"]
    if profile.device == "cpu" or profile.offload == "none":
        return everything, 0.0
    if profile.offload == "model":
        return max(weights.values()), everything
    # Two blocks are on the GPU at a time, one in use and one on its way.
    return 3 * block + weights["vae"], everything


def context_bytes(profile: Profile) -> float:
    """What the driver and the kernels take."""
    return _CONTEXT if profile.device == "cuda" else 0.0


def wan_decoding_bytes(vae: Mapping[str, Any], size: tuple[int, int], frames: int, profile: Profile) -> float:
    """Working memory of Wan's VAE for a clip."""
    pixels = min(size[0] * size[1], 256 * 256 * 2) if profile.vae_tiling else size[0] * size[1]
    channels = 2 * int(vae.get("base_dim", 96))
    working = pixels * 4 * channels * 4 * BYTES[profile.vae_dtype]
    return float(working + 2 * size[0] * size[1] * frames * 3 * 4)


def other_seconds(profile: Profile, vae: Mapping[str, Any], size: tuple[int, int], frames: int) -> float:
    """Wan's VAE (encoding and decoding one clip, counted from its width) and moving the experts."""
    operations = _VAE_OPERATIONS * size[0] * size[1] * frames * int(vae.get("base_dim", 96)) ** 2
    return operations / (profile.vae_tflops * 1e12) + (20.0 if profile.offload == "model" else 0.0)


def denoising_seconds(profile: Profile, flops: float) -> float:
    """Time of the transformers' operations."""
    return flops / (profile.tflops * 1e12 * float(profile.gpus**0.9))
