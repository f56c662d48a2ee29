"""Linear layers in float8, scaled per row: half the memory of bfloat16, and on Hopper and later up to twice the speed.

Only the blocks' layers are replaced; norms, embeddings and LoRA factors keep their format. Row scales matter:
weights of about 0.02, cast as they are, fall among float8's subnormal numbers. On a CPU the same numbers come
from float32 arithmetic, for tests.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from storymem.errors import SettingsError

FORMAT = torch.float8_e4m3fn
_LARGEST = torch.finfo(FORMAT).max


class Fp8Linear(nn.Module):
    """A linear layer with float8 weights, made from a full-precision one.

    Args:
        linear: Layer to replace; in_features and out_features must be multiples of 16.
        activations: Quantize inputs too and multiply in float8; otherwise weights are only stored so.

    Attributes:
        weight: float8 (out, in).
        scale: float32 (1, out); row n of the full weight is weight[n] * scale[0, n].
        bias: As in the layer replaced.
    """

    weight: Tensor
    scale: Tensor

    def __init__(self, linear: nn.Linear, *, activations: bool) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.activations = activations
        quantized, scale = quantize_rows(linear.weight.detach())
        self.register_buffer("weight", quantized)
        self.register_buffer("scale", scale.reshape(1, -1))
        self.bias = linear.bias

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out) in x's format."""
        if self.activations:
            out = self._multiply_fp8(x.flatten(0, -2)).reshape(*x.shape[:-1], self.out_features)
        else:
            # float8 values are exact in bfloat16; the scale is applied to the sums, in float32.
            out = F.linear(x, self.weight.to(x.dtype)).float() * self.scale
        if self.bias is not None:
            out = out + self.bias
        return out.to(x.dtype)

    def _multiply_fp8(self, x: Tensor) -> Tensor:
        rows, scale = quantize_rows(x)
        if not x.is_cuda:
            return (rows.float() @ self.weight.float().t()) * scale * self.scale
        out: Tensor = torch._scaled_mm(
            rows, self.weight.t(), scale, self.scale, out_dtype=torch.bfloat16, use_fast_accum=True
        )
        return out


def quantize_rows(x: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of x (n, d) as float8 (n, d) and float32 scales (n, 1): x is about rows * scale."""
    scale = x.abs().amax(dim=-1, keepdim=True).float().clamp(min=1e-12) / _LARGEST
    return (x.float() / scale).clamp(-_LARGEST, _LARGEST).to(FORMAT), scale


def quantize_blocks(transformer: nn.Module, *, activations: bool, blocks: Sequence[str] = ("blocks",)) -> int:
    """Replace the linear layers of a transformer's blocks; LoRA stays on top, unquantized.

    Args:
        transformer: Of diffusers.
        activations: See :class:`Fp8Linear`.
        blocks: Names of its lists of blocks.

    Returns:
        How many layers were replaced.

    Raises:
        SettingsError: If they are quantized already, as in a GGUF file.
    """
    return sum(_quantize(transformer.get_submodule(name), activations) for name in blocks)


def _quantize(blocks: nn.Module, activations: bool) -> int:
    names = [n for n, module in blocks.named_modules() if isinstance(module, nn.Linear) and "lora_" not in n]
    for name in names:
        parent, _, leaf = name.rpartition(".")
        linear = blocks.get_submodule(name)
        assert isinstance(linear, nn.Linear)
        if not linear.weight.is_floating_point():
            raise SettingsError("profile linear_fp8: these weights are quantized already; set linear_fp8 = none")
        setattr(blocks.get_submodule(parent), leaf, Fp8Linear(linear, activations=activations))
    return len(names)
