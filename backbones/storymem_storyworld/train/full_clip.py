"""The Wan VAE over a whole clip at once.

diffusers runs AutoencoderKLWan four frames at a time with a cache of past activations, which keeps memory
small but costs hundreds of small kernels and cannot be compiled. Every layer is causal, so one pass over the
whole clip gives the same numbers; training uses that pass. The module knows nothing about losses or data.
"""

from __future__ import annotations

import torch
from diffusers import AutoencoderKLWan
from diffusers.models.autoencoders.autoencoder_kl_wan import (
    WanDecoder3d,
    WanEncoder3d,
    WanResample,
    WanResidualDownBlock,
    WanResidualUpBlock,
    WanUpBlock,
    patchify,
    unpatchify,
)
from torch import nn


def _resample(layer: WanResample, x: torch.Tensor) -> torch.Tensor:
    """Resample (B, C, T, H, W) in space, and in time where the layer does; frame 0 never mixes in time."""
    if layer.mode == "upsample3d" and x.shape[2] > 1:
        doubled = layer.time_conv(x[:, :, 1:])
        doubled = doubled.unflatten(1, (2, -1)).movedim(1, 3).flatten(2, 3)
        x = torch.cat([x[:, :, :1], doubled], dim=2)
    resampled: torch.Tensor = layer(x)  # without a cache the layer resamples in space only
    if layer.mode == "downsample3d" and resampled.shape[2] > 1:
        resampled = torch.cat([resampled[:, :, :1], layer.time_conv(resampled)], dim=2)
    return resampled


def _residual_down(block: WanResidualDownBlock, x: torch.Tensor) -> torch.Tensor:
    shortcut: torch.Tensor = block.avg_shortcut(x)
    for resnet in block.resnets:
        x = resnet(x)
    if block.downsampler is not None:
        x = _resample(block.downsampler, x)
    return x + shortcut


def _residual_up(block: WanResidualUpBlock, x: torch.Tensor) -> torch.Tensor:
    shortcut = None if block.avg_shortcut is None else block.avg_shortcut(x, first_chunk=True)
    for resnet in block.resnets:
        x = resnet(x)
    if block.upsampler is not None:
        x = _resample(block.upsampler, x)
    return x if shortcut is None else x + shortcut


def _up(block: WanUpBlock, x: torch.Tensor) -> torch.Tensor:
    for resnet in block.resnets:
        x = resnet(x)
    return x if block.upsamplers is None else _resample(block.upsamplers[0], x)


def _run_block(block: nn.Module, x: torch.Tensor) -> torch.Tensor:
    match block:
        case WanResample():
            return _resample(block, x)
        case WanResidualDownBlock():
            return _residual_down(block, x)
        case WanResidualUpBlock():
            return _residual_up(block, x)
        case WanUpBlock():
            return _up(block, x)
        case _:
            out: torch.Tensor = block(x)
            return out


def _run_encoder(encoder: WanEncoder3d, x: torch.Tensor) -> torch.Tensor:
    x = encoder.conv_in(x)
    for block in encoder.down_blocks:
        x = _run_block(block, x)
    out: torch.Tensor = encoder.conv_out(encoder.nonlinearity(encoder.norm_out(encoder.mid_block(x))))
    return out


def _run_decoder(decoder: WanDecoder3d, x: torch.Tensor) -> torch.Tensor:
    x = decoder.mid_block(decoder.conv_in(x))
    for block in decoder.up_blocks:
        x = _run_block(block, x)
    out: torch.Tensor = decoder.conv_out(decoder.nonlinearity(decoder.norm_out(x)))
    return out


def encode_clip(vae: AutoencoderKLWan, pixels: torch.Tensor) -> torch.Tensor:
    """Posterior mean of a clip, in the VAE's own scale (not normalised).

    Args:
        vae: the autoencoder.
        pixels: (B, 3, F, H, W) in [-1, 1], F = 4n + 1.

    Returns:
        (B, z, (F - 1) / 4 + 1, H / 8, W / 8).
    """
    if vae.config.patch_size is not None:
        pixels = patchify(pixels, patch_size=vae.config.patch_size)
    moments: torch.Tensor = vae.quant_conv(_run_encoder(vae.encoder, pixels))
    return moments.chunk(2, dim=1)[0]


def decode_clip(vae: AutoencoderKLWan, latents: torch.Tensor) -> torch.Tensor:
    """Decode (B, z, T, h, w) latents in the VAE's own scale to (B, 3, 4(T-1)+1, H, W), not clamped."""
    out = _run_decoder(vae.decoder, vae.post_quant_conv(latents))
    if vae.config.patch_size is not None:
        out = unpatchify(out, patch_size=vae.config.patch_size)
    return out


def latent_statistics(vae: AutoencoderKLWan, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Per-channel mean and standard deviation of the config, shaped (1, z, 1, 1, 1), on `like`'s device."""
    shape = (1, vae.config.z_dim, 1, 1, 1)
    mean = torch.tensor(vae.config.latents_mean, device=like.device, dtype=torch.float32).view(shape)
    std = torch.tensor(vae.config.latents_std, device=like.device, dtype=torch.float32).view(shape)
    return mean, std


def encode_normalised(vae: AutoencoderKLWan, pixels: torch.Tensor) -> torch.Tensor:
    """Clip to normalised fp32 latents, the scale the transformer works in."""
    latents = encode_clip(vae, pixels).float()
    mean, std = latent_statistics(vae, latents)
    return (latents - mean) / std


def decode_normalised(vae: AutoencoderKLWan, latents: torch.Tensor) -> torch.Tensor:
    """`encode_normalised` undone: normalised latents to pixels (B, 3, F, H, W), not clamped."""
    mean, std = latent_statistics(vae, latents)
    return decode_clip(vae, latents * std + mean)
