"""Which is nearer to float32, the eager bfloat16 model or the compiled one? 40 narrow random blocks, on a CPU.

    python benchmarks/wan_rounding.py

The compiled blocks keep float32 between fused operations where eager PyTorch rounds after each.
"""

from __future__ import annotations

from typing import Any

import torch
from wan_common import TINY, Size, expert_inputs, random_expert, relative_rms, write_result

from storymem_backbones.wan.positions import install_memory_rope

CONFIG = {**TINY, "num_layers": 40, "num_attention_heads": 4, "attention_head_dim": 64, "ffn_dim": 512}
SIZE = Size(96, 64, 9, 3, CONFIG)
CPU = torch.device("cpu")


def model(dtype: torch.dtype, *, compiled: bool = False) -> Any:
    """The same bfloat16 weights, computed with in `dtype`."""
    made = random_expert(CONFIG, CPU, torch.bfloat16)
    if dtype == torch.float32:
        made = made.float()
    install_memory_rope(made).memory_frames = SIZE.memory
    if compiled:
        made.compile_repeated_blocks(fullgraph=True)
    return made


@torch.no_grad()
def output(made: Any, dtype: torch.dtype) -> torch.Tensor:
    """Of one pass, on the same rounded inputs."""
    inputs = expert_inputs(SIZE, CPU, torch.bfloat16)
    floats = {k: v.to(dtype) for k, v in inputs.items() if torch.is_tensor(v) and v.is_floating_point()}
    result: torch.Tensor = made(**inputs | floats)[0]
    return result


def main() -> None:
    half, full = torch.bfloat16, torch.float32
    exact = output(model(full), full)
    eager, compiled = output(model(half), half), output(model(half, compiled=True), half)
    pairs = {"eager": (eager, exact), "compiled": (compiled, exact), "compiled against eager": (compiled, eager)}
    write_result(None, {name: relative_rms(made, wanted) for name, (made, wanted) in pairs.items()})


if __name__ == "__main__":
    main()
