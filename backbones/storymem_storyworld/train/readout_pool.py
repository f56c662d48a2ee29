"""Rendered clips to train the read-out on: rendered once, kept on the device as bytes, handed out in batches."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from storymem_storyworld.draw.augment import softened
from storymem_storyworld.draw.render import as_bytes, render
from storymem_storyworld.readout.read import READ_EVERY
from storymem_storyworld.readout.truth import Truth, truth_of
from storymem_storyworld.stories.episodes import Split, continued, sample_episode
from storymem_storyworld.world.sample import doubled, sample_spec
from storymem_storyworld.world.spec import MOTIONS, PANS, ClipSpec

log = logging.getLogger(__name__)

_DOUBLED = 0.2  # share of single clips of one character
_RENDERED_AT_ONCE = 512  # a call of the renderer costs a GPU the same for few clips as for many


def clip_specs(seed: int) -> Iterator[ClipSpec]:
    """Endless clips, half of them single ones and half from stories; `seed` even for training, odd for tests."""
    rng = random.Random(seed)
    stories = _story_specs(rng, "test" if seed % 2 else "train")
    while True:
        yield _sometimes_doubled(rng, _sometimes_going_on(rng, sample_spec(rng)))
        yield next(stories)


def _sometimes_going_on(rng: random.Random, spec: ClipSpec) -> ClipSpec:
    if rng.random() < 0.75:
        return spec
    return continued(rng, spec, rng.choice((1, 5)))


def _sometimes_doubled(rng: random.Random, spec: ClipSpec) -> ClipSpec:
    if len(spec.actors) != 1 or spec.overlap or rng.random() >= _DOUBLED:
        return spec
    return doubled(rng, spec)


def _story_specs(rng: random.Random, split: Split) -> Iterator[ClipSpec]:
    while True:
        episode = sample_episode(rng.randrange(2**40), "easy", split, overlap=rng.choice((1, 5)), shots=4)
        yield from (shot.spec for shot in episode.shots)


def training_specs(seed: int, count: int) -> list[ClipSpec]:
    """The first `count` of `clip_specs`."""
    return list(islice(clip_specs(seed), count))


@dataclass(frozen=True)
class RenderedPool:
    """Clips with their truth, all on one device.

    Attributes:
        clips: (N, T, 3, H, W), bytes; every READ_EVERY-th frame.
    """

    clips: Tensor
    truth: Truth

    def batch(self, count: int, generator: torch.Generator) -> tuple[Tensor, Truth]:
        """Random clips (count, T, 3, H, W) in [-1, 1], the first half of them mirrored, and their truth."""
        pick = torch.randint(len(self.clips), (count,), generator=generator, device=self.clips.device)
        clips, half = self.clips[pick], count // 2
        clips = torch.cat((clips[:half].flip(-1), clips[half:]))
        truth = Truth(*(getattr(self.truth, item.name)[pick] for item in fields(Truth)))
        return clips.float() / 127.5 - 1, mirrored(truth, half)


def _swapped(index: Tensor, names: Sequence[str], one: str, other: str, count: int) -> Tensor:
    """Indices (B, ...) in which `one` and `other` change places in the first `count` rows."""
    a, b = names.index(one), names.index(other)
    turned = index[:count]
    turned = torch.where(turned == a, b, torch.where(turned == b, a, turned))
    return torch.cat((turned, index[count:]))


def mirrored(truth: Truth, count: int) -> Truth:
    """The truth of clips of which the first `count` are mirror images: left and right change places."""
    return replace(
        truth,
        motion=_swapped(truth.motion, MOTIONS, "walk_left", "walk_right", count),
        pan=_swapped(truth.pan, PANS, "left", "right", count),
    )


def _soft_clips(specs: Sequence[ClipSpec], generator: torch.Generator) -> Tensor:
    """Renders as bytes, half of the frames with the mild faults of a generated clip."""
    clips = render(specs, device=generator.device, chunk=_RENDERED_AT_ONCE)[:, ::READ_EVERY]
    return torch.cat(
        [as_bytes(softened(part.flatten(0, 1), generator)).view(part.shape) for part in torch.split(clips, 64)]
    )


def rendered_pool(clips: int, device: torch.device, seconds: float = float("inf"), seed: int = 2) -> RenderedPool:
    """Render up to `clips` clips, fewer if the seconds run out first."""
    source, generator = clip_specs(seed), torch.Generator(device).manual_seed(seed)
    start, parts, specs = time.monotonic(), list[Tensor](), list[ClipSpec]()
    while len(specs) < clips and (not specs or time.monotonic() - start < seconds):
        some = list(islice(source, min(_RENDERED_AT_ONCE, clips - len(specs))))
        parts.append(_soft_clips(some, generator))
        specs += some
        wait(device)
    log.info("%d clips rendered in %.1f s", len(specs), time.monotonic() - start)
    return RenderedPool(torch.cat(parts), truth_of(specs, device))


def regenerated_pool(clips: int, model: Path, device: torch.device, seed: int = 2_000_000) -> RenderedPool:
    """Clips as the embedded model shows them (see `regenerated`), each from its own noise level; slow on a CPU."""
    from storymem_storyworld.train.regenerated import LEAST_NOISE, MOST_NOISE, Regenerator

    again, rng, noise = Regenerator(model, device), random.Random(seed), torch.Generator().manual_seed(seed)
    specs, parts = training_specs(seed, clips), list[Tensor]()
    at_once = 32 if device.type == "cuda" else 4
    for start in range(0, clips, at_once):
        some = specs[start : start + at_once]
        pictures = render(some, device=device, chunk=at_once).transpose(1, 2)
        made = again(some, pictures, rng.uniform(LEAST_NOISE, MOST_NOISE), noise)
        parts.append(made[:, ::READ_EVERY])
        log.debug("%d clips regenerated", start)
    return RenderedPool(torch.cat(parts), truth_of(specs, device))


def joined(first: RenderedPool, second: RenderedPool) -> RenderedPool:
    """Both pools as one."""
    pairs = [(getattr(first.truth, item.name), getattr(second.truth, item.name)) for item in fields(Truth)]
    return RenderedPool(torch.cat((first.clips, second.clips)), Truth(*(torch.cat(pair) for pair in pairs)))


def wait(device: torch.device) -> None:
    """Wait until a GPU has done what it was told, so that the clock can be read."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
