"""Several processes make the clip of one; a rank that fails ends them all with its error."""

import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import multiprocessing

from storymem.errors import Cancelled, SettingsError
from storymem_backbones.diffusion.attention import KernelProcessor, rotate, sdpa
from storymem_backbones.diffusion.errors import GenerationError, WeightsError
from storymem_backbones.wan.build import build_pipeline, start_pipeline
from storymem_backbones.wan.manifest import Manifest
from storymem_backbones.wan.parallel import ParallelPipeline, parallelise
from storymem_backbones.wan.settings import WanSettings
from storymem_backbones.wan.shot import Sampling, clip_request

FEW = Sampling(steps=4)
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]  # every rank imports torch and diffusers again
MANIFEST = Manifest(text_tokens=32)


@pytest.fixture
def ranks(monkeypatch):
    """The module that ranks import; spawned processes inherit the path."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import wan_ranks

    yield wan_ranks
    sys.modules.pop("wan_ranks")
    assert not multiprocessing.active_children()


@pytest.fixture(scope="module")
def shot():
    pictures = np.random.default_rng(0).integers(0, 256, (3, 32, 48, 3), dtype=np.uint8)
    return clip_request("a fox", "blurry", 48, 32, 9, 7, memory=tuple(pictures[:2]), condition=pictures[2:])


@pytest.fixture(scope="module")
def single(tiny_folder):
    return build_pipeline(tiny_folder, WanSettings(weights=str(tiny_folder), profile="cpu"), MANIFEST)


def same(frames, wanted):
    return np.abs(frames.astype(int) - wanted.astype(int)).max() <= 1


def test_two_ranks_make_the_clip_of_one_and_can_be_cancelled(ranks, tiny_folder, shot, single):
    pipeline = ParallelPipeline(partial(ranks.real, tiny_folder), 2, "cpu")
    told = []

    def stop(done, total):
        if done == 1:
            raise Cancelled("stop")

    try:
        frames = pipeline(shot, FEW, lambda *step: told.append(step))
        with pytest.raises(Cancelled):
            pipeline(shot, FEW, stop)
        assert np.array_equal(pipeline(shot, FEW), frames)
    finally:
        pipeline.close()
    assert told == [(n, 4) for n in range(5)]
    assert same(frames, single(shot, FEW))


@pytest.mark.parametrize(
    ("how", "kind", "message"),
    [
        ("raises", GenerationError, "rank 1 failed .*RuntimeError: no more electricity"),
        ("dies", GenerationError, r"rank 1 died \(exit code 3\)"),
        ("out of memory", torch.OutOfMemoryError, "CUDA out of memory"),
    ],
)
def test_a_rank_that_fails_ends_all_with_its_error(ranks, shot, how, kind, message):
    pipeline = ParallelPipeline(partial(ranks.fake, how), 2, "cpu")
    with pytest.raises(kind, match=message):
        pipeline(shot, FEW, lambda *_: None)
    assert not pipeline.running


def test_a_rank_that_cannot_start_says_why(ranks):
    with pytest.raises(WeightsError, match="folder vae is missing"):
        ParallelPipeline(partial(ranks.fake, "cannot build"), 2, "cpu")


def test_a_kernel_processor_computes_what_diffusers_does(tiny_folder, shot, single):
    pipeline = build_pipeline(tiny_folder, WanSettings(weights=str(tiny_folder), profile="cpu"), MANIFEST)
    for expert in pipeline.experts.values():
        for block in expert.blocks:
            for layer in (block.attn1, block.attn2):
                layer.set_processor(KernelProcessor(sdpa))
    assert same(pipeline(shot, FEW), single(shot, FEW))


def test_rotation_keeps_lengths_and_starts_at_nothing():
    x = torch.randn(2, 3, 4, 8)
    angles = torch.linspace(0, 3, 12).reshape(1, 3, 1, 4).repeat_interleave(2, -1)
    turned = rotate(x, angles.cos(), angles.sin())
    torch.testing.assert_close(turned.norm(dim=-1), x.norm(dim=-1))
    torch.testing.assert_close(rotate(x, torch.ones_like(angles), torch.zeros_like(angles)), x)


def test_heads_must_divide():
    expert = SimpleNamespace(config=SimpleNamespace(num_attention_heads=40))
    pipeline = SimpleNamespace(transformer=expert, transformer_2=None)
    with pytest.raises(SettingsError, match="gpus = 3: does not divide 40 attention heads; choose of 2, 4, 5, 8"):
        parallelise(pipeline, 3, "cpu")


def test_the_profile_decides(tiny_folder, monkeypatch):
    started = []
    monkeypatch.setattr(
        "storymem_backbones.wan.build.ParallelPipeline", lambda build, gpus, device: started.append((gpus, device))
    )
    start_pipeline(tiny_folder, WanSettings(profile="cpu", profile_changes={"gpus": 2}), MANIFEST)
    assert started == [(2, "cpu")]
    with pytest.raises(SettingsError, match="needs a CUDA GPU"):
        start_pipeline(tiny_folder, WanSettings(profile="141gb", profile_changes={"gpus": 2}), MANIFEST)


def test_the_command_line_under_torchrun(tiny_folder, tmp_path):
    """Two ranks started by torchrun make the film of one process, frame by frame within rounding."""
    import json
    import subprocess

    from typer.testing import CliRunner

    from storymem.cli.main import app
    from storymem.media.video import read_clip

    script = tmp_path / "story.json"
    script.write_text(json.dumps({"title": "Tiny", "seed": 1, "scenes": [{"shots": [{"prompt": "a fox"}]}]}))
    settings = {
        "backbone.name": "wan", "backbone.weights": tiny_folder, "backbone.profile": "cpu", "backbone.steps": 2,
        "selector": "uniform", "filters": "[]",
    }  # fmt: skip
    options = ["--size", "48x32", "--frames", "5", "--quiet"]
    options += [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    command = ["render", str(script), *options, "-o"]
    alone = CliRunner().invoke(app, [*command, str(tmp_path / "one")])
    assert alone.exit_code == 0, alone.output
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    torchrun += ["-m", "storymem_backbones.wan.torchrun", *command, str(tmp_path / "two")]
    done = subprocess.run(torchrun, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    one, two = (read_clip(tmp_path / name / "shots" / "01_01.mp4", 16).frames for name in ("one", "two"))
    assert np.abs(one.astype(int) - two.astype(int)).mean() < 0.5
