"""Train the read-out on fresh renders, and measure it on clips it has never seen.

    python -m storymem_backbones.storyworld.train_readout --out DIR --minutes 3

Training clips come from even seeds, test clips from odd ones. Writes the weights and `accuracy.json`.
"""

from __future__ import annotations

import json
import logging
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import Tensor
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel

from storymem_backbones.storyworld.augment import softened
from storymem_backbones.storyworld.episodes import went_on
from storymem_backbones.storyworld.readout import READ_EVERY, Answers, Readout, save_readout
from storymem_backbones.storyworld.render import render
from storymem_backbones.storyworld.sample import sample_spec
from storymem_backbones.storyworld.truth import Truth, truth_of
from storymem_backbones.storyworld.world import ClipSpec

log = logging.getLogger(__name__)


def training_specs(seed: int, count: int) -> list[ClipSpec]:
    """Random clips, a quarter of them going on without a cut; `seed` even for training, odd for tests."""
    rng = random.Random(seed)
    return [_sometimes_going_on(rng, sample_spec(rng)) for _ in range(count)]


def _sometimes_going_on(rng: random.Random, spec: ClipSpec) -> ClipSpec:
    if rng.random() < 0.75:
        return spec
    return went_on(rng, spec, rng.choice((1, 5)))


@dataclass
class RenderedPool:
    """Rendered clips with their truth, a part of them renewed from time to time.

    Attributes:
        size: Clips held; `fresh` of them are replaced after every `every` batches. A few large renewals are far
            cheaper on a GPU than many small ones.
    """

    size: int
    fresh: int
    device: torch.device
    every: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        self.clips, self.truth = self._rendered(self.size)
        self._next = self._calls = 0
        self._picker = torch.Generator(self.device).manual_seed(1)

    def _rendered(self, count: int) -> tuple[Tensor, Truth]:
        self.seed += 2
        specs = training_specs(self.seed, count)
        parts = [
            render(specs[i : i + 256], device=self.device, chunk=256)[:, ::READ_EVERY].half()
            for i in range(0, count, 256)
        ]
        return torch.cat(parts), truth_of(specs, self.device)

    def _renew(self) -> None:
        clips, truth = self._rendered(self.fresh)
        rows = (torch.arange(self.fresh, device=self.device) + self._next) % self.size
        self._next = (self._next + self.fresh) % self.size
        self.clips[rows] = clips
        for item in fields(Truth):
            getattr(self.truth, item.name)[rows] = getattr(truth, item.name)

    def batch(self, count: int) -> tuple[Tensor, Truth]:
        """Random clips (count, T, 3, H, W) and their truth."""
        self._calls += 1
        if self._calls % self.every == 0:
            self._renew()
        pick = torch.randint(self.size, (count,), generator=self._picker, device=self.device)
        return self.clips[pick].float(), Truth(*(getattr(self.truth, item.name)[pick] for item in fields(Truth)))


def _each_frame(target: Tensor, frames: int) -> Tensor:
    return target[:, None].expand(-1, frames, *target.shape[1:])


