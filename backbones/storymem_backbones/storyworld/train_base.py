"""Training the embedded model's base: a single-shot text- and frame-conditioned Wan transformer with its text encoder.

No memory here: every sample is one clip with its caption, conditioned on nothing, its first frame, or its first five
frames. Memory is added afterwards by a LoRA alone (`training.lora_loop`), in the paper's order.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from diffusers import WanTransformer3DModel
from pydantic import BaseModel, ConfigDict
from torch import nn
from transformers import UMT5Config, UMT5EncoderModel

from storymem_backbones.training.batch import M2VBatch
from storymem_backbones.training.budget import Budget, one_cycle
from storymem_backbones.training.clips import ClipTensors
from storymem_backbones.training.flow import SigmaRange, flow_loss
from storymem_backbones.training.graphed import GraphedSteps, adamw, learning_rate, set_learning_rate
from storymem_backbones.training.muon import Muon

if TYPE_CHECKING:
    from accelerate import Accelerator


class BaseSettings(BaseModel):
    """Architecture and optimisation.

    Attributes:
        muon_learning_rate: For the matrices inside blocks (Muon); everything else uses AdamW.
        first_frame: Share of samples, see `training.draw.SampleSettings`.
        start_from: Folder of a transformer and a text encoder to go on from, instead of new ones. The text encoder is
            then frozen, so that a LoRA trained with it stays right, and on one GPU steps are recorded (`graphed`).
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
    first_frame: float = 0.3
    motion_frames: float = 0.2
    text_dropout: float = 0.1
    shift: float = 3.0
    start_from: Path | None = None
    compile: bool = True
    seed: int = 0


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


def draw_batch(
    clips: ClipTensors, tokens: torch.Tensor, settings: BaseSettings, generator: torch.Generator
) -> M2VBatch:
    """A batch without memory, on the clips' device; its text is ids (B, L) where the clips have no embeddings."""
    device, count = clips.video.device, settings.batch
    target = torch.randint(len(clips.video), (count,), generator=generator, device=device)
    draw = torch.rand(count, generator=generator, device=device)
    known = (draw < settings.first_frame + settings.motion_frames).long() + (draw < settings.motion_frames).long()
    silent = torch.rand(count, generator=generator, device=device) < settings.text_dropout
    video, weight = clips.video[target].float(), None if clips.weight is None else clips.weight[target].float()
    texts, nothing = (clips.text, clips.no_text) if clips.text.numel() else (tokens, _empty(tokens[0]))
    text = torch.where(silent.view(-1, *[1] * nothing.ndim), nothing[None], texts[target])
    text = text.float() if text.is_floating_point() else text
    return M2VBatch(video, video[:, :, :0], clips.conditions(target, known).float(), known, text, weight)


def _empty(ids: torch.Tensor) -> torch.Tensor:
    """The empty text: the end token alone, (L,)."""
    empty = torch.zeros_like(ids)
    empty[0] = 1
    return empty


@torch.no_grad()
def with_text(clips: ClipTensors, tokens: torch.Tensor, encoder: UMT5EncoderModel) -> ClipTensors:
    """The clips with their embeddings (bfloat16) of a text encoder that is not trained any more."""
    text = torch.cat([embed_text(encoder, part).bfloat16() for part in torch.split(tokens, 4096)])
    return replace(clips, text=text, no_text=embed_text(encoder, _empty(tokens[0])[None])[0].bfloat16())


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
        clips: What on, see `ClipTensors`.
        tokens: Their token ids (N, L).
        vocabulary: Tokens there are.
        accelerator: One already started.
        settings: How.
    """

    def __init__(
        self,
        clips: ClipTensors,
        tokens: torch.Tensor,
        vocabulary: int,
        accelerator: Accelerator,
        settings: BaseSettings,
    ) -> None:
        self._accelerator, self._settings, self._tokens = accelerator, settings, tokens
        self._sigmas = SigmaRange(settings.shift, density="logit_normal")
        device = accelerator.device
        self.model = _model(settings, vocabulary).to(device)
        self._clips = with_text(clips, tokens, self.model.text_encoder) if settings.start_from else clips
        if settings.compile:
            self.model.transformer.compile_repeated_blocks()
        self._wrapped = accelerator.prepare(self.model)
        recorded = settings.start_from is not None and device.type == "cuda" and accelerator.num_processes == 1
        self._steppers = optimizers(self.model, settings, device if recorded else None)
        self._rates = (settings.muon_learning_rate, settings.learning_rate)
        self._update = GraphedSteps(self._optimise, device) if recorded else self._optimise
        self._generator = torch.Generator(device).manual_seed(1 + settings.seed * 1000 + accelerator.process_index)

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
            if step % 100 == 0:
                curve.append(BasePoint(step, float(torch.stack(losses).mean())))
                losses.clear()
        return step, curve

    def _step(self) -> torch.Tensor:
        batch = draw_batch(self._clips, self._tokens, self._settings, self._generator)
        return self._update(**batch.noisy(self._sigmas, self._generator))

    def _optimise(
        self, inputs: torch.Tensor, sigma: torch.Tensor, text: torch.Tensor, flow: torch.Tensor, **weight: torch.Tensor
    ) -> torch.Tensor:
        with self._accelerator.autocast():
            predicted = self._wrapped(inputs, sigma, text)
        loss = flow_loss(predicted, flow, 0, 0.0, **weight)
        self._accelerator.backward(loss)
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for stepper in self._steppers:
            stepper.step()
            stepper.zero_grad()
        return loss.detach()


def _model(settings: BaseSettings, vocabulary: int) -> TextToVideo:
    torch.manual_seed(settings.seed)
    if settings.start_from is None:
        return TextToVideo(new_transformer(settings), new_text_encoder(settings, vocabulary))
    transformer = WanTransformer3DModel.from_pretrained(settings.start_from / "transformer")
    encoder = UMT5EncoderModel.from_pretrained(settings.start_from / "text_encoder")
    return TextToVideo(transformer.float(), encoder.float().requires_grad_(False).eval())


def train_base(
    clips: ClipTensors,
    tokens: torch.Tensor,
    vocabulary: int,
    accelerator: Accelerator,
    settings: BaseSettings,
    folder: Path,
) -> TextToVideo:
    """Train on encoded clips and their token ids; save transformer and text encoder (float32) below `folder`."""
    trainer = BaseTrainer(clips, tokens, vocabulary, accelerator, settings)
    steps, curve = trainer.train()
    if accelerator.is_main_process:
        trainer.model.transformer.save_pretrained(folder / "transformer")
        trainer.model.text_encoder.save_pretrained(folder / "text_encoder")
        text = {
            "settings": settings.model_dump(mode="json"),
            "steps": steps,
            "curve": [vars(point) for point in curve],
        }
        (folder / "base_training.json").write_text(json.dumps(text, indent=1))
    accelerator.wait_for_everyone()
    return trainer.model
