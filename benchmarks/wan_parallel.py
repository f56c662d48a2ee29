"""One expert's forward pass on 1 GPU and on all, in one run: speed-up, and whether the numbers are the same.

    torchrun --nproc-per-node 2 benchmarks/wan_parallel.py --out benchmarks/results/wan_parallel_2.json
    torchrun --nproc-per-node 2 benchmarks/wan_parallel.py --tiny          # smoke test on a CPU

Every rank makes the same random weights and inputs. Rank 0 reports.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from wan_common import (
    expert_inputs,
    machine,
    peak_gib,
    random_expert,
    relative_rms,
    seconds,
    size_of,
    synchronise,
    write_result,
)
from wan_forward import prepare

from storymem_backbones.diffusion.attention import set_attention
from storymem_backbones.wan.positions import install_memory_rope


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--memory", type=int, default=10)
    parser.add_argument("--attention", nargs="+", default=["native", "fa3"])
    parser.add_argument("--eager", action="store_true")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    rank, ranks = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    device = join(rank)
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    size = size_of(arguments.tiny, arguments.memory)
    model = random_expert(size.config, device, dtype)
    install_memory_rope(model).memory_frames = size.memory
    inputs = expert_inputs(size, device, dtype)
    single = {}
    for attention in arguments.attention:
        prepare(model, attention, None if arguments.eager else "default", "no")
        single[attention] = measure(model, inputs, device, arguments.repeats)
    prepare(model, "native", None, "no")
    split(model, ranks, device)
    rows: dict[str, Any] = {}
    for attention in arguments.attention:
        change_kernel(model, attention, compiled=not arguments.eager)
        taken, output = measure(model, inputs, device, arguments.repeats)
        rows[attention] = {
            "seconds_1": single[attention][0],
            f"seconds_{ranks}": taken,
            "speedup": single[attention][0] / taken,
            "rms": relative_rms(output, single[attention][1]),
            "peak_gib": peak_gib(device),
        }
    if rank == 0:
        what = f"{size.width}x{size.height}x{size.frames}, M={size.memory}"
        write_result(arguments.out, {**machine(), "ranks": ranks, "size": what, "attention": rows})
    dist.destroy_process_group()


def join(rank: int) -> torch.device:
    """Enter torchrun's group."""
    if torch.cuda.is_available():
        torch.cuda.set_device(rank)
        device = torch.device("cuda", rank)
        dist.init_process_group("nccl", device_id=device)
        return device
    dist.init_process_group("gloo")
    return torch.device("cpu")


def split(model: Any, ranks: int, device: torch.device) -> None:
    """Context parallelism, as the backbone does it."""
    from types import SimpleNamespace

    from storymem_backbones.wan.parallel import parallelise

    pipeline: Any = SimpleNamespace(transformer=model, transformer_2=None)
    parallelise(pipeline, ranks, device.type)


def change_kernel(model: Any, attention: str, *, compiled: bool) -> None:
    """Another attention kernel under the split that is already there."""
    torch._dynamo.reset()
    config = model._parallel_config
    for block in model.blocks:
        block._compiled_call_impl = None
    if attention != "native":
        set_attention(model, attention)
    for block in model.blocks:
        block.attn1.processor._parallel_config = config
    if compiled:
        model.compile_repeated_blocks(fullgraph=False)


@torch.no_grad()
def measure(model: Any, inputs: dict[str, Any], device: torch.device, repeats: int) -> tuple[float, torch.Tensor]:
    """Seconds and output, all ranks beginning together."""
    output = model(**inputs)[0].clone()
    model(**inputs)
    synchronise(device)
    dist.barrier()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    return seconds(lambda: model(**inputs), device, repeats), output


if __name__ == "__main__":
    main()
