"""The transformer blocks of OpenAI's CLIP, by its checkpoint's names; ViCLIP and CSD are built of them."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn


class QuickGELU(nn.Module):
    """CLIP's activation, ``x * sigmoid(1.702 x)``."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply it."""
        return x * torch.sigmoid(1.702 * x)


class Block(nn.Module):
    """Attention and a perceptron, each after a layer norm and added to what came in; layout (N, L, D)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ln_1 = nn.LayerNorm(width)
        layers = [("c_fc", nn.Linear(width, width * 4)), ("gelu", QuickGELU()), ("c_proj", nn.Linear(width * 4, width))]
        self.mlp = nn.Sequential(OrderedDict(layers))
        self.ln_2 = nn.LayerNorm(width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return (N, L, D); ``mask`` (L, L) is added to the attention's logits."""
        inner = self.ln_1(x)
        x = x + self.attn(inner, inner, inner, need_weights=False, attn_mask=mask)[0]
        grown: Tensor = x + self.mlp(self.ln_2(x))
        return grown


class Transformer(nn.Module):
    """Blocks one after the other."""

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        heads = max(1, width // 64)  # every model of this layout has heads of 64
        self.resblocks = nn.ModuleList(Block(width, heads) for _ in range(layers))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return (N, L, D)."""
        for block in self.resblocks:
            x = block(x, mask)
        return x
