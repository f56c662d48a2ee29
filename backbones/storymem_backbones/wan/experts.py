"""One expert from a single file: GGUF (quantized) or safetensors, in the original naming or diffusers'.

The configuration comes from a model folder. Knows nothing about pipelines or LoRA.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers.loaders.single_file_utils import convert_wan_transformer_to_diffusers
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from storymem_backbones.wan.errors import WeightsError
from storymem_backbones.wan.quiet import quiet_libraries

_ORIGINAL_KEY = "head.modulation"


def load_expert(path: Path, folder: Path, component: str, dtype: torch.dtype) -> Any:
    """Load an expert.

    Args:
        path: ``.gguf`` (kept quantized; layers are unpacked as they are used) or ``.safetensors``.
        folder: Model folder with `component`/config.json.
        component: "transformer" or "transformer_2".
        dtype: Of the weights, or of the arithmetic on quantized ones.

    Raises:
        WeightsError: If the file is missing, cannot be read or is not of this model.
    """
    if not path.is_file():
        raise WeightsError(f"{path}: no such file; expert_files needs a .gguf or .safetensors file for each expert")
    try:
        with quiet_libraries():
            if path.suffix == ".gguf":
                return _load_gguf(path, folder, component, dtype)
            return _load_safetensors(path, folder, component, dtype)
    except (SafetensorError, OSError, ValueError, RuntimeError, KeyError) as error:
        if isinstance(error, WeightsError):
            raise
        raise WeightsError(f"{path}: not this model's expert ({' '.join(str(error).split())[:200]})") from error


def keep_precision(state: Mapping[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """The state in `dtype`, except what diffusers keeps in float32."""
    kept = tuple(WanTransformer3DModel._keep_in_fp32_modules)
    return {n: t.float() if any(part in n for part in kept) else t.to(dtype) for n, t in state.items()}


def fill(model: nn.Module, state: Mapping[str, Tensor], source: Path) -> None:
    """Give a model all its tensors.

    Raises:
        WeightsError: If some are missing or unknown, naming them.
    """
    missing, unexpected = model.load_state_dict(state, strict=False, assign=True)
    problems = [f"lacks {name}" for name in missing] + [f"has unknown {name}" for name in unexpected]
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise WeightsError(f"{source}: {', '.join(problems[:3])}{more}; is it a Wan 2.2 model?")


def _load_gguf(path: Path, folder: Path, component: str, dtype: torch.dtype) -> Any:
    from diffusers import GGUFQuantizationConfig

    try:
        config = GGUFQuantizationConfig(compute_dtype=dtype)
        return WanTransformer3DModel.from_single_file(
            str(path),
            config=str(folder),
            subfolder=component,
            dtype=dtype,
            quantization_config=config,
            local_files_only=True,
        )
    except ImportError as error:
        raise WeightsError(f"{path}: reading GGUF needs packages gguf and accelerate; pip install gguf") from error


def _load_safetensors(path: Path, folder: Path, component: str, dtype: torch.dtype) -> Any:
    state = load_file(path)
    if any(key.endswith(_ORIGINAL_KEY) for key in state):
        state = convert_wan_transformer_to_diffusers(state)
    with torch.device("meta"):
        model = WanTransformer3DModel.from_config(WanTransformer3DModel.load_config(folder / component))
    fill(model, keep_precision(state, dtype), path)
    return model.eval()
