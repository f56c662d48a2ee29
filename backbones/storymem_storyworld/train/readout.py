"""Train the read-out on fresh renders, and measure it on clips it has never seen.

    python -m storymem_storyworld.train.readout --out DIR --seconds 110

The seconds are those of rendering and training together. Clips are rendered once and stay on the device as bytes;
what is trained on is their mirror images as well. Training clips come from even seeds, test clips from odd ones.
Writes the weights and `accuracy.json`.

A network that has seen renders alone doubts the softer pictures of a model. Once there is a model, it continues with
clips as that model shows them, from what its autoencoder alone leaves to what it makes of much noise:

    python -m storymem_storyworld.train.readout --out DIR --start-from DIR --model FOLDER --seconds 240 \
        --learning-rate 1e-3 --render-clips 6144 --regenerated 6144
"""

from __future__ import annotations

import copy
import json
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import Tensor
from torch.nn import functional

from storymem_backbones.training.budget import one_cycle
from storymem_backbones.training.graphed import set_learning_rate
from storymem_storyworld.readout.read import Answers, Readout, save_readout, stored_config
from storymem_storyworld.readout.truth import Truth
from storymem_storyworld.train.readout_accuracy import accuracy, scores_on
from storymem_storyworld.train.readout_pool import RenderedPool, joined, regenerated_pool, rendered_pool, wait

log = logging.getLogger(__name__)

_SHOWN_TEST_CLIPS, _SHOWN_TEST_SEED = 64, 2_000_001
_MEMORY = 0.995  # of the average of the weights, once it has one


def _each_frame(target: Tensor, frames: int) -> Tensor:
    return target[:, None].expand(-1, frames, *target.shape[1:])


def _chosen(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Cross entropy over the last axis where `weight` is not 0."""
    flat = functional.cross_entropy(logits.flatten(0, -2), target.flatten(), reduction="none")
    return (flat * weight.flatten()).sum() / weight.sum().clamp(min=1)


def _near(values: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    return ((values - target).abs().mean(-1) * weight).sum() / weight.sum().clamp(min=1)


def _accessory_loss(figures: dict[str, Tensor], truth: Truth, frames: int) -> Tensor:
    """What is worn and in what colour; looking for its colour is how a network soon finds where to look."""
    here = _each_frame(truth.present, frames)
    loss = torch.zeros((), device=here.device)
    for name in ("hat", "pattern"):
        loss = loss + _chosen(figures[name], _each_frame(getattr(truth, name), frames), here)
    worn = _each_frame(truth.scarf, frames)
    scarf = functional.binary_cross_entropy_with_logits(figures["scarf"][..., 0], worn, reduction="none")
    loss = loss + (scarf * here).sum() / here.sum().clamp(min=1)
    hat = here * (_each_frame(truth.hat, frames) > 0)
    for name, weight in (("hat_colour", hat), ("scarf_colour", worn * here)):
        loss = loss + 4 * _near(figures[name], _each_frame(getattr(truth, name), frames), weight)
    return loss


def _figure_loss(figures: dict[str, Tensor], truth: Truth, frames: int) -> Tensor:
    here = _each_frame(truth.present, frames)
    loss = 6 * functional.binary_cross_entropy_with_logits(figures["present"][..., 0], here)
    twice = _each_frame(truth.twice, frames)
    counted = functional.binary_cross_entropy_with_logits(figures["twice"][..., 0], twice, reduction="none")
    loss = loss + (counted * here).sum() / here.sum().clamp(min=1)
    for name in ("coat", "outfit"):
        loss = loss + 6 * _near(figures[name], _each_frame(getattr(truth, name), frames), here)
    return loss + _accessory_loss(figures, truth, frames)


def _scene_loss(scene: dict[str, Tensor], truth: Truth, frames: int) -> Tensor:
    loss = 4 * (scene["palette"] - _each_frame(truth.palette, frames)).abs().mean()
    for name in ("place", "time", "size"):
        target = _each_frame(getattr(truth, name), frames)
        loss = loss + 0.5 * _chosen(scene[name], target, torch.ones_like(target, dtype=torch.float32))
    return loss


def reading_loss(answers: Answers, truth: Truth) -> Tensor:
    """Sum of all parts; what belongs to a character counts only where it is present."""
    frames = answers.scene["place"].shape[1]
    thing = _each_frame(truth.prop, frames)
    loss = _figure_loss(answers.figures, truth, frames) + _scene_loss(answers.scene, truth, frames)
    loss = loss + 3 * functional.binary_cross_entropy_with_logits(answers.props["present"][..., 0], thing)
    loss = loss + 2 * _near(answers.props["colour"], _each_frame(truth.prop_colour, frames), thing)
    loss = loss + _chosen(answers.motion, truth.motion, truth.present)
    return loss + functional.cross_entropy(answers.pan, truth.pan)


class _Average:
    """A copy of a network that follows the mean of its weights and statistics, without waiting for the device."""

    def __init__(self, source: Readout) -> None:
        self.network = copy.deepcopy(source)
        self._means, self._values = _numbers(self.network), _numbers(source)

    def follow(self, step: int) -> None:
        """Move towards the source after `step` steps; at first faster than later."""
        memory = min(_MEMORY, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._means, self._values, 1 - memory)


def _numbers(network: Readout) -> list[Tensor]:
    return [value for value in network.state_dict().values() if value.is_floating_point()]


def earlier_readout(folder: Path) -> Readout:
    """A read-out to continue from; what today's answers more than it did begins at nothing."""
    from safetensors.torch import load_file

    stored = load_file(str(folder / "model.safetensors"))
    readout = Readout(stored_config(folder))
    for name, fresh in readout.state_dict().items():
        old = stored[name]
        padding = [0] * (2 * old.ndim - 1) + [fresh.shape[0] - old.shape[0]] if old.ndim else [0]
        stored[name] = functional.pad(old.float(), padding) if old.shape != fresh.shape else old
    readout.load_state_dict(stored)
    return readout


@dataclass(frozen=True)
class Curve:
    """Steps made and the mean loss of every hundred."""

    steps: int
    losses: tuple[float, ...]


@dataclass(frozen=True)
class TrainingSettings:
    """How to train.

    Attributes:
        seconds: Wall-clock time of the training alone.
        batch: Clips a step.
        learning_rate: At its highest.
        fused: Compile the convolutions, within those seconds.
    """

    seconds: float
    batch: int = 64
    learning_rate: float = 2e-3
    fused: bool = False


class _Trainer:
    """One network, its average and what it is trained with."""

    def __init__(self, pool: RenderedPool, readout: Readout, settings: TrainingSettings) -> None:
        self.pool, self.settings, self.device = pool, settings, pool.clips.device
        self.readout = readout.to(self.device).train()
        self.average = _Average(self.readout)
        self.optimizer = torch.optim.AdamW(
            self.readout.parameters(), lr=settings.learning_rate, weight_decay=0.01, fused=self.device.type == "cuda"
        )
        self.generator = torch.Generator(self.device).manual_seed(1)
        self.losses: list[Tensor] = []
        if settings.fused:
            self.readout.trunk.compile()

    def step(self, progress: float) -> None:
        """One step at this share of the run; the host runs ahead of the device."""
        set_learning_rate(self.optimizer, self.settings.learning_rate * one_cycle(progress, warmup=0.05))
        clips, truth = self.pool.batch(self.settings.batch, self.generator)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            answers = self.readout(clips)
        loss = reading_loss(answers, truth)
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.readout.parameters(), 1.0)
        self.optimizer.step()
        self.average.follow(len(self.losses))
        self.losses.append(loss.detach())

    def curve(self) -> Curve:
        """What the run was like."""
        means = [torch.stack(self.losses[i : i + 100]).mean() for i in range(0, len(self.losses), 100)]
        return Curve(len(self.losses), tuple(float(mean) for mean in means))


