"""Magnitude ratios equal those of diffusers' own calibration, and magcache takes them."""

import ast
import sys

import numpy as np
import pytest
from diffusers import MagCacheConfig

from storymem_backbones.diffusion.quiet import quiet_libraries
from storymem_backbones.diffusion.settings import Caching
from storymem_backbones.wan import calibrate
from storymem_backbones.wan.caching import steps_per_expert
from storymem_backbones.wan.pipeline import WanMemoryPipeline
from storymem_backbones.wan.shot import Sampling, clip_request
from storymem_backbones.wan.tiny_random import write_tiny_pipeline

SAMPLING = Sampling(steps=8)
SHOT = clip_request("a fox", "fog", 32, 32, 9, 3)


def load(folder):
    with quiet_libraries():
        return WanMemoryPipeline.from_pretrained(folder)


def test_ratios_are_diffusers_own(tiny_folder, capsys):
    steps = steps_per_expert(SAMPLING)
    measured = calibrate.measure_magnitudes(load(tiny_folder), SHOT, SAMPLING)
    assert {expert: len(ratios) for expert, ratios in measured.items()} == steps
    pipeline = load(tiny_folder)
    for expert, transformer in pipeline.experts.items():
        transformer.enable_cache(MagCacheConfig(num_inference_steps=steps[expert], calibrate=True))
    pipeline._cached_for = (None, SAMPLING)  # keep what was set by hand
    pipeline(SHOT, SAMPLING)
    printed = [
        ast.literal_eval(line)
        for line in capsys.readouterr().out.splitlines()
        if line.startswith("[") and "Mag" not in line
    ]
    # Two lists an expert: prompt and negative prompt.
    assert printed[0] == pytest.approx(list(measured["high"]), rel=1e-4)
    assert printed[2] == pytest.approx(list(measured["low"]), rel=1e-4)


@pytest.mark.parametrize("experts", [1, 2])
def test_magcache_with_measured_ratios(tmp_path, experts):
    pipeline = load(write_tiny_pipeline(tmp_path, experts=experts))
    plain = pipeline(SHOT, SAMPLING)
    measured = calibrate.measure_magnitudes(pipeline, SHOT, SAMPLING)
    assert sum(len(ratios) for ratios in measured.values()) == 8
    ratios = {f"ratios_{expert}": values for expert, values in measured.items()}
    for threshold, same in ((1e-9, True), (10.0, False)):
        pipeline.caching = Caching(method="magcache", threshold=threshold, **ratios)
        assert np.array_equal(pipeline(SHOT, SAMPLING), plain) == same
    pipeline.caching = None
    assert np.array_equal(pipeline(SHOT, SAMPLING), plain)


def test_the_command_prints_settings(tiny_folder, tmp_path, monkeypatch, capsys):
    import shutil
    import tomllib

    folder = shutil.copytree(tiny_folder, tmp_path / "model")
    (folder / "storymem.json").write_text('{"width": 32, "height": 32, "frames": 5, "text_tokens": 16, "steps": 4}')
    monkeypatch.setattr(sys, "argv", ["calibrate", str(folder), "a fox", "--profile", "cpu"])
    calibrate.main()
    found = tomllib.loads(capsys.readouterr().out)
    assert len(found["ratios_high"]) + len(found["ratios_low"]) == 4
