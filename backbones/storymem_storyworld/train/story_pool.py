"""Encoded storyworld clips to train on, renewed all the time: a small model learns a fixed set of stories by heart.

The pool is a ring of blocks of stories on one device. Now and then the oldest block is replaced by stories that were
never seen. Knows nothing about models but the frozen VAE it encodes with.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass

import torch
from diffusers import AutoencoderKLWan

from storymem_backbones.training.batch import M2VBatch
from storymem_backbones.training.draw import Draw
from storymem_storyworld.draw.render import HEIGHT, WIDTH, as_bytes
from storymem_storyworld.train.full_clip import decode_normalised, encode_normalised
from storymem_storyworld.train.stories import (
    CLIPS_PER_STORY,
    caption_tokens,
    empty_caption,
    pictures_and_weights,
    to_pixels,
    training_story,
)
from storymem_storyworld.world.spec import FRAMES, ClipSpec

KEYFRAMES = 3
_KEYFRAME_RANGES = ((0, 5), (6, 11), (12, 16))
_MOTION_FRAMES = 0.45  # share of the conditions that are five frames, the others one
_ENCODED_AT_ONCE = 256  # clips

TextOf = Callable[[torch.Tensor], torch.Tensor]
"""Token ids (B, L) to what the model is given as text: embeddings (B, L, D)."""


@dataclass(frozen=True)
class PoolSize:
    """How many stories are held and how fast they change.

    Attributes:
        stories: Held at most.
        block: Rendered at once; divides `stories`.
        first: Held before training begins; whole blocks.
        renew_every: Batches between new blocks.
    """

    stories: int = 4096
    block: int = 128
    first: int = 1024
    renew_every: int = 400

    @property
    def clips(self) -> int:
        """Held at most."""
        return self.stories * CLIPS_PER_STORY


class StoryPool:
    """A `ClipStore` of stories; draws may name any clip of a full pool, whether or not it is full yet.

    Each clip has one condition of its own, its first frame or its first five, so a draw decides only whether it is
    used. Every second clip is remembered and gone on from as the VAE shows it, as in a film: targets are always true,
    so that a model learns to make good what the VAE takes away instead of handing it down a chain of shots.

    Args:
        vae: Frozen, on the device where everything stays.
        first_seed: Of the stories; ranks use seeds apart.
        text: See `TextOf`.
        size: See `PoolSize`.
    """

    def __init__(self, vae: AutoencoderKLWan, first_seed: int, text: TextOf, size: PoolSize | None = None) -> None:
        self._vae, self._text = vae, text
        self.size = size or PoolSize()
        self._seeds = itertools.count(first_seed)
        self._held: dict[str, torch.Tensor] = {}
        self._blocks = self._calls = 0
        device = next(vae.parameters()).device
        with torch.no_grad():
            self._no_text = text(torch.tensor([empty_caption()], device=device))[0]
            self._no_condition = self._latents(torch.zeros(1, 3, FRAMES, HEIGHT, WIDTH, device=device))[0]
        for _ in range(self.size.first // self.size.block):
            self._renew()

    def gather(self, draw: Draw) -> M2VBatch:
        """See `ClipStore`; every call counts towards the next renewal."""
        self._calls += 1
        if self._calls % self.size.renew_every == 0:
            self._renew()
        held, device = self._held, self._no_condition.device
        filled = min(self._blocks * self.size.block, self.size.stories) * CLIPS_PER_STORY
        # Whole stories are filled, so the clips of one story stay those of one story.
        target, clip = ((index % filled).to(device, non_blocking=True) for index in (draw.target, draw.memory_clip))
        frame, asked, silent = (
            index.to(device, non_blocking=True) for index in (draw.memory_frame, draw.known, draw.drop_text)
        )
        known = torch.where(asked > 0, held["known"][target], 0)
        condition = torch.where((known > 0).view(-1, 1, 1, 1, 1), held["given"][target], self._no_condition)
        text = torch.where(silent.view(-1, 1, 1), self._no_text, held["text"][target])
        return M2VBatch(
            held["video"][target].float(),
            held["keyframes"][clip, frame].transpose(1, 2).float(),
            condition.float(),
            known,
            text.float(),
            held["weight"][target].float(),
        )

    @torch.no_grad()
    def _renew(self) -> None:
        specs = [spec for _ in range(self.size.block) for spec in training_story(next(self._seeds))]
        rng = random.Random(repr(specs[0]))
        frames, weight = pictures_and_weights(specs, self._no_condition.device)
        parts = [
            self._encode(specs[i : i + _ENCODED_AT_ONCE], frames[i : i + _ENCODED_AT_ONCE], rng)
            for i in range(0, len(specs), _ENCODED_AT_ONCE)
        ]
        fresh = {name: torch.cat([part[name] for part in parts]) for name in parts[0]} | {"weight": weight.bfloat16()}
        if not self._held:
            self._held = {n: value.new_empty(self.size.clips, *value.shape[1:]) for n, value in fresh.items()}
        start = self._blocks * len(specs) % self.size.clips
        for name, value in fresh.items():
            self._held[name][start : start + len(specs)] = value
        self._blocks += 1

    def _encode(self, specs: list[ClipSpec], frames: torch.Tensor, rng: random.Random) -> dict[str, torch.Tensor]:
        device = frames.device
        clips = to_pixels(frames)
        video = self._latents(clips)
        seen = self._as_in_films(clips, video)
        picked = torch.tensor([[rng.randint(*span) for span in _KEYFRAME_RANGES] for _ in specs], device=device)
        stills = seen.transpose(1, 2)[torch.arange(len(specs), device=device)[:, None], picked]
        keyframes = self._latents(stills.flatten(0, 1).unsqueeze(2)).squeeze(2)
        known = torch.tensor([2 if rng.random() < _MOTION_FRAMES else 1 for _ in specs], device=device)
        tokens = torch.tensor([caption_tokens(spec, rng) for spec in specs], device=device)
        return {
            "video": video,
            "given": self._latents(_only_first(seen, known)),
            "keyframes": keyframes.view(*picked.shape, *keyframes.shape[1:]),
            "known": known,
            "text": self._text(tokens),
        }

    def _latents(self, pixels: torch.Tensor) -> torch.Tensor:
        with self._autocast(pixels):
            return encode_normalised(self._vae, pixels).bfloat16()

    def _as_in_films(self, clips: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
        """Clips (B, 3, F, H, W) in [-1, 1], every second one decoded from its latents to bytes and back."""
        with self._autocast(clips):
            shown = decode_normalised(self._vae, latents[::2].float())
        mixed = clips.clone()
        mixed[::2] = to_pixels(as_bytes(shown.float()))
        return mixed

    @staticmethod
    def _autocast(pixels: torch.Tensor) -> torch.autocast:
        return torch.autocast(pixels.device.type, torch.bfloat16, enabled=pixels.is_cuda)


def _only_first(clips: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Clips (B, 3, F, H, W) with zero pixels after the frames of the first `known` (B,) latents: 1 or 5."""
    given = 1 + 4 * (known - 1)
    kept = torch.arange(clips.shape[2], device=clips.device)[None] < given[:, None]
    return clips * kept[:, None, :, None, None]