def train(pool: RenderedPool, settings: TrainingSettings, start: Readout | None = None) -> tuple[Readout, Curve]:
    """Train a new network, or continue with one; returns the averaged network, ready to read."""
    torch.manual_seed(0)
    trainer = _Trainer(pool, start or Readout(), settings)
    began = time.monotonic()
    while (progress := (time.monotonic() - began) / settings.seconds) < 1:
        trainer.step(progress)
        if len(trainer.losses) % 20 == 0:
            wait(trainer.device)  # or the clock would run behind the queue of work
    curve = trainer.curve()
    log.info(
        "%d steps, loss %s", curve.steps, [round(loss, 2) for loss in curve.losses[:: max(1, curve.steps // 2000)]]
    )
    return trainer.average.network.eval(), curve


def main(  # noqa: PLR0913, PLR0917 - a command's options
    out: Annotated[Path, typer.Option(help="Folder for the weights.")],
    seconds: Annotated[float, typer.Option(help="Time for rendering and training together.")] = 110.0,
    render_clips: Annotated[int, typer.Option(help="Clips to render; fewer if a third of the time runs out.")] = 16384,
    start_from: Annotated[Path | None, typer.Option(help="Folder of a read-out to continue from.")] = None,
    model: Annotated[Path | None, typer.Option(help="Embedded model that shows further clips.")] = None,
    regenerated: Annotated[int, typer.Option(help="How many of those; their time is not counted.")] = 760,
    device: Annotated[str, typer.Option(help="cuda or cpu.")] = "cuda",
    batch: Annotated[int, typer.Option(help="Clips a step.")] = 64,
    learning_rate: Annotated[float, typer.Option(help="At its highest.")] = 2e-3,
    fused: Annotated[bool, typer.Option("--compile/--no-compile", help="Compile the convolutions.")] = False,
    test_clips: Annotated[int, typer.Option(help="Unseen clips to measure on.")] = 2048,
) -> None:
    """Train the read-out and measure it."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    target = torch.device(device)
    torch.backends.cudnn.benchmark = True  # all batches have the same shape
    shown = None if model is None else regenerated_pool(regenerated, model, target)
    began = time.monotonic()
    pool = rendered_pool(render_clips, target, seconds / 3)
    rest = seconds - (time.monotonic() - began)
    pool = pool if shown is None else joined(pool, shown)
    start = None if start_from is None else earlier_readout(start_from)
    readout, curve = train(pool, TrainingSettings(rest, batch, learning_rate, fused), start)
    save_readout(readout, out)
    report: dict[str, object] = {
        "test_clips": test_clips,
        "training_clips": len(pool.clips),
        "seconds": seconds,
        "steps": curve.steps,
        "scores": accuracy(readout, target, test_clips),
        "loss_every_100_steps": curve.losses,
    }
    if model is not None:
        unseen = regenerated_pool(_SHOWN_TEST_CLIPS, model, target, seed=_SHOWN_TEST_SEED)
        report["scores_as_the_model_shows_them"] = scores_on(readout, unseen)
    (out / "accuracy.json").write_text(json.dumps(report, indent=2) + "\n")
    log.info("accuracy on %d unseen clips: %s", test_clips, json.dumps(report["scores"], indent=1))


if __name__ == "__main__":
    typer.run(main)
