"""From one shot's inputs to its frames: text, conditioning, denoising, decoding (StoryMem section 3).

`WanMemoryPipeline` is diffusers' Wan image-to-video pipeline with the parts that M2V changes replaced:
positions, conditioning, sigma grid and decoding. It knows nothing about stories, profiles or files of its
own.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Any, Literal

import numpy as np
import torch
from diffusers.pipelines.wan.pipeline_wan import WanPipeline
from torch import Tensor

from storymem.values.clip import Frames
from storymem.values.keyframe import Keyframe
from storymem.values.request import Mode, ShotRequest
from storymem_backbones.diffusion.caching import cache_config
from storymem_backbones.diffusion.errors import ConditioningError, GenerationError
from storymem_backbones.diffusion.frames import to_frames, to_pixels
from storymem_backbones.diffusion.settings import Caching
from storymem_backbones.wan.caching import steps_per_expert
from storymem_backbones.wan.colours import match_handover
from storymem_backbones.wan.conditioning import build_conditioning, encode_memory
from storymem_backbones.wan.geometry import LATENT_CHANNELS, legal_frames, legal_size
from storymem_backbones.wan.positions import PAPER_SHIFT, Shift, install_memory_rope
from storymem_backbones.wan.sampler import m2v_scheduler, uses_high_noise
from storymem_backbones.wan.shot import Sampling, StepCallback, latent_shape

Expert = Literal["high", "low"]


class TensorCache:
    """Encoded tensors kept on the CPU, the least recently used dropped first.

    Args:
        entries: How many to keep.
    """

    def __init__(self, entries: int) -> None:
        self._entries = entries
        self._tensors: OrderedDict[object, Tensor] = OrderedDict()

    def get(self, key: object, make: Callable[[], Tensor]) -> Tensor:
        """The tensor for `key`, made if it is not there."""
        if key not in self._tensors:
            self._tensors[key] = make().cpu()
            if len(self._tensors) > self._entries:
                self._tensors.popitem(last=False)
        self._tensors.move_to_end(key)
        return self._tensors[key]

    def __len__(self) -> int:
        return len(self._tensors)


class WanMemoryPipeline(WanPipeline):  # type: ignore[misc]
    """Memory-to-video on diffusers' components; load with ``from_pretrained`` like any diffusers pipeline.

    `transformer` is the high-noise expert and `transformer_2`, if there is one, the low-noise expert. An
    image-to-video transformer (36 input channels) makes all modes; a text-to-video one (16) only ``t2v``.
    Text embeddings, memory latents and the latents of an empty clip are kept between shots.

    Attributes:
        memory_shift: S of the temporal positions; see `set_memory_shift`.
        text_tokens: Length that prompts are zero-padded to. The padding is attended, as in training.
        caching: Skip work between similar steps.
    """

    memory_shift: Shift = PAPER_SHIFT
    text_tokens: int = 512
    caching: Caching | None = None

    _cached_for: tuple[Caching | None, Sampling | None] = (None, None)

    @cached_property
    def texts(self) -> TensorCache:
        """Text embeddings (1, text_tokens, D) by prompt."""
        return TensorCache(64)

    @cached_property
    def memory_latents(self) -> TensorCache:
        """Latents (1, 16, 1, h, w) by the memory image's content and the size."""
        return TensorCache(512)

    @cached_property
    def zero_latents(self) -> TensorCache:
        """Latents (1, 16, T, h, w) of an empty clip by its shape."""
        return TensorCache(4)

    @property
    def experts(self) -> dict[Expert, Any]:
        """Transformers by noise range; one model may be both."""
        return {"high": self.transformer, "low": self.transformer_2 or self.transformer}

    def set_memory_shift(self, shift: Shift) -> None:
        """Place memory at -M*S, ..., -S (section 3.3); "contiguous" as in the first public release."""
        self.memory_shift = shift
        for transformer in filter(None, (self.transformer, self.transformer_2)):
            install_memory_rope(transformer, shift)

    @torch.no_grad()
    def __call__(
        self, shot: ShotRequest, sampling: Sampling | None = None, progress: StepCallback | None = None
    ) -> Frames:
        """Make a clip.

        Args:
            shot: What to make.
            sampling: Steps, guidance and the like.
            progress: Called before the first step and after each; raises to cancel.

        Returns:
            uint8 RGB (F, height, width, 3). In ``mi2v`` and ``mm2v`` its first 1 or 5 frames repeat the
            condition.

        Raises:
            GeometryError: If size or frame count is not legal.
            ConditioningError: If memory or condition frames do not suit the model.
            GenerationError: If latents stop being finite numbers, naming step and expert.
        """
        sampling = (sampling or Sampling()).suited_to(len(shot.memory))
        shape = latent_shape(shot)
        self._check_mode(shot)
        try:
            text = self.encode_text(shot, sampling)
            y = self.encode_conditioning(shot)
            noise = torch.randn(shape, generator=torch.Generator().manual_seed(shot.seed))
            latents = self.denoise(noise, y, text, sampling, memory_frames=len(shot.memory), progress=progress)
            frames = self.decode(latents[:, :, len(shot.memory) :])
        finally:
            self.maybe_free_model_hooks()
        if shot.handover_frames is not None and sampling.match_handover:
            return match_handover(frames, shot.handover_frames)
        return frames

    def encode_text(self, shot: ShotRequest, sampling: Sampling) -> Tensor:
        """Embeddings (1 or 2, text_tokens, D) of the prompt and, with guidance, of the negative prompt."""
        guided = max(sampling.guidance_high, sampling.guidance_low) > 1
        prompts = [shot.prompt, shot.negative_prompt or ""] if guided else [shot.prompt]
        return torch.cat([self.texts.get((p, self.text_tokens), partial(self._embed, p)) for p in prompts])

    def encode_conditioning(self, shot: ShotRequest) -> Tensor | None:
        """The 20 conditioning channels (1, 20, M+T, h, w) in float32, or none for a text-to-video model."""
        if self.transformer.config.in_channels == LATENT_CHANNELS:
            return None
        condition = None if shot.handover_frames is None else to_pixels(shot.handover_frames)[None]
        memory = [self._memory_latent(keyframe, shot.height, shot.width) for keyframe in shot.memory]
        return build_conditioning(
            self.encode_video,
            frames=shot.frames,
            height=shot.height,
            width=shot.width,
            condition=condition,
            memory_latents=torch.cat(memory, dim=2) if memory else None,
            zero_latents=None if condition is not None else self._zero_latent(shot),
        )

    def denoise(
        self,
        latents: Tensor,
        y: Tensor | None,
        text: Tensor,
        sampling: Sampling,
        *,
        memory_frames: int = 0,
        progress: StepCallback | None = None,
    ) -> Tensor:
        """Remove the noise.

        Args:
            latents: Noise (1, 16, M+T, h, w) in float32, memory in front.
            y: Conditioning channels (1, 20, M+T, h, w) or none.
            text: (1 or 2, tokens, D): prompt, negative prompt.
            sampling: Steps, shift, boundary, guidance.
            memory_frames: M.
            progress: See `StepCallback`.

        Returns:
            Clean latents of the same shape, on the device the model ran on.
        """
        device = self._execution_device
        latents, text = latents.to(device), text.to(device)
        y = None if y is None else y.to(device)
        self._reset_experts(memory_frames)
        self._prepare_caches(sampling)
        scheduler = m2v_scheduler(sampling.steps, sampling.flow_shift, device)
        timesteps = scheduler.timesteps.tolist()
        report = progress or (lambda done, total: None)
        report(0, len(timesteps))
        for done, (value, timestep) in enumerate(zip(timesteps, scheduler.timesteps, strict=True), start=1):
            expert: Expert = "high" if uses_high_noise(value, sampling.boundary) else "low"
            flow, conditional = self._predict(expert, latents, y, text, timestep, sampling)
            if memory_frames and sampling.memory_guidance > 1:
                unconditional = self._without_memory(expert, latents, y, text, timestep, memory_frames)
                flow = flow.clone()
                pull = conditional[:, :, memory_frames:] - unconditional
                flow[:, :, memory_frames:] += (sampling.memory_guidance - 1) * pull
            latents = scheduler.step(flow, timestep, latents, return_dict=False)[0]
            self._check_finite(latents, done, len(timesteps), expert)
            report(done, len(timesteps))
        return latents

    def decode(self, latents: Tensor) -> Frames:
        """Frames uint8 RGB (F, H, W, 3) of one clip's latents (1, 16, T, h, w), memory already dropped."""
        mean, std = self._latent_statistics(latents)
        raw = (latents * std + mean).to(self.vae.dtype)
        return to_frames(self.vae.decode(raw, return_dict=False)[0][0])

    @torch.no_grad()
    def reconstruct(self, frames: Frames) -> Frames:
        """Frames uint8 RGB (F, H, W, 3) through the VAE and back.

        Raises:
            GeometryError: If size or frame count is not legal.
        """
        legal_frames(len(frames))
        legal_size(*frames.shape[1:3])
        try:
            return self.decode(self.encode_video(to_pixels(frames).transpose(0, 1).unsqueeze(0)))
        finally:
            self.maybe_free_model_hooks()

    def encode_video(self, pixels: Tensor) -> Tensor:
        """The posterior's mode for pixels (B, 3, F, H, W) in [-1, 1]: normalised float32 (B, 16, T, h, w)."""
        pixels = pixels.to(device=self._execution_device, dtype=self.vae.dtype)
        raw = self.vae.encode(pixels, return_dict=False)[0].mode().float()
        mean, std = self._latent_statistics(raw)
        latents: Tensor = (raw - mean) / std
        return latents

    def _predict(
        self,
        expert: Expert,
        latents: Tensor,
        y: Tensor | None,
        text: Tensor,
        timestep: Tensor,
        sampling: Sampling,
    ) -> tuple[Tensor, Tensor]:
        """Return the flow with classifier-free guidance, and the conditional flow it was guided from."""
        guidance = sampling.guidance_high if expert == "high" else sampling.guidance_low
        inputs = latents if y is None else torch.cat([latents, y], dim=1)
        if guidance <= 1:
            conditional = self._run(expert, "cond", inputs, text[:1], timestep)
            return conditional, conditional
        if sampling.batched_guidance:
            both = self._run(expert, "cond", inputs.expand(2, -1, -1, -1, -1), text, timestep)
            conditional, unconditional = both[:1], both[1:]
        else:
            conditional = self._run(expert, "cond", inputs, text[:1], timestep)
            unconditional = self._run(expert, "uncond", inputs, text[1:], timestep)
        return unconditional + guidance * (conditional - unconditional), conditional

    def _without_memory(
        self, expert: Expert, latents: Tensor, y: Tensor | None, text: Tensor, timestep: Tensor, memory_frames: int
    ) -> Tensor:
        """Return the flow (1, 16, T, h, w) of the clip under the same prompt, unconditional in memory."""
        inputs = latents if y is None else torch.cat([latents, y], dim=1)
        with self._no_memory_positions(expert):
            # A context of its own, or caches would compare it with the pass that has memory.
            return self._run(expert, "cond_alone", inputs[:, :, memory_frames:], text[:1], timestep)

    @contextmanager
    def _no_memory_positions(self, expert: Expert) -> Iterator[None]:
        """Place the clip where it is with no memory in front of it."""
        rope = self.experts[expert].rope
        before, rope.memory_frames = rope.memory_frames, 0
        try:
            yield
        finally:
            rope.memory_frames = before

    def _run(self, expert: Expert, name: str, inputs: Tensor, text: Tensor, timestep: Tensor) -> Tensor:
        transformer = self.experts[expert]
        dtype = transformer.dtype
        with transformer.cache_context(name):
            out: Tensor = transformer(
                hidden_states=inputs.to(dtype),
                timestep=timestep.expand(inputs.shape[0]),
                encoder_hidden_states=text.to(dtype),
                return_dict=False,
            )[0]
        return out.float()

    def _reset_experts(self, memory_frames: int) -> None:
        for transformer in filter(None, (self.transformer, self.transformer_2)):
            rope = install_memory_rope(transformer, self.memory_shift)
            rope.memory_frames, rope.explicit_positions = memory_frames, None
            transformer._reset_stateful_cache()

    def _prepare_caches(self, sampling: Sampling) -> None:
        wanted = (self.caching, sampling)
        if wanted == self._cached_for:
            return
        for transformer in self.experts.values():
            if transformer.is_cache_enabled:
                transformer.disable_cache()
        if self.caching is not None:
            for expert, steps in self._steps(sampling).items():
                if steps:
                    self.experts[expert].enable_cache(cache_config(self.caching, expert, steps))
        self._cached_for = wanted

    def _steps(self, sampling: Sampling) -> dict[Expert, int]:
        return {"high": sampling.steps} if self.transformer_2 is None else steps_per_expert(sampling)

    def _check_mode(self, shot: ShotRequest) -> None:
        if self.transformer.config.in_channels == LATENT_CHANNELS and shot.mode is not Mode.T2V:
            raise ConditioningError(f"a text-to-video model cannot make {shot.mode}; use image-to-video weights")

    def _check_finite(self, latents: Tensor, done: int, total: int, expert: Expert) -> None:
        if not bool(torch.isfinite(latents).all()):
            raise GenerationError(
                f"latents are not finite after step {done} of {total} ({expert}-noise expert); its weights, "
                f"a LoRA's scale "
                "or the profile's number format are wrong: try float32 or without LoRA"
            )

    def _embed(self, prompt: str) -> Tensor:
        embeddings: Tensor = self.encode_prompt(
            prompt, do_classifier_free_guidance=False, max_sequence_length=self.text_tokens
        )[0]
        return embeddings

    def _memory_latent(self, keyframe: Keyframe, height: int, width: int) -> Tensor:
        def encoded() -> Tensor:
            return encode_memory(self.encode_video, to_pixels(keyframe.load()[None])[None], height, width)

        return self.memory_latents.get((keyframe.id, height, width), encoded)

    def _zero_latent(self, shot: ShotRequest) -> Tensor:
        empty = torch.zeros(1, 3, shot.frames, shot.height, shot.width)
        return self.zero_latents.get(tuple(empty.shape), lambda: self.encode_video(empty))

    def _latent_statistics(self, like: Tensor) -> tuple[Tensor, Tensor]:
        values = (self.vae.config.latents_mean, self.vae.config.latents_std)
        mean, std = (torch.tensor(np.asarray(v), dtype=like.dtype, device=like.device) for v in values)
        return mean.view(1, -1, 1, 1, 1), std.view(1, -1, 1, 1, 1)
