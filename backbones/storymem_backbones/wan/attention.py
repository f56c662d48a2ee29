"""FlashAttention-3 inside diffusers' Wan attention (package fa3-fwd, Hopper only), in bfloat16 or float8.

The package's kernel is a torch custom operator, so blocks using it compile without graph breaks. Everything
else of the layer (projections, norms, rotation) is computed as diffusers does.
"""

import importlib
from typing import Any

import torch
from torch import Tensor, nn

from storymem.errors import SettingsError
from storymem_backbones.wan.fp8 import FORMAT

_DIFFUSERS_BACKENDS = {"native": "native", "cudnn": "_native_cudnn", "flash": "flash", "sage": "sage"}


class Fa3Processor:
    """Attention processor of one layer.

    Args:
        fp8: Quantize queries, keys and values per head (faster, less exact).
    """

    def __init__(self, *, fp8: bool = False) -> None:
        self.fp8 = fp8

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        rotary_emb: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """Attend: (B, L, d) to itself, or to (B, n, d) text; `attention_mask` must be none."""
        source = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query = _by_head(attn.norm_q(attn.to_q(hidden_states)), attn.heads)
        key = _by_head(attn.norm_k(attn.to_k(source)), attn.heads)
        value = _by_head(attn.to_v(source), attn.heads)
        if rotary_emb is not None:
            query, key = rotate(query, *rotary_emb), rotate(key, *rotary_emb)
        out = flash3(query, key, value, fp8=self.fp8 and encoder_hidden_states is None)
        return attn.to_out[1](attn.to_out[0](out.flatten(2, 3)))  # type: ignore[no-any-return]


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate neighbouring pairs of x (B, L, H, D) by angles given as (1, L, 1, D), each value twice."""
    even, odd = x[..., 0::2].float(), x[..., 1::2].float()
    cos, sin = cos[..., 0::2], sin[..., 0::2]
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1).flatten(-2).to(x.dtype)


def flash3(query: Tensor, key: Tensor, value: Tensor, *, fp8: bool) -> Tensor:
    """Attention over (B, L, H, D) tensors; the kernel's own format is bfloat16 or float8."""
    forward = torch.ops.fa3_fwd._flash_attn_forward
    if not fp8:
        return forward(query, key, value)[0]  # type: ignore[no-any-return]
    (q, q_scale), (k, k_scale), (v, v_scale) = (_quantize_heads(t) for t in (query, key, value))
    return forward(q, k, v, q_descale=q_scale, k_descale=k_scale, v_descale=v_scale)[0].to(query.dtype)  # type: ignore[no-any-return]


def _by_head(x: Tensor, heads: int) -> Tensor:
    return x.reshape(*x.shape[:2], heads, -1)


def set_attention(transformer: nn.Module, kernel: str) -> None:
    """Choose the attention kernel of a Wan transformer.

    Raises:
        SettingsError: If the kernel's package is not installed or does not run on this GPU.
    """
    model: Any = transformer
    if kernel in _DIFFUSERS_BACKENDS:
        try:
            model.set_attention_backend(_DIFFUSERS_BACKENDS[kernel])
        except (RuntimeError, ImportError, ValueError) as error:
            raise SettingsError(f"attention {kernel}: {str(error).splitlines()[0]}; use attention = native") from error
        return
    _require_fa3()
    for block in model.blocks:
        block.attn1.set_processor(Fa3Processor(fp8=kernel == "fa3_fp8"))
        block.attn2.set_processor(Fa3Processor())


def _require_fa3() -> None:
    try:
        importlib.import_module("fa3_fwd_interface")  # registers the operator
    except ImportError as error:
        raise SettingsError(
            "attention fa3: package fa3-fwd is not installed; pip install 'storymem[hopper]' or use attention = native"
        ) from error
    if not torch.cuda.is_available() or torch.cuda.get_device_capability()[0] != 9:
        raise SettingsError("attention fa3: needs a Hopper GPU (H100, H200); use attention = native")


def _quantize_heads(x: Tensor) -> tuple[Tensor, Tensor]:
    """(B, L, H, D) as float8, and its scale (B, H) in float32."""
    scale = x.abs().amax(dim=(1, 3)).float().clamp(min=1e-12) / torch.finfo(FORMAT).max
    return (x / scale[:, None, :, None]).to(FORMAT), scale
