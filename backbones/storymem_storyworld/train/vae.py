"""Training the embedded model's VAE on storyworld clips.

An AutoencoderKLWan like the big one, only smaller: it works on 2x2-pixel patches, so its widest layers see a quarter
of the pixels and decode in about a second on two CPU cores. Knows nothing about stories: a callable hands it clips.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from diffusers import AutoencoderKLWan
from diffusers.models.autoencoders.autoencoder_kl_wan import WanCausalConv3d, WanResample
from pydantic import BaseModel, ConfigDict
from torch import nn

from storymem_backbones.training.averaging import AVERAGE_EVERY, WeightAverage
from storymem_backbones.training.budget import Budget, one_cycle
from storymem_backbones.training.graphed import GraphedSteps, adamw, learning_rate, set_learning_rate
from storymem_backbones.training.muon import Muon
from storymem_storyworld.measure.autoencoding import error_numbers, error_parts, psnr
from storymem_storyworld.train.full_clip import decode_clip, encode_clip

if TYPE_CHECKING:
    from accelerate import Accelerator

_MEASURED = 8  # clips in a batch of them

Clips = Callable[[int, int], tuple[torch.Tensor, torch.Tensor]]
"""(count, frames) -> (count, 3, frames, H, W) in [-1, 1] and (count, 1, frames, H, W), 1 at characters and 0 elsewhere;
on the training device, new ones at every call."""


class VAESettings(BaseModel):
    """Architecture and optimisation.

    Attributes:
        image_seconds: Training on single frames, before time is added.
        clip_seconds: Training on whole clips.
        latent_noise: Deviation of the noise added to latents, so that the decoder forgives the transformer.
        latent_penalty: Weight of the mean square of latents, which keeps that noise from being outgrown.
        muon: Muon for convolution kernels (AdamW for the rest) instead of AdamW for all.
        start_from: Folder of a VAE to continue from, instead of a new one.
        inflate_start: That VAE has seen single frames only.
        anchor: Weight of the mean square by which latents differ from those of `start_from`, so that models trained
            on its latents need little to get used to the new ones.
        decoder_only: Leave the encoder of `start_from` as it is, so that models trained on its latents stay right.
        first_frame_weight: The first frame counts this often in the loss: memory is encoded as first frames.
        figure_weight: Characters count this often in the loss: small and moving, they come out worst.
        absolute_weight: Weight of the absolute error.
        square_weight: Of the squared error, which the PSNR is made of.
        edge_weight: Of the absolute error of differences between neighbouring pixels.
        contrast_weight: Of the square by which a clip's deviation of each colour changes. Squared errors alone are
            least in pictures that are a little too flat, and a chain of shots goes through the VAE again and again.
        average_every: Steps between averagings of the ranks' weights (`averaging`).
        measured_batches: Of eight clips each, from which the latents' statistics and the final report are taken.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_dim: int = 32
    decoder_base_dim: int = 48
    dim_mult: tuple[int, ...] = (1, 2, 2)
    residual: bool = False
    image_seconds: float = 60
    clip_seconds: float = 330
    image_batch: int = 24
    clip_batch: int = 6
    muon: bool = True
    learning_rate: float = 1.5e-3
    clip_learning_rate: float = 7.5e-4
    latent_noise: float = 0.03
    latent_penalty: float = 1e-3
    first_frame_weight: float = 3.0
    figure_weight: float = 4.0
    absolute_weight: float = 1.0
    square_weight: float = 16.0
    edge_weight: float = 0.5
    contrast_weight: float = 50.0
    start_from: Path | None = None
    inflate_start: bool = False
    anchor: float = 0.0
    decoder_only: bool = False
    average_every: int = AVERAGE_EVERY
    measured_batches: int = 16
    compile: bool = True
    seed: int = 0


@dataclass(frozen=True)
class VAEPoint:
    """One point of the training curve: PSNR in dB of the training batches since the last point."""

    phase: str
    step: int
    psnr: float


def new_vae(settings: VAESettings) -> AutoencoderKLWan:
    """An untrained VAE: 16 latent channels, 8x smaller in space, 4x in time."""
    return AutoencoderKLWan(
        base_dim=settings.base_dim,
        decoder_base_dim=settings.decoder_base_dim,
        z_dim=16,
        dim_mult=list(settings.dim_mult),
        num_res_blocks=1,
        temperal_downsample=[True, True],
        is_residual=settings.residual,
        in_channels=12,
        out_channels=12,
        patch_size=2,
        latents_mean=[0.0] * 16,
        latents_std=[1.0] * 16,
    )


@torch.no_grad()
def inflate(vae: AutoencoderKLWan) -> None:
    """Turn a VAE trained on single frames into a sensible one for clips.

    Single frames only ever used the last temporal slice of each causal kernel; the others hold noise. They are zeroed,
    temporal down-samplers average the last two frames, and up-samplers repeat.
    """
    for module in vae.modules():
        if isinstance(module, WanCausalConv3d) and module.kernel_size == (3, 3, 3):
            module.weight[:, :, :2] = 0
        if isinstance(module, WanResample) and module.mode.endswith("3d"):
            _average_or_repeat(module)


