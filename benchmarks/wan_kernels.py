"""Where the time of a forward pass goes: GPU kernels by kind, from torch's profiler, for a few blocks.

Usage: python benchmarks/wan_kernels.py --attention fa3 --out benchmarks/results/wan_kernels.json
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile
from wan_common import expert_inputs, machine, random_expert, size_of, synchronise, write_result
from wan_forward import prepare

from storymem_backbones.wan.positions import install_memory_rope

KINDS = {
    "fused pointwise (norms, rotation, modulation, activation, rounding to float8)": ("triton",),
    "attention": ("flash", "fmha", "sdpa", "attn"),
    "matrix products": ("gemm", "nvjet", "cutlass", "cublas", "addmm", "scaled_mm", "linear"),
    "copies and casts": ("copy", "memcpy", "cat", "memset"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--attention", default="native")
    parser.add_argument("--fp8", action="store_true")
    parser.add_argument("--memory", type=int, default=10)
    parser.add_argument("--blocks", type=int, default=4)
    parser.add_argument("--eager", action="store_true")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    size = size_of(arguments.tiny, arguments.memory)
    config = {**size.config, "num_layers": min(arguments.blocks, size.config["num_layers"])}
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    model = random_expert(config, device, dtype)
    install_memory_rope(model).memory_frames = size.memory
    prepare(model, arguments.attention, None if arguments.eager else "default", "all" if arguments.fp8 else "no")
    inputs = expert_inputs(size, device, dtype)
    with torch.no_grad():
        for _ in range(2):
            model(**inputs)
        synchronise(device)
        with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as trace:
            model(**inputs)
            synchronise(device)
    write_result(arguments.out, {**machine(), "blocks": config["num_layers"], **by_kind(trace, device)})


def by_kind(trace: Any, device: torch.device) -> dict[str, Any]:
    """Milliseconds by kind of kernel, and the ten longest."""
    field = "self_device_time_total" if device.type == "cuda" else "self_cpu_time_total"
    events = [e for e in trace.key_averages() if getattr(e, field) > 0]
    if device.type == "cuda":
        events = [e for e in events if str(e.device_type).endswith("CUDA")]
    kinds: dict[str, float] = defaultdict(float)
    for event in events:
        name = event.key.lower()
        kind = next((k for k, words in KINDS.items() if any(w in name for w in words)), "other")
        kinds[kind] += getattr(event, field) / 1000
    longest = sorted(events, key=lambda e: -getattr(e, field))[:10]
    shown = {f"{i + 1}. {event.key[:110]}": round(getattr(event, field) / 1000, 2) for i, event in enumerate(longest)}
    return {
        "milliseconds": dict(sorted(kinds.items(), key=lambda item: -item[1])),
        "longest": shown,
    }


if __name__ == "__main__":
    main()
