"""The 20 conditioning channels of M2V: mask and clean latents (StoryMem section 3.2).

    y = [mask 4 ; latents 16], latents = [VAE(each memory image alone) ; VAE(condition frames + zero pixels)]

The transformer's input is [noise 16 ; y]. Works on batches and with any encoder of the right shape; knows
nothing about the VAE's normalisation, about noise, or about where images come from.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from storymem_backbones.diffusion.errors import ConditioningError
from storymem_backbones.wan.geometry import (
    MASK_CHANNELS,
    TEMPORAL_STRIDE,
    checked_mode,
    latent_frames,
    legal_size,
)

EncodeVideo = Callable[[Tensor], Tensor]
"""(B, 3, F, H, W) pixels in [-1, 1] -> (B, 16, (F-1)/4+1, H/8, W/8) normalised latents."""


def resize_frames(frames: Tensor, height: int, width: int) -> Tensor:
    """Resize (B, N, 3, h, w) pixels to (B, N, 3, height, width): bicubic, no antialias, no crop, no clamp."""
    if frames.shape[-2:] == (height, width):
        return frames
    flat = F.interpolate(frames.flatten(0, 1), size=(height, width), mode="bicubic", align_corners=False)
    return flat.reshape(*frames.shape[:2], *flat.shape[1:])


def encode_memory(encode: EncodeVideo, memory: Tensor, height: int, width: int) -> Tensor:
    """Latents (B, 16, M, h, w) of memory images (B, M >= 1, 3, any, any), each encoded alone as one frame."""
    pixels = resize_frames(memory, height, width)
    latents = encode(pixels.flatten(0, 1).unsqueeze(2))
    return latents.reshape(*pixels.shape[:2], *latents.shape[1:2], *latents.shape[3:]).transpose(1, 2)


def encode_condition(encode: EncodeVideo, condition: Tensor, frames: int, height: int, width: int) -> Tensor:
    """Latents (B, 16, T, h, w) of condition frames (B, C, 3, any, any) and then zero *pixels* up to `frames`.

    C may be 0: the encoding of an all-zero clip, which is a constant for a given size.
    """
    if condition.shape[1] > frames:
        raise ConditioningError(f"{condition.shape[1]} condition frames for a clip of {frames} frames")
    batch, given = condition.shape[:2]
    clip = condition.new_zeros(batch, frames, 3, height, width)
    if given:
        clip = torch.cat([resize_frames(condition, height, width), clip[:, given:]], dim=1)
    return encode(clip.transpose(1, 2))


def condition_latents(condition_frames: int) -> int:
    """Latent frames that condition frames fill: 1 -> 1, 5 -> 2."""
    return 0 if condition_frames == 0 else (condition_frames - 1) // TEMPORAL_STRIDE + 1


def conditioning_mask(memory_frames: int, video_latents: int, condition_frames: int = 0) -> Tensor:
    """The mask (4, M+T): 1 on memory latents and those of condition frames, 0 where the clip is made."""
    mask = torch.zeros(MASK_CHANNELS, memory_frames + video_latents)
    mask[:, : memory_frames + condition_latents(condition_frames)] = 1
    return mask


def build_conditioning(
    encode: EncodeVideo,
    *,
    frames: int,
    height: int,
    width: int,
    memory: Tensor | None = None,
    condition: Tensor | None = None,
    memory_latents: Tensor | None = None,
    zero_latents: Tensor | None = None,
) -> Tensor:
    """Build y (B, 20, M+T, height/8, width/8) for t2v, m2v, mi2v or mm2v.

    The mode follows from what is given: memory or not, 0, 1 or 5 condition frames.

    Args:
        encode: The VAE; see `EncodeVideo`.
        frames: F = 4n+1, pixel frames of the clip.
        height: Pixels, a multiple of 16.
        width: Pixels, a multiple of 16.
        memory: (B, M, 3, any, any) in [-1, 1], or none. M may be 0, to tell B.
        condition: (B, 0 | 1 | 5, 3, any, any) in [-1, 1], the previous shot's last frames, or none.
        memory_latents: (B, 16, M, h, w), already encoded, instead of `memory`.
        zero_latents: `encode` of an all-zero clip (1 or B, 16, T, h, w), used instead of encoding it where
            there is no condition frame.

    Raises:
        GeometryError: If the size, the frame count or the number of condition frames is not legal.
        ConditioningError: If inputs contradict each other.
    """
    legal_size(height, width)
    steps = latent_frames(frames)
    if memory is not None and memory_latents is not None:
        raise ConditioningError("both memory and memory_latents were given: give one")
    batch = _batch_of(memory, memory_latents, condition)
    given = 0 if condition is None else condition.shape[1]
    checked_mode(memory_frames=0, condition_frames=given)
    if memory_latents is None and memory is not None and memory.shape[1]:
        memory_latents = encode_memory(encode, memory, height, width)
    if given or zero_latents is None:
        clip = _no_frames(memory, memory_latents, batch) if condition is None else condition
        video = encode_condition(encode, clip, frames, height, width)
    else:
        video = zero_latents.expand(batch, -1, -1, -1, -1)
    return _assemble(memory_latents, video, steps, given)


def _no_frames(memory: Tensor | None, memory_latents: Tensor | None, batch: int) -> Tensor:
    like = next((t for t in (memory, memory_latents) if t is not None), torch.empty(0))
    return like.new_zeros(batch, 0, 3, 1, 1)


def _assemble(memory: Tensor | None, video: Tensor, steps: int, condition_frames: int) -> Tensor:
    if video.shape[2] != steps:
        raise ConditioningError(f"the encoder made {video.shape[2]} latent frames where {steps} were expected")
    latents = video if memory is None else torch.cat([memory.to(video), video], dim=2)
    mask = conditioning_mask(latents.shape[2] - steps, steps, condition_frames).to(latents)
    grid = mask[None, :, :, None, None].expand(latents.shape[0], -1, -1, *latents.shape[-2:])
    return torch.cat([grid, latents], dim=1)


def _batch_of(*tensors: Tensor | None) -> int:
    sizes = {t.shape[0] for t in tensors if t is not None}
    if len(sizes) > 1:
        raise ConditioningError(f"memory and condition frames have different batch sizes: {sorted(sizes)}")
    return sizes.pop() if sizes else 1
