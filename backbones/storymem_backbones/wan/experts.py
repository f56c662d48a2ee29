"""One Wan expert from a single file, in the original naming or diffusers'."""

from pathlib import Path
from typing import Any

import torch
from diffusers.loaders.single_file_utils import convert_wan_transformer_to_diffusers
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel
from torch import Tensor

from storymem_backbones.diffusion.single_file import load_transformer

_ORIGINAL_KEY = "head.modulation"


def load_expert(path: Path, folder: Path, component: str, dtype: torch.dtype) -> Any:
    """Load an expert; see `storymem_backbones.diffusion.single_file.load_transformer`."""
    return load_transformer(path, folder, component, dtype, WanTransformer3DModel, diffusers_names, "Wan 2.2")


def diffusers_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state under diffusers' names."""
    if any(key.endswith(_ORIGINAL_KEY) for key in state):
        converted: dict[str, Tensor] = convert_wan_transformer_to_diffusers(state)
        return converted
    return state
