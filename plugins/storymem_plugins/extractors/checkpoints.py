"""Reads checkpoints without running code from them, and refuses what does not fit, in one line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from storymem.errors import PluginError, SettingsError


def read_checkpoint(path: Path, what: str) -> dict[str, Tensor]:
    """Return the tensors of a ``.pth``, ``.pt``, ``.ckpt`` or ``.safetensors`` file, unwrapped from the usual tables.

    Args:
        path: The file.
        what: The plugin, for messages.

    Raises:
        SettingsError: There is no such file.
        PluginError: It is damaged or no checkpoint.
    """
    if not path.is_file():
        raise SettingsError(f"{what}: {path}: no such file")
    try:
        content: Any = _read(path)
    except Exception as error:  # torch and safetensors each raise many kinds for a damaged file
        raise PluginError(f"{what}: {path}: damaged or no checkpoint ({_line(error)}); download it again") from error
    while isinstance(content, Mapping) and (inner := _wrapped(content)) is not None:
        content = inner
    tensors = content.items() if isinstance(content, Mapping) else ()
    state = {name.removeprefix("module."): tensor for name, tensor in tensors if isinstance(tensor, Tensor)}
    if not state:
        raise PluginError(f"{what}: {path}: holds no tensors; it must be a checkpoint")
    return state


def fill(model: nn.Module, state: Mapping[str, Tensor], path: Path, what: str) -> nn.Module:
    """Load every tensor of a model, and return it ready for inference.

    Raises:
        PluginError: A tensor is missing or has another shape; names the first.
    """
    own = model.state_dict()
    for name, tensor in own.items():
        if name not in state:
            raise PluginError(f"{what}: {path}: lacks {name}; it is another model's checkpoint")
        if state[name].shape != tensor.shape:
            found, wanted = tuple(state[name].shape), tuple(tensor.shape)
            raise PluginError(f"{what}: {path}: {name} is {found}, not {wanted}; it is a model of another size")
    model.load_state_dict({name: state[name] for name in own})
    return model.float().eval().requires_grad_(False)


def need(state: Mapping[str, Tensor], name: str, path: Path, what: str) -> Tensor:
    """Return one tensor, from which a size is read; raises :class:`PluginError` where it is missing."""
    if name not in state:
        raise PluginError(f"{what}: {path}: lacks {name}; it is another model's checkpoint")
    return state[name]


def count_layers(state: Mapping[str, Tensor], prefix: str) -> int:
    """Return how many numbered layers there are below ``prefix``."""
    numbers = {name.removeprefix(prefix).split(".")[0] for name in state if name.startswith(prefix)}
    return len({number for number in numbers if number.isdigit()})


def _read(path: Path) -> Any:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def _wrapped(content: Mapping[str, Any]) -> Any | None:
    return next((content[k] for k in ("model", "state_dict", "model_state_dict", "params") if k in content), None)


def _line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:200] if text else ''}"
