"""The upsampler: its network, its finisher and how it is trained, on networks of a few steps."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from storymem.errors import PluginError
from storymem.interfaces import Finisher
from storymem.testing import FinisherContract
from storymem.values.clip import Clip, VideoFormat
from storymem_storyworld.draw.render import as_bytes, render
from storymem_storyworld.train.readout_pool import training_specs
from storymem_storyworld.train.upscale import TrainingSettings, edge_sharpness, lanczos, measured, train
from storymem_storyworld.train.upscale_pairs import Pairs
from storymem_storyworld.upscale.finisher import StoryworldUpscale
from storymem_storyworld.upscale.net import Upscaler, UpscalerSize, load_upscaler, save_upscaler
from storymem_storyworld.upscale.settings import UpscaleSettings

SMALL = UpscalerSize(width=8, depth=1)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A folder with a network that was never trained."""
    torch.manual_seed(0)
    save_upscaler(Upscaler(SMALL), tmp_path / "weights")
    return tmp_path / "weights"


@pytest.fixture(scope="module")
def pairs() -> Pairs:
    """Two true pictures at both sizes, not through the autoencoder."""
    specs = training_specs(20, 2)
    drawn = as_bytes(render(specs, 1)[:, 0])
    truth = as_bytes(render(specs, 1, 384, 640)[:, 0])
    return Pairs(drawn, drawn.clone(), truth)


class TestContract(FinisherContract):
    @pytest.fixture
    def finisher(self, weights: Path) -> Finisher[Any]:
        return StoryworldUpscale(UpscaleSettings(weights=weights))


def test_an_untrained_network_is_bicubic() -> None:
    pictures = torch.rand(2, 3, 12, 20) * 2 - 1
    with torch.inference_mode():
        made = Upscaler()(pictures)
    wanted = functional.interpolate(pictures, scale_factor=4.0, mode="bicubic", align_corners=False)
    assert float((made - wanted).abs().max()) < 1e-5


def test_weights_come_back_with_their_size(weights: Path) -> None:
    network = load_upscaler(weights)
    assert network.size == SMALL
    assert (weights / "model.safetensors").stat().st_size < 2_000_000


def test_frames_are_enlarged_one_by_one(weights: Path) -> None:
    """Nothing of a frame gets into another, whatever stands beside it in a batch."""
    frames = np.random.default_rng(0).integers(0, 256, size=(11, 16, 24, 3), dtype=np.uint8)
    upscale = StoryworldUpscale(UpscaleSettings(weights=weights))
    whole = upscale.finish(Clip(frames, 16), None, lambda step, total: None)
    assert whole.format == VideoFormat(96, 64, 16)
    alone = upscale.finish(Clip(frames[9:10], 16), None, lambda step, total: None)
    assert np.abs(whole.frames[9].astype(int) - alone.frames[0]).max() <= 1


def test_the_fingerprint_is_that_of_the_weights_not_of_their_place(weights: Path, tmp_path: Path) -> None:
    ours = StoryworldUpscale(UpscaleSettings(weights=weights)).fingerprint()
    moved = weights.rename(tmp_path / "elsewhere")
    assert StoryworldUpscale(UpscaleSettings(weights=moved)).fingerprint() == ours
    torch.manual_seed(1)
    save_upscaler(Upscaler(SMALL), moved)
    assert StoryworldUpscale(UpscaleSettings(weights=moved)).fingerprint() != ours


def test_missing_weights_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="weights of the upscaler cannot be read") as caught:
        StoryworldUpscale(UpscaleSettings(weights=tmp_path)).fingerprint()
    assert "\n" not in str(caught.value)


def test_training_makes_lines_crisper(pairs: Pairs, tmp_path: Path) -> None:
    """Seconds of training are better than bicubic interpolation, on the pictures it learned from."""
    network, steps = train(pairs, TrainingSettings(seconds=4.0, batch=2, learning_rate=4e-3))
    assert steps > 3
    ours, before = (measured(way, pairs.drawn, pairs.truth) for way in (network, Upscaler().eval()))
    assert ours["psnr"] > before["psnr"]
    pairs.save(tmp_path / "pairs")
    assert torch.equal(Pairs.load(tmp_path / "pairs").truth, pairs.truth)


def test_the_weights_that_come_with_the_package_are_crisper_than_lanczos() -> None:
    specs = training_specs(21, 2)  # odd: never seen in training
    drawn, truth = as_bytes(render(specs, 1)[:, 0]), as_bytes(render(specs, 1, 384, 640)[:, 0])
    network = load_upscaler(UpscaleSettings().weights)
    ours, theirs = measured(network, drawn, truth), measured(lanczos, drawn, truth)
    assert ours["psnr"] > theirs["psnr"] + 1
    assert ours["edges"] > theirs["edges"] + 0.1


def test_the_page_has_the_measured_numbers() -> None:
    page = (Path(__file__).parents[2] / "docs" / "finishing.md").read_text("utf-8")
    found = json.loads((UpscaleSettings().weights / "accuracy.json").read_text("utf-8"))["scores"]
    rows = [found[kind][way] for kind in ("as_shown", "as_drawn") for way in ("upscaler", "lanczos")]
    table = re.findall(r"^\| [^|]+ \| ([\d.]+) \| ([\d.]+) \|$", page, re.MULTILINE)
    assert table == [(f"{row['psnr']:.1f}", f"{row['edges']:.2f}") for row in rows]


def test_edges_of_the_truth_are_as_sharp_as_themselves(pairs: Pairs) -> None:
    truth = pairs.truth.float() / 127.5 - 1
    assert edge_sharpness(truth, truth) == pytest.approx(1.0)
    assert edge_sharpness(lanczos(pairs.drawn.float() / 127.5 - 1), truth) < 0.9


def test_the_finisher_shows_what_the_network_gives(weights: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 256, size=(2, 16, 24, 3), dtype=np.uint8)
    made = StoryworldUpscale(UpscaleSettings(weights=weights)).finish(Clip(frames, 8), None, lambda step, total: None)
    with torch.inference_mode():
        large = load_upscaler(weights)(torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 127.5 - 1)
    assert np.abs(made.frames.astype(int) - as_bytes(large).permute(0, 2, 3, 1).numpy()).max() <= 1
