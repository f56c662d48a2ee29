"""One of two ranks of test_ranks.py, which trains the LoRA of training_support.py in FOLDER.

python ranks.py averaged|ddp|fsdp|ddp_bf16|fsdp_bf16 FOLDER, with the environment of torch.distributed. `fsdp` is
interrupted half way and resumed; the last two compute in bf16 and recompute activations.
"""

import os
import sys
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.state import PartialState
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin
from torch.distributed.fsdp import FSDPModule
from training_support import trainer


def averaged(folder: Path) -> None:
    """As a small model: ranks average their weights."""
    one = trainer(folder, steps=9, small_model=True)
    one.train()
    torch.save([parameter.detach() for parameter in one.parameters], folder / f"{os.environ['RANK']}.pt")


def ddp(folder: Path) -> None:
    """With a whole model on each rank."""
    trainer(folder, steps=4, gradient_clip=0.02).train()


def fsdp(folder: Path) -> None:
    """With the model sharded over the ranks."""
    accelerator = sharding_accelerator("no")
    trainer(folder, steps=2, gradient_clip=0.02, accelerator=accelerator).train()
    accelerator.free_memory()
    rest = trainer(folder, steps=4, gradient_clip=0.02, accelerator=accelerator)
    assert sum(isinstance(module, FSDPModule) for module in rest._model.modules()) > 2  # every block and the whole
    assert rest.resume()
    rest.train()


def ddp_bf16(folder: Path) -> None:
    """As a big model that each rank holds."""
    trainer(folder, steps=3, like_a_big_model=True).train()


def fsdp_bf16(folder: Path) -> None:
    """As a big model that no rank could hold."""
    one = trainer(folder, steps=3, like_a_big_model=True, accelerator=sharding_accelerator("bf16"))
    seen = set()
    one._model.blocks[1].register_forward_pre_hook(lambda _, inputs: seen.update(table.dtype for table in inputs[3]))
    one.train()
    assert seen == {torch.float32}  # rotary tables, also where activations are recomputed


def sharding_accelerator(precision: str) -> Accelerator:
    """What ``accelerate launch --use_fsdp`` makes on GPUs; it has no way to ask for the same on processors."""
    accelerator = Accelerator(mixed_precision=precision)
    plugin = FullyShardedDataParallelPlugin(
        fsdp_version=2, auto_wrap_policy="transformer_based_wrap", cpu_ram_efficient_loading=False
    )
    if precision != "no":
        plugin.set_mixed_precision(precision)
    accelerator.state.fsdp_plugin = plugin
    accelerator.state.distributed_type = DistributedType.FSDP
    PartialState._shared_state["distributed_type"] = DistributedType.FSDP
    return accelerator


if __name__ == "__main__":
    torch.set_num_threads(1)
    mode, folder = sys.argv[1:]
    modes = (averaged, ddp, fsdp, ddp_bf16, fsdp_bf16)
    {each.__name__: each for each in modes}[mode](Path(folder))
    torch.distributed.destroy_process_group()
