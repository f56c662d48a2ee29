"""One of two ranks of test_ranks.py, which trains the LoRA of training_support.py in FOLDER.

python ranks.py averaged|ddp|fsdp FOLDER, with the environment that torch.distributed wants. `fsdp` is interrupted half
way and resumed.
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
    accelerator = sharding_accelerator()
    trainer(folder, steps=2, gradient_clip=0.02, accelerator=accelerator).train()
    accelerator.free_memory()
    rest = trainer(folder, steps=4, gradient_clip=0.02, accelerator=accelerator)
    assert sum(isinstance(module, FSDPModule) for module in rest._model.modules()) > 2  # every block and the whole
    assert rest.resume()
    rest.train()


def sharding_accelerator() -> Accelerator:
    """What ``accelerate launch --use_fsdp`` makes on GPUs; it has no way to ask for the same on processors."""
    accelerator = Accelerator(mixed_precision="no")
    accelerator.state.fsdp_plugin = FullyShardedDataParallelPlugin(
        fsdp_version=2, auto_wrap_policy="transformer_based_wrap", cpu_ram_efficient_loading=False
    )
    accelerator.state.distributed_type = DistributedType.FSDP
    PartialState._shared_state["distributed_type"] = DistributedType.FSDP
    return accelerator


if __name__ == "__main__":
    torch.set_num_threads(1)
    mode, folder = sys.argv[1:]
    {"averaged": averaged, "ddp": ddp, "fsdp": fsdp}[mode](Path(folder))
    torch.distributed.destroy_process_group()
