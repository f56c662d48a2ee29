"""Train the upsampler, and measure it against the large drawings beside Lanczos. One processor core is enough.

python -m storymem_storyworld.train.upscale --out WEIGHTS
"""

from __future__ import annotations

import copy
import json
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from PIL import Image
from torch import Tensor

from storymem_backbones.training.budget import one_cycle
from storymem_storyworld.measure.autoencoding import psnr
from storymem_storyworld.train.upscale_pairs import Pairs, Patches, draw_pairs
from storymem_storyworld.upscale.net import SCALE, Upscaler, save_upscaler

log = logging.getLogger(__name__)

_EDGE_WEIGHT = 1.0  # of the absolute error of differences between neighbours: lines are what the eye sees first
_AVERAGE = 0.995  # a step's share of the average is what remains
_EDGE = 0.08  # in [-1, 1] units a pixel: what counts as an edge of the true picture
_TRAIN_SEED, _TEST_SEED = 20, 21


def upscaling_loss(shown: Tensor, truth: Tensor) -> Tensor:
    """Return the mean absolute error of pixels and of differences between neighbours, both (N, 3, H, W)."""
    error = shown - truth
    edges = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
    return error.abs().mean() + _EDGE_WEIGHT * edges


@dataclass(frozen=True)
class TrainingSettings:
    """How long and how to train.

    Attributes:
        seconds: Processor time, so that a busy machine makes it no shorter.
        batch: Patches a step.
        learning_rate: At its highest.
        device: ``cpu`` or ``cuda``.
    """

    seconds: float
    batch: int
    learning_rate: float
    device: str = "cpu"


def train(pairs: Pairs, settings: TrainingSettings, keep: Path | None = None) -> tuple[Upscaler, int]:
    """Train a new network; return its average over the steps, and their number.

    Args:
        pairs: What it learns from.
        settings: How.
        keep: Folder for the average so far, so that a run that is stopped was not for nothing.
    """
    torch.manual_seed(0)
    device = torch.device(settings.device)
    network, rng, patches = Upscaler().to(device), random.Random(0), Patches(pairs)
    average = copy.deepcopy(network)
    optimizer = torch.optim.Adam(network.parameters(), settings.learning_rate)
    began, steps = time.process_time(), 0
    while (progress := (time.process_time() - began) / settings.seconds) < 1:
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * one_cycle(progress, warmup=0.05)
        small, large = (part.to(device) for part in patches.batch(settings.batch, rng))
        loss = upscaling_loss(network(small), large)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        follow(average, network, min(_AVERAGE, steps / (steps + 10)))
        steps += 1
        if steps % 50 == 0:
            if keep is not None:
                save_upscaler(average, keep)
            log.info("step %d, %.0f %% of the time, loss %.4f", steps, 100 * progress, float(loss.detach()))
    return average.cpu().eval(), steps


@torch.no_grad()
def follow(average: Upscaler, network: Upscaler, keep: float) -> None:
    """Move an average of weights towards a network."""
    for kept, new in zip(average.parameters(), network.parameters(), strict=True):
        kept.lerp_(new, 1 - keep)


def edge_sharpness(shown: Tensor, truth: Tensor) -> float:
    """Return how steep the edges of the true pictures (N, 3, H, W) are in ours: 1 where they are as steep."""
    steepness = [0.0, 0.0]
    for axis in (-1, -2):
        true, ours = truth.diff(dim=axis).abs(), shown.diff(dim=axis).abs()
        at = true > _EDGE
        steepness[0] += float(ours[at].sum())
        steepness[1] += float(true[at].sum())
    return steepness[0] / steepness[1]


def lanczos(pictures: Tensor) -> Tensor:
    """Pictures (N, 3, H, W) in [-1, 1] -> (N, 3, 4H, 4W) by Pillow's Lanczos filter."""
    size = (pictures.shape[3] * SCALE, pictures.shape[2] * SCALE)
    frames = ((pictures + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    large = [np.asarray(Image.fromarray(f).resize(size, Image.Resampling.LANCZOS)) for f in frames]
    return torch.tensor(np.stack(large)).permute(0, 3, 1, 2).float() / 127.5 - 1


@torch.inference_mode()
def measured(upscale: Callable[[Tensor], Tensor], small: Tensor, truth: Tensor) -> dict[str, float]:
    """Return PSNR in dB and edge sharpness over pictures given as bytes, small and large."""
    squares, sharpness = [], []
    for one, true in zip(small.float() / 127.5 - 1, truth.float() / 127.5 - 1, strict=True):
        shown = upscale(one[None]).clamp(-1, 1)
        squares.append(float((shown - true).square().mean()))
        sharpness.append(edge_sharpness(shown, true[None]))
    return {"psnr": round(psnr(float(np.mean(squares))), 2), "edges": round(float(np.mean(sharpness)), 3)}


def report(network: Upscaler, test: Pairs) -> dict[str, dict[str, dict[str, float]]]:
    """Return what the network and Lanczos come to, on small pictures as drawn and as films show them."""
    ways: dict[str, Callable[[Tensor], Tensor]] = {"upscaler": network, "lanczos": lanczos}
    kinds = {"as_drawn": test.drawn, "as_shown": test.shown}
    return {
        kind: {name: measured(way, small, test.truth) for name, way in ways.items()} for kind, small in kinds.items()
    }


def main(
    out: Annotated[Path, typer.Option(help="Folder for the weights.")],
    pairs: Annotated[Path | None, typer.Option(help="File of pictures to learn from; made if missing.")] = None,
    clips: Annotated[int, typer.Option(help="Clips to draw three pictures of.")] = 60,
    test_clips: Annotated[int, typer.Option(help="Unseen clips to measure on.")] = 12,
    seconds: Annotated[float, typer.Option(help="Processor time for training.")] = 900.0,
    batch: Annotated[int, typer.Option(help="Patches a step.")] = 8,
    learning_rate: Annotated[float, typer.Option(help="At its highest.")] = 2e-3,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
) -> None:
    """Train the upsampler and measure it."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    if pairs is not None and pairs.is_file():
        known = Pairs.load(pairs)
    else:
        known = draw_pairs(clips, _TRAIN_SEED)
        if pairs is not None:
            known.save(pairs)
    network, steps = train(known, TrainingSettings(seconds, batch, learning_rate, device), out)
    save_upscaler(network, out)
    found = {"pictures": len(known.truth), "processor_seconds": seconds, "steps": steps}
    scores = report(network, draw_pairs(test_clips, _TEST_SEED))
    (out / "accuracy.json").write_text(json.dumps({**found, "scores": scores}, indent=2) + "\n", "utf-8")
    log.info("on %d unseen clips: %s", test_clips, json.dumps(scores))


if __name__ == "__main__":
    typer.run(main)
