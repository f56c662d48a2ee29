"""One expert's forward pass in several variants, beside the matrix-product peak measured in the same run.

    python benchmarks/wan_forward.py --out benchmarks/results/wan_forward.json
    python benchmarks/wan_forward.py --tiny --variants eager fp8          # smoke test on a CPU

Random weights of full size. The limit of a pass is FLOPs / measured bfloat16 peak; `over_limit` is time / limit, with
the peak of a short burst on a cool chip; `over_sustained` the same with the peak that holds for seconds, as a pass has
it. `rms` compares with the eager variant's output.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import torch
from wan_common import (
    expert_inputs,
    machine,
    matrix_peak,
    peak_gib,
    random_expert,
    relative_rms,
    seconds,
    size_of,
    write_result,
)

from storymem_backbones.diffusion.attention import set_attention
from storymem_backbones.diffusion.fp8 import Fp8Linear, quantize_blocks
from storymem_backbones.wan.positions import install_memory_rope

#: name -> (attention, compile mode or none, float8 linear layers: no, weights, or weights and activations); float8
# layers stay once made, so they come last.
VARIANTS: dict[str, tuple[str, str | None, str]] = {
    "eager": ("native", None, "no"),
    "compiled": ("native", "default", "no"),
    "compiled_cudnn": ("cudnn", "default", "no"),
    "fa3": ("fa3", "default", "no"),
    "fa3_max_autotune": ("fa3", "max-autotune-no-cudagraphs", "no"),
    "fa3_cuda_graphs": ("fa3", "reduce-overhead", "no"),
    "fp8_weights": ("fa3", "default", "weights"),
    "fp8": ("native", None, "all"),
    "fp8_fa3": ("fa3", "default", "all"),
    "fp8_fa3_fp8": ("fa3_fp8", "default", "all"),
}
DEFAULT = ("eager", "compiled", "fa3", "fp8_weights", "fp8_fa3", "fp8_fa3_fp8")


def main() -> None:
    arguments = parse()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    size = size_of(arguments.tiny, arguments.memory)
    inputs = expert_inputs(size, device, dtype, arguments.batch)
    started = time.monotonic()
    result: dict[str, Any] = {
        **machine(),
        "size": f"{size.width}x{size.height}x{size.frames}, M={size.memory}",
        "batch": arguments.batch,
        "tflop": size.flops * arguments.batch / 1e12,
        "peak_bf16_tflops": matrix_peak(device) / 1e12,
        "sustained_bf16_tflops": matrix_peak(device, sustained=True) / 1e12,
        "variants": {},
    }
    if device.type == "cuda":
        result["peak_fp8_tflops"] = matrix_peak(device, fp8=True) / 1e12
    model = random_expert(size.config, device, dtype)
    install_memory_rope(model).memory_frames = size.memory
    reference: torch.Tensor | None = None
    for name in sorted(arguments.variants, key=list(VARIANTS).index):
        if time.monotonic() - started > arguments.budget:
            result["variants"][name] = {"skipped": f"over the budget of {arguments.budget} s"}
            continue
        prepare(model, *VARIANTS[name])
        row, output = measure(model, inputs, device, arguments.repeats)
        reference = output if reference is None else reference
        result["variants"][name] = {
            **row,
            "over_limit": row["seconds"] * result["peak_bf16_tflops"] / result["tflop"],
            "over_sustained": row["seconds"] * result["sustained_bf16_tflops"] / result["tflop"],
            "rms": relative_rms(output, reference),
        }
        print(name, result["variants"][name], flush=True)
    write_result(arguments.out, result)


def prepare(model: Any, attention: str, compile_mode: str | None, fp8: str) -> None:
    """Put the model into one variant, dropping what an earlier one compiled."""
    from diffusers.models.transformers.transformer_wan import WanAttnProcessor

    torch._dynamo.reset()
    for block in model.blocks:
        block._compiled_call_impl = None
        for layer in (block.attn1, block.attn2):
            layer.set_processor(WanAttnProcessor())
    if attention != "native":
        set_attention(model, attention)
    if fp8 != "no" and not isinstance(model.blocks[0].attn1.to_q, Fp8Linear):
        quantize_blocks(model, activations=True)
    for layer in (module for module in model.modules() if isinstance(module, Fp8Linear)):
        layer.activations = fp8 == "all"
    if compile_mode is not None:
        model.compile_repeated_blocks(fullgraph=True, mode=compile_mode)


@torch.no_grad()
def measure(
    model: Any, inputs: dict[str, Any], device: torch.device, repeats: int
) -> tuple[dict[str, float], torch.Tensor]:
    """Time a variant after two warm-ups."""
    start = time.perf_counter()
    output = model(**inputs)[0].clone()
    first = time.perf_counter() - start
    model(**inputs)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    taken = seconds(lambda: model(**inputs), device, repeats)
    return {
        "seconds": taken,
        "first_call_seconds": first,
        "peak_gib": peak_gib(device),
    }, output


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), default=list(DEFAULT))
    parser.add_argument("--memory", type=int, default=10)
    parser.add_argument("--batch", type=int, default=1, help="2: prompt and negative prompt together")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--budget", type=float, default=450, help="seconds after which no variant is begun")
    parser.add_argument("--tiny", action="store_true", help="toy size, for a smoke test")
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
