"""Golden vectors and tiny models shared by the Wan tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import WanTransformer3DModel
from diffusers.loaders.single_file_utils import convert_wan_transformer_to_diffusers
from numpy.typing import NDArray
from torch import Tensor

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Golden:
    """Lazily read arrays of one golden file."""

    def __init__(self, name: str) -> None:
        self._arrays = np.load(GOLDEN / f"{name}.npz")
        self.files: list[str] = self._arrays.files

    def array(self, key: str) -> NDArray[np.generic]:
        return self._arrays[key]  # type: ignore[no-any-return]

    def tensor(self, key: str) -> torch.Tensor:
        return torch.from_numpy(self._arrays[key]).float()

    def tensors(self, prefix: str) -> dict[str, torch.Tensor]:
        return {k.removeprefix(prefix): self.tensor(k) for k in self.files if k.startswith(prefix)}


def build_golden_transformer(golden: Golden) -> WanTransformer3DModel:
    """The transformer whose outputs were recorded, converted by diffusers' own converter."""
    model = WanTransformer3DModel(
        num_attention_heads=4,
        attention_head_dim=24,
        in_channels=36,
        out_channels=16,
        text_dim=32,
        freq_dim=256,
        ffn_dim=192,
        num_layers=2,
        rope_max_seq_len=64,
    )
    model.load_state_dict(convert_wan_transformer_to_diffusers(golden.tensors("w/")))
    return model.eval().requires_grad_(False)


def read_golden_inputs(golden: Golden, case: str) -> dict[str, Tensor]:
    """Inputs of a recorded case; the text is zero-padded to 16 tokens and the padding attended."""
    context = golden.tensor(f"{case}/context")
    padded = torch.cat([context, context.new_zeros(16 - len(context), context.shape[1])])
    return {
        "hidden_states": torch.cat([golden.tensor(f"{case}/x"), golden.tensor(f"{case}/y")])[None],
        "timestep": golden.tensor(f"{case}/t").long().reshape(1),
        "encoder_hidden_states": padded[None],
    }


def linear_vae(mix: Tensor, bias: Tensor) -> Callable[[Tensor], Tensor]:
    """The golden stand-in VAE: (B, 3, F, H, W) -> (B, 16, (F-1)/4+1, H/8, W/8)."""

    def encode(clip: Tensor) -> Tensor:
        rest = clip[:, :, 1:].unflatten(2, (-1, 4)).mean(3) if clip.shape[2] > 1 else clip[:, :, :0]
        frames = torch.cat([clip[:, :, :1], rest], dim=2)
        pooled = torch.nn.functional.avg_pool3d(frames, (1, 8, 8))
        return torch.einsum("oc,bcthw->bothw", mix, pooled) + bias[:, None, None, None]

    return encode


@pytest.fixture(scope="session")
def transformer_golden() -> Golden:
    return Golden("transformer")


@pytest.fixture(scope="session")
def lora_golden() -> Golden:
    return Golden("lora")


@pytest.fixture(scope="session")
def conditioning_golden() -> Golden:
    return Golden("conditioning")


@pytest.fixture(scope="session")
def unipc_golden() -> Golden:
    return Golden("unipc")


@pytest.fixture(scope="session")
def golden_transformer(transformer_golden: Golden) -> Callable[[], WanTransformer3DModel]:
    """Builds a fresh copy of the recorded transformer."""
    return lambda: build_golden_transformer(transformer_golden)


@pytest.fixture(scope="session")
def golden_inputs(transformer_golden: Golden) -> Callable[[str], dict[str, Tensor]]:
    """The transformer's inputs of a recorded case."""
    return lambda case: read_golden_inputs(transformer_golden, case)


@pytest.fixture(scope="session")
def golden_vae(conditioning_golden: Golden) -> Callable[[Tensor], Tensor]:
    """The recorded stand-in VAE."""
    return linear_vae(conditioning_golden.tensor("vae_mix"), conditioning_golden.tensor("vae_bias"))


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random two-expert pipeline folder. Read only."""
    from storymem_backbones.wan.tiny_random import write_tiny_pipeline

    return write_tiny_pipeline(tmp_path_factory.mktemp("tiny") / "i2v")


@pytest.fixture(scope="session")
def tiny_t2v_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random one-expert text-to-video folder. Read only."""
    from storymem_backbones.wan.tiny_random import write_tiny_pipeline

    return write_tiny_pipeline(tmp_path_factory.mktemp("tiny") / "t2v", experts=1, text_to_video=True)