def _average_or_repeat(layer: WanResample) -> None:
    identity = torch.eye(layer.dim, device=layer.time_conv.weight.device)
    layer.time_conv.weight.zero_()
    layer.time_conv.bias.zero_()
    if layer.mode == "downsample3d":
        layer.time_conv.weight[:, :, 1:, 0, 0] = 0.5 * identity[:, :, None]
    else:
        layer.time_conv.weight[:, :, 2, 0, 0] = torch.cat([identity, identity])


class ReconstructionLoss(nn.Module):
    """The VAE with its loss as one module, so that it is compiled as one.

    Args:
        vae: What is trained.
        settings: Weights of the parts.
        anchor: A frozen VAE whose latents are to be kept near, see `VAESettings.anchor`.
    """

    def __init__(self, vae: AutoencoderKLWan, settings: VAESettings, anchor: AutoencoderKLWan | None = None) -> None:
        super().__init__()
        self.vae, self.anchor = vae, anchor
        self._settings = settings

    def forward(self, clips: torch.Tensor, figures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Clips (B, 3, F, H, W), figures (B, 1, F, H, W) -> (loss, mean squared error in [-1, 1] units)."""
        settings = self._settings
        with torch.set_grad_enabled(torch.is_grad_enabled() and not settings.decoder_only):
            latents = encode_clip(self.vae, clips)
        noisy = latents + settings.latent_noise * torch.randn_like(latents)
        shown = decode_clip(self.vae, noisy).float()
        error = shown - clips.float()
        weights = _weights(figures, settings)
        pixel = (weights * (settings.absolute_weight * error.abs() + settings.square_weight * error.square())).mean()
        edges = (weights[..., 1:] * error.diff(dim=-1).abs()).mean()
        edges = edges + (weights[..., 1:, :] * error.diff(dim=-2).abs()).mean()
        loss = pixel + settings.edge_weight * edges + settings.latent_penalty * latents.float().square().mean()
        loss = loss + settings.contrast_weight * _contrast_change(shown, clips.float()).square().mean()
        if self.anchor is not None:
            with torch.no_grad():
                before = encode_clip(self.anchor, clips).float()
            loss = loss + settings.anchor * (latents.float() - before).square().mean()
        return loss, error.detach().square().mean()


def _weights(figures: torch.Tensor, settings: VAESettings) -> torch.Tensor:
    """How much each pixel counts, (B, 1, F, H, W) as `figures`, mean 1."""
    weights = 1 + (settings.figure_weight - 1) * figures
    weights[:, :, 0] *= settings.first_frame_weight
    return weights / weights.mean()


def _contrast_change(shown: torch.Tensor, clips: torch.Tensor) -> torch.Tensor:
    """Relative change (B, 3) of each colour's deviation over a clip."""
    ours, theirs = (pixels.std(dim=(2, 3, 4)) for pixels in (shown, clips))
    return (ours - theirs) / theirs.clamp(min=1e-2)


@dataclass(frozen=True)
class Phase:
    """A stage of training: clips of `frames` frames in batches of `batch` for `seconds`."""

    frames: int
    batch: int
    seconds: float
    learning_rate: float


class _PhaseTrainer:
    """One phase: the learning rate rises quickly and falls to zero. Steps are recorded where the GPU allows it."""

    def __init__(
        self, model: ReconstructionLoss, clips: Clips, accelerator: Accelerator, settings: VAESettings, phase: Phase
    ) -> None:
        self._clips, self._accelerator, self._phase = clips, accelerator, phase
        device = accelerator.device
        self._trained = [p for p in model.parameters() if p.requires_grad]
        self._rates, self._steppers = _optimizers(
            model.vae, settings.muon, phase.learning_rate, device if device.type == "cuda" else None
        )
        self._forward = torch.compile(model, dynamic=False) if settings.compile else model
        self._update = GraphedSteps(self._optimise, device)
        self._average = WeightAverage(self._trained, settings.average_every)

    def train(self) -> list[VAEPoint]:
        """Train to the end of the phase; the curve."""
        budget = Budget(None, self._phase.seconds, self._accelerator.device)
        points, errors, step = list[VAEPoint](), list[torch.Tensor](), 0
        while (progress := budget.progress(step)) < 1:
            for rate, stepper in zip(self._rates, self._steppers, strict=True):
                set_learning_rate(stepper, rate * one_cycle(progress))
            clips, figures = self._clips(self._phase.batch, self._phase.frames)
            errors.append(self._update(clips=clips, figures=figures))
            step += 1
            self._average(step)
            if step % 100 == 0:
                mean = psnr(torch.stack(errors).mean())
                points.append(VAEPoint(f"{self._phase.frames} frames", step, mean))
                errors.clear()
        self._average.now()
        return points

    def _optimise(self, clips: torch.Tensor, figures: torch.Tensor) -> torch.Tensor:
        with self._accelerator.autocast():
            loss, error = self._forward(clips, figures)
        self._accelerator.backward(loss)
        nn.utils.clip_grad_norm_(self._trained, 1.0)
        for stepper in self._steppers:
            stepper.step()
            stepper.zero_grad()
        result: torch.Tensor = error
        return result


def _optimizers(
    vae: AutoencoderKLWan, muon: bool, rate: float, recorded_on: torch.device | None
) -> tuple[list[float], list[torch.optim.Optimizer]]:
    """Highest learning rates and optimizers: Muon for kernels if asked for, AdamW for the rest."""
    trained = {n: p for n, p in vae.named_parameters() if p.requires_grad}
    kernels = [
        p for n, p in trained.items() if muon and p.ndim >= 4 and not n.endswith(("conv_in.weight", "conv_out.weight"))
    ]
    chosen = {id(p) for p in kernels}
    rest = [p for p in trained.values() if id(p) not in chosen]
    rest_rate = min(rate, 1e-3) if muon else rate
    rates, steppers = [rest_rate], list[torch.optim.Optimizer]()
    steppers.append(adamw(rest, rest_rate, recorded_on, betas=(0.9, 0.95)))
    if muon:
        rates.append(rate)
        steppers.append(Muon(kernels, learning_rate(rate, recorded_on)))
    return rates, steppers


def channels_last(vae: AutoencoderKLWan) -> AutoencoderKLWan:
    """Convolution kernels in the layout that tensor cores want; activations follow."""
    for module in vae.modules():
        if isinstance(module, nn.Conv3d):
            module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last_3d)
        elif isinstance(module, nn.Conv2d):
            module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last)
    return vae


