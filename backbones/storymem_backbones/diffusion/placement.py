"""Number formats, kernels and placement of a loaded pipeline, as its profile says.

Quantization comes before compilation, and placement last.
"""

from collections.abc import Sequence
from typing import Any

import torch

from storymem.errors import SettingsError
from storymem_backbones.diffusion.attention import set_attention
from storymem_backbones.diffusion.fp8 import quantize_blocks
from storymem_backbones.diffusion.profiles import Profile
from storymem_backbones.diffusion.quiet import quiet_libraries


def require_device(profile: Profile, name: str) -> None:
    """Raise unless the profile's device is there."""
    if profile.device == "cuda" and not torch.cuda.is_available():
        raise SettingsError(
            f"profile {name}: needs a CUDA GPU and there is none; use profile = cpu (small models only), or "
            f"install a "
            "PyTorch build with CUDA"
        )
    if profile.device == "cuda" and torch.cuda.device_count() < profile.gpus:
        raise SettingsError(f"profile {name}: gpus = {profile.gpus}, but this machine has {torch.cuda.device_count()}")


def optimise(pipeline: Any, profile: Profile, blocks: Sequence[str] = ("blocks",)) -> None:
    """Set number formats, attention kernels and compilation of the pipeline's transformers.

    Args:
        pipeline: Of diffusers.
        profile: What the machine allows.
        blocks: Names of the lists of blocks that a transformer is made of.

    Raises:
        SettingsError: If the model or the machine has no such kernel or number format.
    """
    for transformer in transformers_of(pipeline):
        transformer.requires_grad_(False)
        if profile.attention != "native":
            with quiet_libraries():
                set_attention(transformer, profile.attention, blocks)
        if profile.linear_fp8 != "none":
            quantize_blocks(transformer, activations=profile.linear_fp8 == "weights_and_activations", blocks=blocks)
        if profile.compile:
            # Splitting a sequence over GPUs happens in hooks that are not part of the graph.
            transformer.compile_repeated_blocks(fullgraph=profile.gpus == 1)
    if profile.vae_tiling:
        pipeline.vae.enable_tiling()


def transformers_of(pipeline: Any) -> tuple[Any, ...]:
    """The pipeline's transformers, high noise first."""
    names = ("transformer", "transformer_2")
    return tuple(model for name in names if (model := getattr(pipeline, name, None)) is not None)


def place(pipeline: Any, profile: Profile) -> None:
    """Put the components where the profile wants them."""
    device = torch.device(profile.device)
    if device.type == "cuda":
        # By number: with several GPUs each rank has its own.
        device = torch.device("cuda", torch.cuda.current_device())
    if profile.offload == "none":
        pipeline.to(device)
    elif profile.offload == "model":
        pipeline.enable_model_cpu_offload(device=device)
    else:
        streams: dict[str, Any] = {"use_stream": True, "record_stream": True} if device.type == "cuda" else {}
        pipeline.enable_group_offload(
            device, offload_type="block_level", num_blocks_per_group=1, exclude_modules=["vae"], **streams
        )
        pipeline.vae.to(device)
