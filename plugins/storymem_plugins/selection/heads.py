"""Reads aesthetic heads: small networks without activations that turn a CLIP embedding into a score.

Both public layouts are read: a single linear layer, and a chain of linear layers. Without activations between them a
chain is one linear map, so either becomes a vector and a number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storymem.errors import PluginError, SettingsError

_SAFETENSORS = ".safetensors"
_PICKLES = (".pth", ".pt", ".bin")
_NAME = re.compile(r"(?:(?P<layer>.*)\.)?(?P<part>weight|bias)")


@dataclass(frozen=True, slots=True, eq=False)
class LinearHead:
    """``score = embedding @ weight + bias``, with weight (D,) in double precision."""

    weight: NDArray[np.float64]
    bias: float

    def __call__(self, embeddings: NDArray[np.float32]) -> NDArray[np.float64]:
        """Score unit embeddings (n, D) as (n,)."""
        return embeddings.astype(np.float64) @ self.weight + self.bias


def read_head(path: Path) -> LinearHead:
    """Read a head from ``.safetensors``, or from ``.pth`` without running code from it.

    Raises:
        SettingsError: The file is missing, of another kind, or damaged.
        PluginError: The library to read it with is not installed.
    """
    if not path.is_file():
        raise SettingsError(f"aesthetic head {path}: no such file")
    layers = _layers(path, _tensors(path))
    weight, bias = layers[-1]
    for inner_weight, inner_bias in reversed(layers[:-1]):
        if weight.shape[1] != inner_weight.shape[0]:
            raise SettingsError(
                f"aesthetic head {path}: a layer of {inner_weight.shape[0]} outputs is followed by one "
                f"of {weight.shape[1]} inputs"
            )
        weight, bias = weight @ inner_weight, weight @ inner_bias + bias
    if weight.shape[0] != 1 or not (np.isfinite(weight).all() and np.isfinite(bias).all()):
        raise SettingsError(f"aesthetic head {path}: must end in one finite score, not {weight.shape[0]}")
    return LinearHead(weight[0], float(bias[0]))


def _tensors(path: Path) -> Mapping[str, NDArray[np.float64]]:
    readers = {_SAFETENSORS: _from_safetensors, **dict.fromkeys(_PICKLES, _from_pickle)}
    if path.suffix not in readers:
        raise SettingsError(f"aesthetic head {path}: must be one of {', '.join(readers)}")
    try:
        return readers[path.suffix](path)
    except ImportError as error:
        raise PluginError(
            f"filter aesthetic: reading {path.name} needs {error.name}; pip install 'storymem[wan]'"
        ) from error
    except Exception as error:  # torch and safetensors each raise many kinds for a damaged file
        reason = (str(error).strip().splitlines() or [""])[0]
        raise SettingsError(
            f"aesthetic head {path}: damaged or not a weights file ({type(error).__name__}: {reason})"
        ) from error


def _from_safetensors(path: Path) -> Mapping[str, NDArray[np.float64]]:
    from safetensors.numpy import load_file

    return {name: np.asarray(tensor, dtype=np.float64) for name, tensor in load_file(path).items()}


def _from_pickle(path: Path) -> Mapping[str, NDArray[np.float64]]:
    import torch

    content: Any = torch.load(path, map_location="cpu", weights_only=True)
    state = content.get("state_dict", content)
    return {name: tensor.double().numpy() for name, tensor in state.items()}


def _layers(
    path: Path, tensors: Mapping[str, NDArray[np.float64]]
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Return (weight (out, in), bias (out,)) of every layer, in order."""
    found: dict[str, dict[str, NDArray[np.float64]]] = {}
    for name, tensor in tensors.items():
        match = _NAME.fullmatch(name)
        if match is None or tensor.ndim != (2 if match["part"] == "weight" else 1):
            raise SettingsError(
                f"aesthetic head {path}: holds {name} of shape {tensor.shape}; expected only weights "
                "(out, in) and biases (out,) of linear layers"
            )
        found.setdefault(match["layer"] or "", {})[match["part"]] = tensor
    if not found or any("weight" not in parts for parts in found.values()):
        raise SettingsError(f"aesthetic head {path}: holds no linear layers")
    ordered = sorted(found, key=lambda layer: [int(number) for number in re.findall(r"\d+", layer)])
    return [(found[k]["weight"], found[k].get("bias", np.zeros(len(found[k]["weight"])))) for k in ordered]
