"""All stages from nothing to a model folder, on a model small enough for seconds; then it resumes and makes a clip."""

import json

import numpy as np
import pytest
import torch
from transformers import UMT5EncoderModel

from storymem_backbones.wan.build import build_pipeline
from storymem_backbones.wan.manifest import read_manifest
from storymem_backbones.wan.shot import Sampling, clip_request
from storymem_storyworld.tiny.settings import TinySettings
from storymem_storyworld.train import retrain_tiny

pytestmark = pytest.mark.slow

SMALL = {
    "--vae": {
        "base_dim": 4,
        "decoder_base_dim": 4,
        "clip_batch": 1,
        "image_batch": 2,
        "measured_batches": 1,
        "compile": False,
    },
    "--text": {"width": 32, "layers": 1, "stories": 1, "steps": 5},
    "--base": {"layers": 1, "heads": 2, "head_dim": 24, "ffn_dim": 32, "batch": 2, "seconds": 0.1, "compile": False},
    "--lora": {"rank": 4, "alpha": 4},
    "--loop": {"steps": 3, "batch_size": 2, "precision": "no", "compile": False},
    "--stories": {"stories": 2, "block": 1, "first": 1, "renew_every": 1000},
}


@pytest.fixture
def run(monkeypatch):
    def run(out, *arguments, **settings):
        chosen = {name: SMALL[name] | settings.get(name.strip("-"), {}) for name in SMALL}
        options = [part for name, value in chosen.items() for part in (name, json.dumps(value))]
        command = ["retrain_tiny", "--out", str(out), "--pool", "8", "--precision", "no", *options, *arguments]
        monkeypatch.setattr("sys.argv", command)
        before = torch.backends.cudnn.benchmark, torch.get_float32_matmul_precision()
        retrain_tiny.main()
        torch.backends.cudnn.benchmark = before[0]
        torch.set_float32_matmul_precision(before[1])
        return out / "tiny"

    return run


def text_encoder(folder):
    encoder = UMT5EncoderModel.from_pretrained(folder / "text_encoder").bfloat16()
    return [parameter.tolist() for parameter in encoder.parameters()]


@pytest.mark.timeout(180)
def test_a_model_is_trained_from_nothing_and_resumed(run, tmp_path):
    folder = run(tmp_path / "first", vae={"image_seconds": 0.5, "clip_seconds": 0.5})
    onward = run(
        tmp_path / "onward",
        "--start-from",
        str(folder),
        vae={"clip_seconds": 0.5, "anchor": 0.1},
        base={"seconds": 0.1},
    )
    assert text_encoder(tmp_path / "onward" / "work") != text_encoder(folder)
    run(tmp_path / "kept", "--start-from", str(folder), "--stages", "base", base={"seconds": 0.1})
    assert text_encoder(tmp_path / "kept" / "work") == text_encoder(folder)
    report = json.loads((tmp_path / "onward" / "work" / "vae" / "training.json").read_text())["report"]
    assert report["psnr"] >= report["psnr_pooled"]
    pipeline = build_pipeline(onward, TinySettings(weights=str(onward)), read_manifest(onward))
    memory = (np.zeros((96, 160, 3), np.uint8),)
    frames = pipeline(clip_request("a fox waves", "", 160, 96, 17, 0, memory=memory), Sampling(steps=1))
    assert frames.shape == (17, 96, 160, 3)


@pytest.mark.timeout(120)
def test_a_decoder_that_goes_on_alone_keeps_the_latents(run, tmp_path):
    first = run(tmp_path / "first", "--stages", "vae", vae={"image_seconds": 0.3, "clip_seconds": 0}).parent / "work"
    (tmp_path / "start").mkdir()
    (first / "vae").rename(tmp_path / "start" / "vae")
    for part in ("transformer", "text_encoder"):
        (tmp_path / "start" / part).mkdir()
    vae = {"clip_seconds": 0.3, "decoder_only": True}
    run(tmp_path / "onward", "--start-from", str(tmp_path / "start"), "--stages", "vae", vae=vae)
    from diffusers import AutoencoderKLWan

    before = AutoencoderKLWan.from_pretrained(tmp_path / "start" / "vae")
    after = AutoencoderKLWan.from_pretrained(tmp_path / "onward" / "work" / "vae")
    assert before.config.latents_mean == after.config.latents_mean
    assert all(map(torch.equal, before.encoder.parameters(), after.encoder.parameters()))
    assert not all(map(torch.equal, before.decoder.parameters(), after.decoder.parameters()))


def test_a_run_that_goes_on_can_begin_with_other_stories(run, tmp_path):
    def trained(out, *arguments):
        return text_encoder(run(tmp_path / out, "--stages", "text", *arguments).parent / "work")

    first = trained("first")
    assert trained("again") == first
    assert trained("other", "--first-story", "1000") != first


def test_a_first_story_of_another_share_is_refused(run, tmp_path, capsys):
    with pytest.raises(SystemExit):
        run(tmp_path, "--first-story", "10000000")
    assert "--first-story 10000000: give a number from 0 to 9999999" in capsys.readouterr().err
