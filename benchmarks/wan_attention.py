"""FlashAttention-3 in bfloat16 and float8 at the size of a shot, beside the matrix-product rate that the GPU sustains.

    python benchmarks/wan_attention.py --out benchmarks/results/wan_attention.json

`rms` is the float8 error relative to the bfloat16 output; `rms_of_deviation` relative to that output without its mean
over the sequence, which for random inputs is most of it. Needs a Hopper GPU and fa3-fwd.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from wan_common import machine, matrix_peak, relative_rms, seconds, write_result

from storymem_backbones.diffusion.attention import flash3, flash3_fp8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=48360, help="832x480x81 with 10 memory frames")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    import fa3_fwd_interface  # noqa: F401 - registers the operator

    device = torch.device("cuda")
    torch.manual_seed(0)
    shape = (1, arguments.tokens, 40, 128)
    q, k, v = (torch.randn(shape, device=device, dtype=torch.bfloat16) for _ in range(3))
    v += 0.3 * torch.randn(1, 1, 40, 128, device=device, dtype=torch.bfloat16)
    exact, rounded = flash3(q, k, v).float(), flash3_fp8(q, k, v).float()
    rms = relative_rms(rounded, exact)
    spread = (exact - exact.mean(1, keepdim=True)).square().mean().sqrt()
    fused = torch.compile(flash3_fp8)
    fused(q, k, v)
    write_result(
        arguments.out,
        {
            **machine(),
            "tokens": arguments.tokens,
            "bf16_ms": 1000 * seconds(lambda: flash3(q, k, v), device, 5),
            "fp8_ms": 1000 * seconds(lambda: fused(q, k, v), device, 5),
            "rms": rms,
            "rms_of_deviation": rms * float(exact.square().mean().sqrt() / spread),
            "sustained_bf16_tflops": matrix_peak(device, sustained=True) / 1e12,
        },
    )


if __name__ == "__main__":
    main()