@torch.no_grad()
def set_latent_statistics(vae: AutoencoderKLWan, clips: Clips, batches: int) -> None:
    """Measure the latents' mean and deviation per channel and write them to the config; make the posterior sharp."""
    latents = torch.cat([encode_clip(vae, clips(_MEASURED, 17)[0]).float() for _ in range(batches)])
    vae.register_to_config(
        latents_mean=[round(v, 5) for v in latents.mean(dim=(0, 2, 3, 4)).tolist()],
        latents_std=[round(v, 5) for v in latents.std(dim=(0, 2, 3, 4)).tolist()],
    )
    vae.quant_conv.weight[16:] = 0  # the log-variance half was never trained; exp(-10) is as good as none
    vae.quant_conv.bias[16:] = -20.0


@torch.no_grad()
def reconstruction_report(vae: AutoencoderKLWan, clips: Clips, batches: int) -> dict[str, float]:
    """How well clips come back.

    Returns:
        `error_numbers`, and psnr_first_frame, psnr_third_...: of the mean squared error over all clips.
    """
    errors = (_error(vae, clips(_MEASURED, 17)[0]) for _ in range(batches))
    squares, shifts = (torch.cat(part) for part in zip(*map(error_parts, errors), strict=True))
    frames = squares.mean(0)
    return error_numbers(squares, shifts) | {
        "psnr_first_frame": psnr(frames[0]),
        **{f"psnr_third_{i + 1}": psnr(frames[a:b].mean()) for i, (a, b) in enumerate(((0, 6), (6, 12), (12, 17)))},
    }


def _error(vae: AutoencoderKLWan, clips: torch.Tensor) -> torch.Tensor:
    return decode_clip(vae, encode_clip(vae, clips)).float().clamp(-1, 1) - clips.float()


def train_vae(
    clips: Clips, test_clips: Clips, accelerator: Accelerator, settings: VAESettings, folder: Path
) -> AutoencoderKLWan:
    """Train, measure on test clips, save to `folder` (diffusers layout, float32) and return the VAE."""
    torch.manual_seed(settings.seed)
    start = None if settings.start_from is None else AutoencoderKLWan.from_pretrained(settings.start_from)
    vae = channels_last((start or new_vae(settings)).float().to(accelerator.device))
    anchor = copy.deepcopy(vae).requires_grad_(False) if start is not None and settings.anchor else None
    if settings.decoder_only:
        vae.encoder.requires_grad_(False)
        vae.quant_conv.requires_grad_(False)
    model = ReconstructionLoss(vae, settings, anchor)
    curve: list[VAEPoint] = []
    if settings.image_seconds:
        images = Phase(1, settings.image_batch, settings.image_seconds, settings.learning_rate)
        curve += _PhaseTrainer(model, clips, accelerator, settings, images).train()
    if settings.inflate_start or (settings.image_seconds and settings.clip_seconds):
        inflate(vae)
    if settings.clip_seconds:
        whole = Phase(17, settings.clip_batch, settings.clip_seconds, settings.clip_learning_rate)
        curve += _PhaseTrainer(model, clips, accelerator, settings, whole).train()
    if not settings.decoder_only:
        with accelerator.autocast():
            set_latent_statistics(vae, clips, settings.measured_batches)
    if accelerator.is_main_process:
        report = reconstruction_report(vae, test_clips, settings.measured_batches)
        vae.save_pretrained(folder)
        text = {"settings": settings.model_dump(mode="json"), "report": report, "curve": [vars(p) for p in curve]}
        (folder / "training.json").write_text(json.dumps(text, indent=1))
    accelerator.wait_for_everyone()
    return vae
