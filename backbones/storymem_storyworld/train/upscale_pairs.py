"""What the upsampler learns from: small pictures as films show them, and the same moments drawn four times as large."""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from storymem.plugin import Kind, PluginHost
from storymem.values.clip import Clip
from storymem_storyworld.draw.render import HEIGHT, WIDTH, as_bytes, render
from storymem_storyworld.measure.autoencoding import Autoencodes
from storymem_storyworld.train.readout_pool import clip_specs
from storymem_storyworld.upscale.net import SCALE

log = logging.getLogger(__name__)

_FRAMES = 5  # the fewest of which the autoencoder makes two latent frames: a first frame, and one made of four
_KEPT = (0, 2, 4)  # neighbouring frames are nearly the same picture
_FPS = 16


@dataclass(frozen=True)
class Pairs:
    """Pictures as bytes.

    Attributes:
        drawn: (N, 3, H, W), drawn at the small size.
        shown: (N, 3, H, W), the same through the embedded model's autoencoder, as films show them.
        truth: (N, 3, 4H, 4W), drawn at the large size.
    """

    drawn: Tensor
    shown: Tensor
    truth: Tensor

    def save(self, path: Path) -> None:
        """Write them to a file: drawing them takes longer than learning from them."""
        save_file({"drawn": self.drawn, "shown": self.shown, "truth": self.truth}, path)

    @classmethod
    def load(cls, path: Path) -> Pairs:
        """Read what :meth:`save` wrote."""
        return cls(**load_file(path))


def draw_pairs(clips: int, seed: int) -> Pairs:
    """Draw three pictures of each of so many clips; `seed` even for training, odd for tests."""
    backbone = PluginHost().build(Kind.BACKBONE, "tiny", {})
    if not isinstance(backbone, Autoencodes):
        raise TypeError(f"{type(backbone).__name__} has no autoencoder")
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    for spec in islice(clip_specs(seed), clips):
        drawn = as_bytes(render([spec], _FRAMES)[0])
        truth = as_bytes(render([spec], _FRAMES, HEIGHT * SCALE, WIDTH * SCALE)[0])
        frames = np.ascontiguousarray(drawn.permute(0, 2, 3, 1).numpy())
        shown = torch.tensor(backbone.reconstruct(Clip(frames, _FPS)).frames).permute(0, 3, 1, 2)
        parts.append((drawn[list(_KEPT)], shown[list(_KEPT)], truth[list(_KEPT)]))
        if len(parts) % 10 == 0:
            log.info("%d of %d clips drawn", len(parts), clips)
    return Pairs(*(torch.cat(part).contiguous() for part in zip(*parts, strict=True)))


@dataclass(frozen=True)
class Patches:
    """Random patches of pairs.

    Attributes:
        pairs: What they are cut from.
        side: Of a small patch, in pixels.
        drawn_share: Share of small patches as drawn; the others are as films show them.
    """

    pairs: Pairs
    side: int = 48
    drawn_share: float = 0.2

    def batch(self, count: int, rng: random.Random) -> tuple[Tensor, Tensor]:
        """Return small patches (count, 3, side, side) and large ones (count, 3, 4 side, 4 side), in [-1, 1]."""
        small, large = zip(*(self._patch(rng) for _ in range(count)), strict=True)
        return torch.stack(small).float() / 127.5 - 1, torch.stack(large).float() / 127.5 - 1

    def _patch(self, rng: random.Random) -> tuple[Tensor, Tensor]:
        pictures = self.pairs.drawn if rng.random() < self.drawn_share else self.pairs.shown
        index = rng.randrange(len(pictures))
        top, left = rng.randrange(HEIGHT - self.side + 1), rng.randrange(WIDTH - self.side + 1)
        small = pictures[index, :, top : top + self.side, left : left + self.side]
        rows = slice(top * SCALE, (top + self.side) * SCALE)
        large = self.pairs.truth[index, :, rows, left * SCALE : (left + self.side) * SCALE]
        return (small.flip(-1), large.flip(-1)) if rng.random() < 0.5 else (small, large)
