"""Tiny real models for the Wan tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from diffusers import WanTransformer3DModel
from diffusers.loaders.single_file_utils import convert_wan_transformer_to_diffusers
from torch import Tensor

if TYPE_CHECKING:
    from conftest import Golden


def golden_transformer(golden: Golden) -> WanTransformer3DModel:
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


def golden_inputs(golden: Golden, case: str) -> dict[str, Tensor]:
    """Inputs of a recorded case; the text is zero-padded to 16 tokens and the padding attended."""
    context = golden.tensor(f"{case}/context")
    padded = torch.cat([context, context.new_zeros(16 - len(context), context.shape[1])])
    return {
        "hidden_states": torch.cat([golden.tensor(f"{case}/x"), golden.tensor(f"{case}/y")])[None],
        "timestep": golden.tensor(f"{case}/t").long().reshape(1),
        "encoder_hidden_states": padded[None],
    }


def linear_vae(mix: Tensor, bias: Tensor):  # type: ignore[no-untyped-def]
    """The golden stand-in VAE: (B, 3, F, H, W) -> (B, 16, (F-1)/4+1, H/8, W/8)."""

    def encode(clip: Tensor) -> Tensor:
        rest = clip[:, :, 1:].unflatten(2, (-1, 4)).mean(3) if clip.shape[2] > 1 else clip[:, :, :0]
        frames = torch.cat([clip[:, :, :1], rest], dim=2)
        pooled = torch.nn.functional.avg_pool3d(frames, (1, 8, 8))
        return torch.einsum("oc,bcthw->bothw", mix, pooled) + bias[:, None, None, None]

    return encode
