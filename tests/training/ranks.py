"""The two ranks of test_ranks.py, which train the LoRA of training_support.py in FOLDER/MODE, one mode after another.

python ranks.py FOLDER averaged|ddp|fsdp|ddp_bf16|fsdp_bf16 ... `fsdp` is interrupted half way and resumed; those in
bf16 also recompute activations. Every mode has two processes of its own, forked when the libraries are loaded: loading
them again would take ten times as long as the training.
"""

import multiprocessing
import os
import socket
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


def run_rank(mode: str, rank: int, port: int, folder: Path) -> None:
    """What one rank's process does, with the environment of torch.distributed."""
    own = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in own.items()})
    modes = (averaged, ddp, fsdp, ddp_bf16, fsdp_bf16)
    {each.__name__: each for each in modes}[mode](folder)
    torch.distributed.destroy_process_group()


def run_two_ranks(mode: str, folder: Path) -> None:
    """Train to the end on both ranks, or exit with 1."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder.mkdir()
    fork = multiprocessing.get_context("fork")
    ranks = [fork.Process(target=run_rank, args=(mode, rank, port, folder)) for rank in range(2)]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join()
    if any(process.exitcode for process in ranks):
        sys.exit(1)


if __name__ == "__main__":
    torch.set_num_threads(1)
    for each_mode in sys.argv[2:]:
        run_two_ranks(each_mode, Path(sys.argv[1], each_mode))