def _chosen(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Cross entropy over the last axis where `weight` is not 0."""
    flat = functional.cross_entropy(logits.flatten(0, -2), target.flatten(), reduction="none")
    return (flat * weight.flatten()).sum() / weight.sum().clamp(min=1)


def _near(values: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    return ((values - target).abs().mean(-1) * weight).sum() / weight.sum().clamp(min=1)


def reading_loss(answers: Answers, truth: Truth) -> Tensor:
    """Sum of all parts; what belongs to a character counts only where it is present."""
    frames = answers.scene["place"].shape[1]
    here = _each_frame(truth.present, frames)
    thing = _each_frame(truth.prop, frames)
    figures, scene = answers.figures, answers.scene
    loss = 4 * functional.binary_cross_entropy_with_logits(figures["present"][..., 0], here)
    for name in ("coat", "outfit"):
        loss = loss + 4 * _near(figures[name], _each_frame(getattr(truth, name), frames), here)
    for name in ("hat", "pattern"):
        loss = loss + 0.5 * _chosen(figures[name], _each_frame(getattr(truth, name), frames), here)
    scarf = functional.binary_cross_entropy_with_logits(
        figures["scarf"][..., 0], _each_frame(truth.scarf, frames), reduction="none"
    )
    loss = loss + 0.5 * (scarf * here).sum() / here.sum().clamp(min=1)
    loss = loss + 2 * functional.binary_cross_entropy_with_logits(answers.props["present"][..., 0], thing)
    loss = loss + _near(answers.props["colour"], _each_frame(truth.prop_colour, frames), thing)
    for name in ("place", "time", "size"):
        target = _each_frame(getattr(truth, name), frames)
        loss = loss + 0.5 * _chosen(scene[name], target, torch.ones_like(target, dtype=torch.float32))
    loss = loss + 2 * (scene["palette"] - _each_frame(truth.palette, frames)).abs().mean()
    loss = loss + _chosen(answers.motion, truth.motion, truth.present)
    return loss + 0.5 * functional.cross_entropy(answers.pan, truth.pan)


def _share(right: Tensor, weight: Tensor | None = None) -> float:
    count = weight if weight is not None else torch.ones_like(right, dtype=torch.float32)
    return float((right.float() * count).sum() / count.sum().clamp(min=1))


def _scores(answers: Answers, truth: Truth) -> dict[str, float]:
    """Accuracy by part over whole clips (answers averaged over the frames), colours as mean absolute error."""
    figure = {name: value.float().mean(1) for name, value in answers.figures.items()}
    scene = {name: value.float().mean(1) for name, value in answers.scene.items()}
    prop = answers.props["present"].float().mean(1)[..., 0]
    here = truth.present
    return {
        "presence": _share((figure["present"][..., 0] > 0) == (here > 0.5)),
        "cast": _share(((figure["present"][..., 0] > 0) == (here > 0.5)).all(1)),
        "coat_error": float(_near(figure["coat"], truth.coat, here)),
        "outfit_error": float(_near(figure["outfit"], truth.outfit, here)),
        "hat": _share(figure["hat"].argmax(-1) == truth.hat, here),
        "scarf": _share((figure["scarf"][..., 0] > 0) == (truth.scarf > 0.5), here),
        "pattern": _share(figure["pattern"].argmax(-1) == truth.pattern, here),
        "motion": _share(answers.motion.argmax(-1) == truth.motion, here),
        "prop": _share(((prop > 0) == (truth.prop > 0.5)).all(1)),
        "pan": _share(answers.pan.argmax(-1) == truth.pan),
        "palette_error": float((scene["palette"] - truth.palette).abs().mean()),
    } | {name: _share(scene[name].argmax(-1) == getattr(truth, name)) for name in ("place", "time", "size")}


@torch.no_grad()
def accuracy(readout: Readout, device: torch.device, clips: int = 512, seed: int = 1) -> dict[str, float]:
    """How well a read-out reads real renders of unseen clips; colours and palettes as mean absolute error."""
    specs = training_specs(seed, clips)
    found: list[dict[str, float]] = []
    for start in range(0, clips, 64):
        part = specs[start : start + 64]
        answers = readout(render(part, device=device)[:, ::READ_EVERY])
        found.append(_scores(answers, truth_of(part, device)))
    return {name: sum(scores[name] for scores in found) / len(found) for name in found[0]}


def train(minutes: float, device: torch.device, batch: int, pool: RenderedPool) -> tuple[Readout, Sequence[float]]:
    """Train for so many minutes; returns the averaged network and the loss curve (every 50 steps)."""
    torch.manual_seed(0)
    readout = Readout().to(device)
    mean = AveragedModel(readout, avg_fn=lambda old, new, _: torch.lerp(old, new.to(old.dtype), 0.005))
    optimizer = torch.optim.AdamW(readout.parameters(), lr=1e-3, weight_decay=0.01)
    noise = torch.Generator(device).manual_seed(0)
    start, curve, step = time.monotonic(), list[float](), 0
    while (done := (time.monotonic() - start) / (60 * minutes)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * min(1.0, (step + 1) / 200, 2 * (1 - done) + 0.02)
        clips, truth = pool.batch(batch)
        faulty = softened(clips.flatten(0, 1), noise).view(clips.shape)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            answers = readout(faulty)
        loss = reading_loss(answers, truth)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(readout.parameters(), 1.0)
        optimizer.step()
        mean.update_parameters(readout)
        if step % 50 == 0:
            curve.append(float(loss.detach()))
            log.info("step %d loss %.3f", step, curve[-1])
        step += 1
    if step > 500:
        readout.load_state_dict(mean.module.state_dict())
    return readout.eval(), curve


def main(
    out: Annotated[Path, typer.Option(help="Folder for the weights.")],
    minutes: Annotated[float, typer.Option(help="Training time.")] = 3.0,
    device: Annotated[str, typer.Option(help="cuda or cpu.")] = "cuda",
    batch: Annotated[int, typer.Option(help="Clips a step.")] = 64,
    pool: Annotated[int, typer.Option(help="Rendered clips kept at hand.")] = 4096,
    test_clips: Annotated[int, typer.Option(help="Unseen clips to measure on.")] = 1024,
) -> None:
    """Train the read-out and measure it."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    target = torch.device(device)
    readout, curve = train(minutes, target, batch, RenderedPool(pool, min(pool, 256), target))
    save_readout(readout, out)
    scores = accuracy(readout, target, test_clips)
    report = {"clips": test_clips, "minutes": minutes, "scores": scores, "loss_every_50_steps": curve}
    (out / "accuracy.json").write_text(json.dumps(report, indent=2) + "\n")
    log.info("accuracy on %d unseen clips: %s", test_clips, scores)


if __name__ == "__main__":
    typer.run(main)
