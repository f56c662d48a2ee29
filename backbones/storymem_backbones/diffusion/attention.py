"""Attention kernels for Wan: diffusers' backends, and FlashAttention-3 (package fa3-fwd, Hopper only).

The package's kernel is a torch custom operator, so blocks using it compile without graph breaks. Everything
else of the layer (projections, norms, rotation) is computed as diffusers does, and sequences split over
several GPUs are exchanged head by head (Ulysses).
"""

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from storymem.errors import SettingsError
from storymem_backbones.diffusion.fp8 import FORMAT

Kernel = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Queries (B, L, H, D), keys and values (B, n, H, D) -> (B, L, H, D)."""

_DIFFUSERS_BACKENDS = {"native": "native", "cudnn": "_native_cudnn", "flash": "flash", "sage": "sage"}


class KernelProcessor:
    """diffusers' Wan attention with another kernel.

    Args:
        kernel: What attends.
    """

    # Set by diffusers' enable_parallelism on processors that have it.
    _parallel_config: Any = None

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        rotary_emb: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """Attend (B, L, d) to itself, or to text (B, n, d); there is never a mask in Wan."""
        source = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query = _by_head(attn.norm_q(attn.to_q(hidden_states)), attn.heads)
        key = _by_head(attn.norm_k(attn.to_k(source)), attn.heads)
        value = _by_head(attn.to_v(source), attn.heads)
        if rotary_emb is not None:
            query, key = rotate(query, *rotary_emb), rotate(key, *rotary_emb)
        if self._parallel_config is not None and encoder_hidden_states is None:
            group = self._parallel_config.context_parallel_config._ulysses_mesh.get_group()
            out = ulysses(self.kernel, query, key, value, group)
        else:
            out = self.kernel(query, key, value)
        projected: Tensor = attn.to_out[1](attn.to_out[0](out.flatten(2, 3)))
        return projected


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate neighbouring pairs of x (B, L, H, D) by angles given as (1, L, 1, D), each value twice."""
    even, odd = x[..., 0::2].float(), x[..., 1::2].float()
    cos, sin = cos[..., 0::2], sin[..., 0::2]
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1).flatten(-2).to(x.dtype)


def sdpa(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """PyTorch's own kernel, on any device."""
    q, k, v = (t.transpose(1, 2) for t in (query, key, value))
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2)


def flash3(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """FlashAttention-3 in bfloat16."""
    out: Tensor = torch.ops.fa3_fwd._flash_attn_forward(query, key, value)[0]
    return out


def flash3_fp8(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """FlashAttention-3 on float8 queries, keys and values.

    Wan normalises queries and keys, so they fit the format as they are. Values are scaled per head after their mean
    over the sequence is taken out: attention weights sum to one, so the mean is added back unrounded.
    """
    largest = torch.finfo(FORMAT).max
    q, k = (t.clamp(-largest, largest).to(FORMAT) for t in (query, key))
    mean = value.mean(dim=1, keepdim=True, dtype=torch.float32).to(value.dtype)
    v, scale = _quantize_heads(value - mean)
    out: Tensor = torch.ops.fa3_fwd._flash_attn_forward(q, k, v, v_descale=scale)[0]
    return out.to(query.dtype) + mean


def ulysses(kernel: Kernel, query: Tensor, key: Tensor, value: Tensor, group: dist.ProcessGroup) -> Tensor:
    """Self-attention over a sequence of which every rank holds an equal part (B, L/P, H, D), heads divisible by P."""
    gathered = (_to_heads(t, group) for t in (query, key, value))
    return _to_sequence(kernel(*gathered), group)


def set_attention(transformer: nn.Module, kernel: str, blocks: Sequence[str] = ("blocks",)) -> None:
    """Choose the attention kernel of a transformer.

    Args:
        transformer: Of diffusers; FlashAttention-3 only for those with Wan's layers.
        kernel: See `profiles.Profile`.
        blocks: Names of its lists of blocks.

    Raises:
        SettingsError: If the kernel's package is not installed or does not run on this GPU, or the model's layers are
            others.
    """
    model: Any = transformer
    if kernel in _DIFFUSERS_BACKENDS:
        try:
            model.set_attention_backend(_DIFFUSERS_BACKENDS[kernel])
        except (RuntimeError, ImportError, ValueError) as error:
            raise SettingsError(f"attention {kernel}: {str(error).splitlines()[0]}; use attention = native") from error
        return
    _require_fa3()
    for block in (block for name in blocks for block in model.get_submodule(name).children()):
        if type(block.attn1).__name__ != "WanAttention":
            raise SettingsError(f"attention {kernel}: is made for Wan's layers; use attention = native with this model")
        block.attn1.set_processor(KernelProcessor(flash3_fp8 if kernel == "fa3_fp8" else flash3))
        # Text has 512 tokens: too short for float8 to save time.
        block.attn2.set_processor(KernelProcessor(flash3))


def _by_head(x: Tensor, heads: int) -> Tensor:
    return x.reshape(*x.shape[:2], heads, -1)


def _quantize_heads(x: Tensor) -> tuple[Tensor, Tensor]:
    """(B, L, H, D) as float8, and its scale (B, H) in float32."""
    scale = x.abs().amax(dim=(1, 3)).float().clamp(min=1e-12) / torch.finfo(FORMAT).max
    return (x / scale[:, None, :, None]).to(FORMAT), scale


def _to_heads(x: Tensor, group: dist.ProcessGroup) -> Tensor:
    """(B, L/P, H, D) on every rank -> (B, L, H/P, D)."""
    ranks = group.size()
    batch, length, heads, dim = x.shape
    parts = x.reshape(batch, length, ranks, heads // ranks, dim).permute(2, 1, 0, 3, 4)
    return _exchange(parts, group).reshape(ranks * length, batch, heads // ranks, dim).transpose(0, 1)


def _to_sequence(x: Tensor, group: dist.ProcessGroup) -> Tensor:
    """(B, L, H/P, D) on every rank -> (B, L/P, H, D)."""
    ranks = group.size()
    batch, length, heads, dim = x.shape
    parts = x.transpose(0, 1).reshape(ranks, length // ranks, batch, heads, dim)
    return _exchange(parts, group).permute(2, 1, 0, 3, 4).reshape(batch, length // ranks, ranks * heads, dim)


def _exchange(parts: Tensor, group: dist.ProcessGroup) -> Tensor:
    """Send part n of dimension 0 to rank n."""
    from torch.distributed import _functional_collectives as collectives

    received: Tensor = collectives.all_to_all_single(parts.flatten(), None, None, group)
    # Reading the result waits for it.
    return received.reshape(parts.shape)


def _require_fa3() -> None:
    try:
        importlib.import_module("fa3_fwd_interface")  # registers the operator
    except ImportError as error:
        raise SettingsError(
            "attention fa3: package fa3-fwd is not installed; pip install 'storymem[hopper]' or use attention = native"
        ) from error
    if not torch.cuda.is_available() or torch.cuda.get_device_capability()[0] != 9:
        raise SettingsError("attention fa3: needs a Hopper GPU (H100, H200); use attention = native")
