"""Several processes that train one model together."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from training_support import trainer

from storymem_backbones.training.averaging import WeightAverage
from storymem_backbones.training.errors import TrainingError
from storymem_backbones.training.lora_loop import LoopSettings, start_accelerator
from storymem_backbones.wan.lora_file import read_lora

RANKS = Path(__file__).with_name("ranks.py")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(120),
]  # two processes load torch and diffusers, and train five times


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder of each mode's results."""
    folder = tmp_path_factory.mktemp("ranks")
    environment = os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, RANKS, folder, "averaged", "ddp", "fsdp", "ddp_bf16", "fsdp_bf16"]
    done = subprocess.run(command, env=environment, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_ranks_end_with_the_same_weights_which_one_alone_would_not_have(trained, tmp_path):
    first, second = (torch.load(trained / "averaged" / f"{rank}.pt") for rank in range(2))
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(first, second, strict=True))
    alone = trainer(tmp_path / "alone", steps=9, small_model=True)
    alone.train()
    assert not all(torch.equal(ours, theirs) for ours, theirs in zip(first, alone.parameters, strict=True))


def loras_of_whole_and_sharded(folder, precision):
    modes = (f"ddp{precision}", f"fsdp{precision}")
    whole, sharded = (read_lora(folder / mode / "backbone.safetensors").factors for mode in modes)
    assert whole.keys() == sharded.keys()
    return [pair for name in whole for pair in zip(whole[name], sharded[name], strict=True)]


def test_a_sharded_model_that_is_resumed_ends_with_the_lora_of_a_whole_one(trained):
    for ours, theirs in loras_of_whole_and_sharded(trained, ""):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_a_sharded_model_in_bf16_with_recomputed_activations_learns_what_a_whole_one_does(trained):
    pairs = loras_of_whole_and_sharded(trained, "_bf16")
    differences = sorted(float((ours - theirs).norm() / ours.norm()) for ours, theirs in pairs)
    assert differences[len(differences) // 2] < 0.03
    assert differences[-1] < 0.2  # the first steps of AdamW follow signs, which rounding can turn


@pytest.mark.parametrize("wrong", [{"fsdp_version": 1}, {"cpu_ram_efficient_loading": True}])
def test_sharding_that_cannot_train_a_lora_is_refused(wrong, tmp_path, monkeypatch):
    plugin = SimpleNamespace(**({"fsdp_version": 2, "cpu_ram_efficient_loading": False} | wrong))

    class Launched:
        def __init__(self, **kwargs):
            self.state = SimpleNamespace(fsdp_plugin=plugin)

    monkeypatch.setattr("accelerate.Accelerator", Launched)
    with pytest.raises(TrainingError, match="--fsdp_version 2 --fsdp_cpu_ram_efficient_loading false"):
        start_accelerator(LoopSettings(), tmp_path)


def test_one_process_alone_keeps_its_weights():
    parameter = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    WeightAverage([parameter], every=1)(1)
    assert parameter.tolist() == [1.0, 2.0]
