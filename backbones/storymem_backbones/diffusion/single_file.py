"""One transformer from a single file: GGUF (quantized) or safetensors.

The configuration comes from a model folder. Knows nothing about pipelines or LoRA.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from storymem_backbones.diffusion.errors import WeightsError
from storymem_backbones.diffusion.quiet import quiet_libraries

Convert = Callable[[dict[str, Tensor]], dict[str, Tensor]]
"""From the names of a file to diffusers' names; leaves diffusers' own alone."""


def load_transformer(
    path: Path, folder: Path, component: str, dtype: torch.dtype, model_class: Any, convert: Convert, name: str
) -> Any:
    """Load a transformer.

    Args:
        path: ``.gguf`` (kept quantized; layers are unpacked as they are used) or ``.safetensors``.
        folder: Model folder with `component`/config.json.
        component: "transformer" or "transformer_2".
        dtype: Of the weights, or of the arithmetic on quantized ones.
        model_class: The diffusers class.
        convert: What names of safetensors files become.
        name: Of the model, for messages.

    Raises:
        WeightsError: If the file is missing, cannot be read or is not of this model.
    """
    if not path.is_file():
        raise WeightsError(f"{path}: no such file; expert_files needs a .gguf or .safetensors file for each expert")
    try:
        with quiet_libraries():
            if path.suffix == ".gguf":
                return _load_gguf(path, folder, component, dtype, model_class)
            return _filled(path, folder / component, dtype, model_class, convert(load_file(path)), name)
    except (SafetensorError, OSError, ValueError, RuntimeError, KeyError) as error:
        if isinstance(error, WeightsError):
            raise
        raise WeightsError(f"{path}: not this model's expert ({' '.join(str(error).split())[:200]})") from error


def keep_precision(state: Mapping[str, Tensor], dtype: torch.dtype, model_class: Any) -> dict[str, Tensor]:
    """The state in `dtype`, except what diffusers keeps in float32."""
    kept = tuple(model_class._keep_in_fp32_modules or ())
    return {n: t.float() if any(part in n for part in kept) else t.to(dtype) for n, t in state.items()}


def fill(model: nn.Module, state: Mapping[str, Tensor], source: Path, name: str) -> None:
    """Give a model, called `name`, all its tensors from `source`.

    Raises:
        WeightsError: If some are missing or unknown, naming them.
    """
    missing, unexpected = model.load_state_dict(state, strict=False, assign=True)
    problems = [f"lacks {name}" for name in missing] + [f"has unknown {name}" for name in unexpected]
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise WeightsError(f"{source}: {', '.join(problems[:3])}{more}; is it a {name} model?")


def _load_gguf(path: Path, folder: Path, component: str, dtype: torch.dtype, model_class: Any) -> Any:
    from diffusers import GGUFQuantizationConfig

    try:
        config = GGUFQuantizationConfig(compute_dtype=dtype)
        return model_class.from_single_file(
            str(path),
            config=str(folder),
            subfolder=component,
            dtype=dtype,
            quantization_config=config,
            local_files_only=True,
        )
    except ImportError as error:
        raise WeightsError(f"{path}: reading GGUF needs packages gguf and accelerate; pip install gguf") from error


def _filled(path: Path, config: Path, dtype: torch.dtype, model_class: Any, state: dict[str, Tensor], name: str) -> Any:
    with torch.device("meta"):
        model = model_class.from_config(model_class.load_config(config))
    fill(model, keep_precision(state, dtype, model_class), path, name)
    return model.eval()
