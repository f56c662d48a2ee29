"""Training the embedded model's base: a single-shot text- and frame-conditioned Wan transformer with its text encoder.

No memory here: every sample is one clip with its caption, conditioned on nothing, its first frame, or its first five
frames. Memory is added afterwards by a LoRA alone (`training.lora_loop`), in the paper's order.
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
from transformers import UMT5Config, UMT5EncoderModel

from storymem_backbones.training.averaging import AVERAGE_EVERY, WeightAverage
from storymem_backbones.training.budget import Budget, one_cycle
from storymem_backbones.training.draw import Draw
from storymem_backbones.training.flow import SigmaRange, flow_loss
from storymem_backbones.training.graphed import GraphedSteps, adamw, learning_rate, set_learning_rate
from storymem_backbones.training.muon import Muon
from storymem_backbones.training.story_pool import StoryPool, TextOf

if TYPE_CHECKING:
    from accelerate import Accelerator


class BaseSettings(BaseModel):
    """Architecture and optimisation.

    Attributes:
        muon_learning_rate: For the matrices inside blocks (Muon); everything else uses AdamW.
        conditioned: Share of samples that are given the first frame or the first five.
        shift: Of the noise levels, see `SigmaRange`.
        start_from: Folder of a transformer and a text encoder to go on from, instead of new ones.
        train_text: Train that text encoder too, which takes longer and makes a LoRA trained with it wrong until it is
            trained on; a new one always is trained.
        average_every: Steps between averagings of the ranks' weights (`averaging`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    layers: int = 9
    heads: int = 4
    head_dim: int = 64
    ffn_dim: int = 1024
    text_dim: int = 128
    text_layers: int = 2
    batch: int = 96
    seconds: float = 260
    learning_rate: float = 1e-3
    muon_learning_rate: float = 2.5e-3
    weight_decay: float = 0.01
    conditioned: float = 0.4
    text_dropout: float = 0.1
    shift: float = 3.0
    start_from: Path | None = None
    train_text: bool = False
    average_every: int = AVERAGE_EVERY
    compile: bool = True
    seed: int = 0

    @property
    def text_is_frozen(self) -> bool:
        """Whether the text encoder stays as it is."""
        return self.start_from is not None and not self.train_text


@dataclass(frozen=True)
class BasePoint:
    """Mean loss since the last point of the curve."""

    step: int
    loss: float


def new_transformer(settings: BaseSettings) -> WanTransformer3DModel:
    """An untrained transformer with the input channels of Wan's image-to-video models."""
    return WanTransformer3DModel(
        patch_size=(1, 2, 2),
        num_attention_heads=settings.heads,
        attention_head_dim=settings.head_dim,
        in_channels=36,
        out_channels=16,
        text_dim=settings.text_dim,
        freq_dim=128,
        ffn_dim=settings.ffn_dim,
        num_layers=settings.layers,
        rope_max_seq_len=256,
    )


def new_text_encoder(settings: BaseSettings, vocabulary: int) -> UMT5EncoderModel:
    """An untrained UMT5 encoder for a word-level vocabulary; token 0 pads, token 1 ends."""
    return UMT5EncoderModel(
        UMT5Config(
            vocab_size=vocabulary,
            d_model=settings.text_dim,
            d_kv=32,
            d_ff=2 * settings.text_dim,
            num_layers=settings.text_layers,
            num_heads=4,
            relative_attention_num_buckets=16,
            relative_attention_max_distance=32,
            dropout_rate=0.0,
            pad_token_id=0,
            eos_token_id=1,
        )
    )


def embed_text(encoder: UMT5EncoderModel, tokens: torch.Tensor) -> torch.Tensor:
    """Token ids (B, L), zero-padded, to embeddings (B, L, D), zero at the padding, as the pipeline makes them."""
    mask = tokens != 0
    hidden: torch.Tensor = encoder(tokens, attention_mask=mask.long()).last_hidden_state
    return hidden * mask.unsqueeze(-1)


