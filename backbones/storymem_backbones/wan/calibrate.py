"""Measures the magnitude ratios that ``caching.method = "magcache"`` needs, from one shot made in full.

    python -m storymem_backbones.wan.calibrate models/wan-i2v "a fox walks through the snow" --profile 80gb

prints them as settings. They depend on model, LoRAs, steps and flow shift, hardly on the prompt.
"""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from storymem.values.request import ShotRequest
from storymem_backbones.wan.build import build_pipeline
from storymem_backbones.wan.manifest import read_manifest
from storymem_backbones.wan.pipeline import Expert, WanMemoryPipeline
from storymem_backbones.wan.settings import WanSettings
from storymem_backbones.wan.shot import Sampling, clip_request


def measure_magnitudes(
    pipeline: WanMemoryPipeline, shot: ShotRequest, sampling: Sampling
) -> dict[Expert, tuple[float, ...]]:
    """How much longer each step's change through all blocks is than the one before, on average over tokens.

    Args:
        pipeline: Without caching.
        shot: Any typical one.
        sampling: As it will be used with caching.

    Returns:
        One ratio for each step of each expert; the first of each is 1.
    """
    alternating = max(sampling.guidance_high, sampling.guidance_low) > 1 and not sampling.batched_guidance
    measured: dict[Expert, tuple[float, ...]] = {}
    recorded: dict[Expert, list[Tensor]] = {"high": [], "low": []}
    with _recording(pipeline, recorded):
        pipeline(shot, sampling)
    for expert, lengths in recorded.items():
        # With guidance every second pass is the negative prompt's.
        prompt = lengths[::2] if alternating else lengths
        ratios = [float((now / before).mean()) for before, now in pairwise(prompt)]
        measured[expert] = (1.0, *ratios) if prompt else ()
    return measured


@contextmanager
def _recording(pipeline: WanMemoryPipeline, recorded: dict[Expert, list[Tensor]]) -> Iterator[None]:
    """Record the length (B, L) of every token's change through all blocks."""
    handles = []
    entered: dict[Expert, Tensor] = {}
    experts: dict[Expert, Any] = (
        pipeline.experts if pipeline.transformer_2 is not None else {"high": pipeline.transformer}
    )
    for name, transformer in experts.items():

        def enter(_: Any, inputs: tuple[Any, ...], name: Expert = name) -> None:
            entered[name] = inputs[0]

        def leave(_: Any, __: Any, output: Tensor, name: Expert = name) -> None:
            recorded[name].append(torch.linalg.vector_norm((output - entered.pop(name)).float(), dim=-1))

        handles.append(transformer.blocks[0].register_forward_pre_hook(enter))
        handles.append(transformer.blocks[-1].register_forward_hook(leave))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Measure magcache's ratios.")
    parser.add_argument("weights", type=Path, help="model folder")
    parser.add_argument("prompt")
    parser.add_argument("--profile", default="80gb")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    manifest = read_manifest(arguments.weights)
    settings = WanSettings(weights=str(arguments.weights), profile=arguments.profile)
    sampling = Sampling(
        steps=arguments.steps or manifest.steps,
        flow_shift=manifest.flow_shift,
        boundary=manifest.boundary,
        guidance_high=manifest.guidance,
        guidance_low=manifest.guidance,
    )
    shot = clip_request(
        arguments.prompt, settings.negative_prompt, manifest.width, manifest.height, manifest.frames, arguments.seed
    )
    measured = measure_magnitudes(build_pipeline(arguments.weights, settings, manifest), shot, sampling)
    for expert, ratios in measured.items():
        sys.stdout.write(f"ratios_{expert} = [{', '.join(f'{ratio:.4f}' for ratio in ratios)}]\n")


if __name__ == "__main__":
    main()
