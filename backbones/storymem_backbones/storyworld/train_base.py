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

from storymem_backbones.training.batch import M2VBatch
from storymem_backbones.training.budget import Budget, one_cycle
from storymem_backbones.training.clips import ClipTensors
from storymem_backbones.training.flow import SigmaRange, add_noise, flow_loss
from storymem_backbones.training.muon import Muon

if TYPE_CHECKING:
    from accelerate import Accelerator


class BaseSettings(BaseModel):
    """Architecture and optimisation.

    Attributes:
        muon_learning_rate: For the matrices inside blocks (Muon); everything else uses AdamW.
        first_frame: Share of samples, see `training.draw.SampleSettings`.
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

    def forward(self, inputs: torch.Tensor, sigma: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """Noisy and conditioning channels (B, 36, T, h, w), noise levels (B,), token ids (B, L) -> flow."""
        text = embed_text(self.text_encoder, tokens)
        flow: torch.Tensor = self.transformer(inputs, 1000 * sigma, text, return_dict=False)[0]
        return flow


def draw_batch(
    clips: ClipTensors, tokens: torch.Tensor, settings: BaseSettings, generator: torch.Generator
) -> tuple[M2VBatch, torch.Tensor]:
    """A batch without memory, and its token ids (B, L); all on the clips' device."""
    device, count = clips.video.device, settings.batch
    target = torch.randint(len(clips.video), (count,), generator=generator, device=device)
    draw = torch.rand(count, generator=generator, device=device)
    known = (draw < settings.first_frame + settings.motion_frames).long() + (draw < settings.motion_frames).long()
    ids = tokens[target].clone()
    ids[torch.rand(count, generator=generator, device=device) < settings.text_dropout] = _empty(ids)
    shape = (-1, 1, 1, 1, 1)
    condition = torch.where((known == 1).view(shape), clips.first[target], clips.motion[target])
    condition = torch.where((known == 0).view(shape), clips.no_condition[None], condition).float()
    video = clips.video[target].float()
    return M2VBatch(video, video[:, :, :0], condition, known, ids), ids


def _empty(ids: torch.Tensor) -> torch.Tensor:
    """The empty text: the end token alone, (L,)."""
    empty = torch.zeros_like(ids[0])
    empty[0] = 1
    return empty


def optimizers(model: TextToVideo, settings: BaseSettings) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the transformer's blocks, AdamW for the rest."""
    matrices = [
        p for n, p in model.named_parameters() if p.ndim == 2 and ".blocks." in f".{n}" and "text_encoder" not in n
    ]
    chosen = {id(p) for p in matrices}
    rest = [p for p in model.parameters() if id(p) not in chosen]
    return [
        Muon(matrices, settings.muon_learning_rate, settings.weight_decay),
        torch.optim.AdamW(rest, lr=settings.learning_rate, weight_decay=settings.weight_decay, betas=(0.9, 0.98)),
    ]


def train_base(
    clips: ClipTensors,
    tokens: torch.Tensor,
    vocabulary: int,
    accelerator: Accelerator,
    settings: BaseSettings,
    folder: Path,
) -> TextToVideo:
    """Train on encoded clips and their token ids; save transformer and text encoder (float32) below `folder`."""
    torch.manual_seed(settings.seed)
    model = TextToVideo(new_transformer(settings), new_text_encoder(settings, vocabulary)).to(accelerator.device)
    if settings.compile:
        model.transformer.compile_repeated_blocks()
    wrapped = accelerator.prepare(model)
    steppers = optimizers(model, settings)
    rates = [group["lr"] for stepper in steppers for group in stepper.param_groups]
    generator = torch.Generator(accelerator.device).manual_seed(1 + settings.seed * 1000 + accelerator.process_index)
    budget = Budget(None, settings.seconds, accelerator.device)
    curve: list[BasePoint] = []
    losses: list[torch.Tensor] = []
    step = 0
    while (progress := budget.progress(step)) < 1:
        for rate, group in zip(rates, (g for s in steppers for g in s.param_groups), strict=True):
            group["lr"] = rate * one_cycle(progress)
        loss = _loss(wrapped, clips, tokens, accelerator, settings, generator)
        accelerator.backward(loss)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for stepper in steppers:
            stepper.step()
            stepper.zero_grad()
        losses.append(loss.detach())
        step += 1
        if step % 100 == 0:
            curve.append(BasePoint(step, float(torch.stack(losses).mean())))
            losses.clear()
    if accelerator.is_main_process:
        model.transformer.save_pretrained(folder / "transformer")
        model.text_encoder.save_pretrained(folder / "text_encoder")
        text = {"settings": settings.model_dump(), "steps": step, "curve": [vars(point) for point in curve]}
        (folder / "base_training.json").write_text(json.dumps(text, indent=1))
    accelerator.wait_for_everyone()
    return model


def _loss(
    model: nn.Module,
    clips: ClipTensors,
    tokens: torch.Tensor,
    accelerator: Accelerator,
    settings: BaseSettings,
    generator: torch.Generator,
) -> torch.Tensor:
    batch, ids = draw_batch(clips, tokens, settings, generator)
    noise = torch.randn(batch.video.shape, generator=generator, device=batch.video.device)
    sigma = SigmaRange(settings.shift, density="logit_normal").draw(len(noise), generator)
    inputs = torch.cat([add_noise(batch.video, noise, sigma), batch.conditioning()], dim=1)
    with accelerator.autocast():
        predicted = model(inputs, sigma, ids)
    return flow_loss(predicted, batch.video, noise, 0, 0.0)
