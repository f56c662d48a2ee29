"""Training the embedded model's base: a single-shot text- and frame-conditioned Wan transformer.

The text encoder has been trained before (`train_text`) and is frozen. No memory here: every sample is one clip with its
caption, conditioned on nothing, its first frame, or its first five frames. Memory is added afterwards by a LoRA alone
(`storymem_backbones.training.lora_loop`), in the paper's order.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from diffusers import WanTransformer3DModel
from pydantic import BaseModel, ConfigDict
from torch import nn

from storymem_backbones.training.averaging import AVERAGE_EVERY, WeightAverage
from storymem_backbones.training.budget import Budget, one_cycle
from storymem_backbones.training.draw import Draw
from storymem_backbones.training.flow import SigmaRange, flow_loss
from storymem_backbones.training.graphed import GraphedSteps, adamw, learning_rate, set_learning_rate
from storymem_backbones.training.muon import Muon
from storymem_storyworld.train.story_pool import StoryPool

if TYPE_CHECKING:
    from accelerate import Accelerator


class BaseSettings(BaseModel):
    """Architecture and optimisation.

    Attributes:
        muon_learning_rate: For the matrices inside blocks (Muon); everything else uses AdamW.
        conditioned: Share of samples that are given the first frame or the first five.
        shift: Of the noise levels, see `SigmaRange`.
        start_from: Folder of a transformer to continue from, instead of a new one.
        average_every: Steps between averagings of the ranks' weights (`averaging`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    layers: int = 9
    heads: int = 4
    head_dim: int = 64
    ffn_dim: int = 1024
    batch: int = 96
    seconds: float = 260
    learning_rate: float = 1e-3
    muon_learning_rate: float = 2.5e-3
    weight_decay: float = 0.01
    conditioned: float = 0.4
    text_dropout: float = 0.1
    shift: float = 3.0
    start_from: Path | None = None
    average_every: int = AVERAGE_EVERY
    compile: bool = True
    seed: int = 0


@dataclass(frozen=True)
class BasePoint:
    """Mean loss since the last point of the curve."""

    step: int
    loss: float


def new_transformer(settings: BaseSettings, text_dim: int) -> WanTransformer3DModel:
    """An untrained transformer with the input channels of Wan's image-to-video models."""
    return WanTransformer3DModel(
        patch_size=(1, 2, 2),
        num_attention_heads=settings.heads,
        attention_head_dim=settings.head_dim,
        in_channels=36,
        out_channels=16,
        text_dim=text_dim,
        freq_dim=128,
        ffn_dim=settings.ffn_dim,
        num_layers=settings.layers,
        rope_max_seq_len=256,
    )


def draw_single_shots(clips: int, settings: BaseSettings, generator: torch.Generator) -> Draw:
    """A batch of clips that remember nothing."""
    count = settings.batch
    target = torch.randint(clips, (count,), generator=generator)
    known = torch.rand(count, generator=generator) < settings.conditioned
    silent = torch.rand(count, generator=generator) < settings.text_dropout
    nothing = torch.empty(count, 0, dtype=torch.long)
    return Draw(target, nothing, nothing, known.long(), silent)


def optimizers(
    model: WanTransformer3DModel, settings: BaseSettings, recorded_on: torch.device | None
) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the transformer's blocks, AdamW for the rest; for steps recorded there, if any are."""
    trained = dict(model.named_parameters())
    matrices = [p for name, p in trained.items() if p.ndim == 2 and name.startswith("blocks.")]
    chosen = {id(p) for p in matrices}
    rest = [p for p in trained.values() if id(p) not in chosen]
    decay = settings.weight_decay
    return [
        Muon(matrices, learning_rate(settings.muon_learning_rate, recorded_on), decay),
        adamw(rest, settings.learning_rate, recorded_on, weight_decay=decay, betas=(0.9, 0.98)),
    ]


class BaseTrainer:
    """One model being trained on encoded clips.

    Args:
        model: On the accelerator's device.
        pool: Clips, with embeddings as text.
        accelerator: One already started; ranks train side by side and average their weights.
        settings: How.
    """

    def __init__(
        self, model: WanTransformer3DModel, pool: StoryPool, accelerator: Accelerator, settings: BaseSettings
    ) -> None:
        self.model = model
        self._pool, self._accelerator, self._settings = pool, accelerator, settings
        self._sigmas = SigmaRange(settings.shift, density="logit_normal")
        device = accelerator.device
        if settings.compile:
            model.compile_repeated_blocks()
        self._trained = list(model.parameters())
        self._steppers = optimizers(model, settings, device if device.type == "cuda" else None)
        self._rates = (settings.muon_learning_rate, settings.learning_rate)
        self._update = GraphedSteps(self._optimise, device)
        self._average = WeightAverage(self._trained, settings.average_every)
        seed = 1 + settings.seed * 1000 + accelerator.process_index
        self._generator = torch.Generator(device).manual_seed(seed)
        self._choices = torch.Generator().manual_seed(seed)

    def train(self) -> tuple[int, list[BasePoint]]:
        """Train to the end of the budget; returns the steps done and the curve."""
        budget = Budget(None, self._settings.seconds, self._accelerator.device)
        curve: list[BasePoint] = []
        losses: list[torch.Tensor] = []
        step = 0
        while (progress := budget.progress(step)) < 1:
            for stepper, rate in zip(self._steppers, self._rates, strict=True):
                set_learning_rate(stepper, rate * one_cycle(progress))
            losses.append(self._step())
            step += 1
            self._average(step)
            if step % 100 == 0:
                curve.append(BasePoint(step, float(torch.stack(losses).mean())))
                losses.clear()
        self._average.now()
        return step, curve

    def _step(self) -> torch.Tensor:
        batch = self._pool.gather(draw_single_shots(self._pool.size.clips, self._settings, self._choices))
        return self._update(**batch.noisy(self._sigmas, self._generator))

    def _optimise(
        self, inputs: torch.Tensor, sigma: torch.Tensor, text: torch.Tensor, flow: torch.Tensor, **weight: torch.Tensor
    ) -> torch.Tensor:
        with self._accelerator.autocast():
            predicted = self.model(inputs, 1000 * sigma, text, return_dict=False)[0]
        loss = flow_loss(predicted, flow, 0, 0.0, **weight)
        self._accelerator.backward(loss)
        nn.utils.clip_grad_norm_(self._trained, 1.0)
        for stepper in self._steppers:
            stepper.step()
            stepper.zero_grad()
        return loss.detach()


def base_model(settings: BaseSettings, text_dim: int) -> WanTransformer3DModel:
    """A new model, or the one to continue from; float32, on the CPU."""
    torch.manual_seed(settings.seed)
    if settings.start_from is None:
        return new_transformer(settings, text_dim)
    return WanTransformer3DModel.from_pretrained(settings.start_from / "transformer").float()


def train_base(
    model: WanTransformer3DModel, pool: StoryPool, accelerator: Accelerator, settings: BaseSettings, folder: Path
) -> None:
    """Train on encoded clips; save the transformer (float32) below `folder`."""
    steps, curve = BaseTrainer(model, pool, accelerator, settings).train()
    if accelerator.is_main_process:
        model.save_pretrained(folder / "transformer")
        text = {
            "settings": settings.model_dump(mode="json"),
            "steps": steps,
            "curve": [vars(point) for point in curve],
        }
        (folder / "base.json").write_text(json.dumps(text, indent=1))
    accelerator.wait_for_everyone()
