"""Several processes that train one small model together."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import torch
from training_support import trainer

from storymem_backbones.training.averaging import WeightAverage

RANKS = Path(__file__).with_name("ranks.py")


def start(rank, port, folder):
    own = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    environment = os.environ | {name: str(value) for name, value in own.items()}
    return subprocess.Popen([sys.executable, RANKS, folder], env=environment, stderr=subprocess.PIPE, text=True)


def test_ranks_end_with_the_same_weights_which_one_alone_would_not_have(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for rank in [start(rank, port, tmp_path) for rank in range(2)]:
        _, errors = rank.communicate(timeout=50)
        assert rank.returncode == 0, errors
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(first, second, strict=True))
    alone = trainer(tmp_path / "alone", steps=9, small_model=True)
    alone.train()
    assert not all(torch.equal(ours, theirs) for ours, theirs in zip(first, alone.parameters, strict=True))


def test_one_process_alone_keeps_its_weights():
    parameter = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    WeightAverage([parameter], every=1)(1)
    assert parameter.tolist() == [1.0, 2.0]