class TextToVideo(nn.Module):
    """Transformer and text encoder as one module to train."""

    def __init__(self, transformer: WanTransformer3DModel, text_encoder: UMT5EncoderModel) -> None:
        super().__init__()
        self.transformer = transformer
        self.text_encoder = text_encoder

    def forward(self, inputs: torch.Tensor, sigma: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """Noisy and conditioning channels (B, 36, T, h, w), noise levels (B,), text -> flow (B, 16, T, h, w).

        Text is token ids (B, L), or embeddings (B, L, D) where the text encoder is not trained.
        """
        if not text.is_floating_point():
            text = embed_text(self.text_encoder, text)
        flow: torch.Tensor = self.transformer(inputs, 1000 * sigma, text, return_dict=False)[0]
        return flow


def frozen_text(encoder: UMT5EncoderModel) -> TextOf:
    """Text as embeddings (bfloat16) of an encoder that is not trained any more."""
    return lambda tokens: embed_text(encoder, tokens).bfloat16()


def draw_single_shots(clips: int, settings: BaseSettings, generator: torch.Generator) -> Draw:
    """A batch of clips that remember nothing."""
    count = settings.batch
    target = torch.randint(clips, (count,), generator=generator)
    known = torch.rand(count, generator=generator) < settings.conditioned
    silent = torch.rand(count, generator=generator) < settings.text_dropout
    nothing = torch.empty(count, 0, dtype=torch.long)
    return Draw(target, nothing, nothing, known.long(), silent)


def optimizers(
    model: TextToVideo, settings: BaseSettings, recorded_on: torch.device | None
) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the transformer's blocks, AdamW for the rest; for steps recorded there, if any are."""
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    matrices = [p for n, p in trained.items() if p.ndim == 2 and ".blocks." in f".{n}" and "text_encoder" not in n]
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
        pool: Clips, with embeddings as text if the text encoder is frozen.
        accelerator: One already started; ranks train side by side and average their weights.
        settings: How.
    """

    def __init__(self, model: TextToVideo, pool: StoryPool, accelerator: Accelerator, settings: BaseSettings) -> None:
        self.model = model
        self._pool, self._accelerator, self._settings = pool, accelerator, settings
        self._sigmas = SigmaRange(settings.shift, density="logit_normal")
        device = accelerator.device
        if settings.compile:
            model.transformer.compile_repeated_blocks()
        self._trained = [p for p in model.parameters() if p.requires_grad]
        # A text encoder that is trained reads values back to the host, which a recorded step may not.
        recorded = settings.text_is_frozen and device.type == "cuda"
        self._steppers = optimizers(model, settings, device if recorded else None)
        self._rates = (settings.muon_learning_rate, settings.learning_rate)
        self._update = GraphedSteps(self._optimise, device) if recorded else self._optimise
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
            predicted = self.model(inputs, sigma, text)
        loss = flow_loss(predicted, flow, 0, 0.0, **weight)
        self._accelerator.backward(loss)
        nn.utils.clip_grad_norm_(self._trained, 1.0)
        for stepper in self._steppers:
            stepper.step()
            stepper.zero_grad()
        return loss.detach()


def base_model(settings: BaseSettings, vocabulary: int) -> TextToVideo:
    """A new model, or the one to go on from; float32, on the CPU."""
    torch.manual_seed(settings.seed)
    if settings.start_from is None:
        return TextToVideo(new_transformer(settings), new_text_encoder(settings, vocabulary))
    transformer = WanTransformer3DModel.from_pretrained(settings.start_from / "transformer")
    encoder = UMT5EncoderModel.from_pretrained(settings.start_from / "text_encoder")
    return TextToVideo(transformer.float(), encoder.float().requires_grad_(settings.train_text).eval())


def train_base(
    model: TextToVideo, pool: StoryPool, accelerator: Accelerator, settings: BaseSettings, folder: Path
) -> None:
    """Train on encoded clips; save transformer and text encoder (float32) below `folder`."""
    steps, curve = BaseTrainer(model, pool, accelerator, settings).train()
    if accelerator.is_main_process:
        model.transformer.save_pretrained(folder / "transformer")
        model.text_encoder.save_pretrained(folder / "text_encoder")
        text = {
            "settings": settings.model_dump(mode="json"),
            "steps": steps,
            "curve": [vars(point) for point in curve],
        }
        (folder / "base.json").write_text(json.dumps(text, indent=1))
    accelerator.wait_for_everyone()
