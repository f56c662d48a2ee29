"""Linear layers in float8: weights and activations scaled per row, multiplied by the GPU's float8 units.

Half the memory of bfloat16 and up to twice the speed on Hopper and later. Only the blocks' layers are
replaced; norms, embeddings and LoRA factors keep their format. On a CPU the same numbers come from float32
arithmetic, for tests.
"""

import torch
from torch import Tensor, nn

FORMAT = torch.float8_e4m3fn
_LARGEST = torch.finfo(FORMAT).max


class Fp8Linear(nn.Module):
    """A linear layer with float8 weights, made from a full-precision one.

    Args:
        linear: Layer to replace; in_features and out_features must be multiples of 16.

    Attributes:
        weight: float8 (out, in).
        scale: float32 (1, out); row n of the full weight is weight[n] * scale[0, n].
        bias: As in the layer replaced.
    """

    weight: Tensor
    scale: Tensor

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        quantized, scale = quantize_rows(linear.weight.detach())
        self.register_buffer("weight", quantized)
        self.register_buffer("scale", scale.reshape(1, -1))
        self.bias = linear.bias

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out) in x's format."""
        rows, scale = quantize_rows(x.flatten(0, -2))
        if x.is_cuda:
            out = torch._scaled_mm(
                rows, self.weight.t(), scale, self.scale, out_dtype=torch.bfloat16, use_fast_accum=True
            )
        else:
            out = (rows.float() @ self.weight.float().t()) * scale * self.scale
        out = out.to(x.dtype)
        out = out if self.bias is None else out + self.bias
        return out.reshape(*x.shape[:-1], self.out_features)


def quantize_rows(x: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of x (n, d) as float8 (n, d) and float32 scales (n, 1): x is about rows * scale."""
    scale = x.abs().amax(dim=-1, keepdim=True).float().clamp(min=1e-12) / _LARGEST
    return (x.float() / scale).clamp(-_LARGEST, _LARGEST).to(FORMAT), scale


def quantize_blocks(transformer: nn.Module) -> int:
    """Replace the linear layers of a Wan transformer's blocks; LoRA stays on top, unquantized.

    Returns:
        How many layers were replaced.
    """
    blocks = transformer.get_submodule("blocks")
    names = [name for name, module in blocks.named_modules() if isinstance(module, nn.Linear) and "lora_" not in name]
    for name in names:
        parent, _, leaf = name.rpartition(".")
        linear = blocks.get_submodule(name)
        assert isinstance(linear, nn.Linear)
        setattr(blocks.get_submodule(parent), leaf, Fp8Linear(linear))
    return len(names)
