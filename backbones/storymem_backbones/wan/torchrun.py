"""The command line under torchrun: rank 0 runs ``storymem``, the others make every shot with it.

    torchrun --nproc-per-node 4 -m storymem_backbones.wan.torchrun render story.json --config storymem.toml

For clusters whose scheduler starts the processes; on one machine `profile_changes.gpus` does the same without torchrun.
A rank that fails exits, and torchrun then ends the others.
"""

import importlib
import logging
import os
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist

from storymem.errors import StoryMemError
from storymem.values.clip import Frames
from storymem_backbones.wan.parallel import Builder
from storymem_backbones.wan.shot import Sampling, ShotInputs, StepCallback

if TYPE_CHECKING:
    from storymem_backbones.wan.pipeline import WanMemoryPipeline

_IDLE = timedelta(days=7)
_control: dist.ProcessGroup | None = None


class _Stop(Exception):
    """The shot was cancelled."""


def started_by_torchrun() -> bool:
    """Whether this process is rank 0 of a group started by `main`."""
    return _control is not None


def ranks() -> int:
    """How many processes the group has."""
    return dist.get_world_size()


class GroupPipeline:
    """Rank 0's pipeline: every call is made by all ranks together.

    Args:
        build: Makes a rank's pipeline; sent to the other ranks.
    """

    def __init__(self, build: Builder) -> None:
        _tell(("build", build))
        self._pipeline: WanMemoryPipeline = build()

    def __call__(
        self, shot: ShotInputs, sampling: Sampling | None = None, progress: StepCallback | None = None
    ) -> Frames:
        """Make a clip; see `WanMemoryPipeline.__call__`."""
        _tell(("make", shot, sampling))

        def step(done: int, total: int) -> None:
            try:
                if progress is not None:
                    progress(done, total)
            except BaseException:
                _tell(False)
                raise
            _tell(True)

        return self._pipeline(shot, sampling, step)

    def remove_all_hooks(self) -> None:
        """Release this rank's pipeline; the others release theirs when they build again or end."""
        self._pipeline.remove_all_hooks()


def main() -> None:
    """Join torchrun's group, then run the program (rank 0) or follow it."""
    global _control  # noqa: PLW0603 - one process, one group
    rank = int(os.environ["RANK"])
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    # Between shots rank 0 is silent for as long as it takes; only gloo waits that long.
    _control = dist.new_group(backend="gloo", timeout=_IDLE)
    try:
        if rank == 0:
            _lead()
        else:
            follow()
    finally:
        dist.destroy_process_group()


def _lead() -> None:
    from storymem.cli.main import main as program

    sys.argv[0] = "storymem"
    try:
        program()
    finally:
        _tell(("end",))
        _leave_together()


def follow() -> None:
    """Do what rank 0 says until it ends."""
    pipeline: WanMemoryPipeline | None = None
    while (message := _hear())[0] != "end":
        if message[0] == "build":
            pipeline = None
            pipeline = message[1]()
            logging.getLogger("diffusers").setLevel(logging.ERROR)
            continue
        assert pipeline is not None
        try:
            pipeline(message[1], message[2], _continue)
        except (_Stop, StoryMemError):
            # Every rank computes the same, so rank 0 met the same error and reports it.
            continue
    _leave_together()


def _leave_together() -> None:
    """Wait for the other ranks: one that ends while another still sends to it makes gloo abort the sender."""
    dist.barrier(group=_control)


def _continue(done: int, total: int) -> None:
    if not _hear():
        raise _Stop


def _tell(what: object) -> None:
    dist.broadcast_object_list([what], src=0, group=_control)


def _hear() -> Any:
    heard: list[Any] = [None]
    dist.broadcast_object_list(heard, src=0, group=_control)
    return heard[0]


if __name__ == "__main__":
    # Under its real name, so that the backbone finds the same module.
    importlib.import_module("storymem_backbones.wan.torchrun").main()
