"""Single pictures with words and quality scores: what the tiny CLIP and its quality head are trained on."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from storymem_storyworld.draw.augment import blocky, blurred
from storymem_storyworld.draw.figures import SCALE
from storymem_storyworld.draw.render import FRAME_HEIGHT
from storymem_storyworld.language.looks import look_tokens, told_in_part
from storymem_storyworld.language.tokenizer import END, vocabulary
from storymem_storyworld.world.sample import sample_spec
from storymem_storyworld.world.spec import FRAMES, SIZES, ClipSpec, actor_x, camera_x

GOOD, POOR = 7.0, 1.5  # scores on the scale of 1 to 10 of aesthetic predictors
TEXT_LENGTH = 32
_IDS = vocabulary(end_last=True)


def still(spec: ClipSpec, frame: float) -> ClipSpec:
    """A clip whose first frame is frame `frame` of `spec` (a clip that begins with a cut)."""
    actors = tuple(
        replace(actor, x=actor_x(spec, index, frame), phase=actor.phase + frame)
        for index, actor in enumerate(spec.actors)
    )
    return replace(spec, actors=actors, camera=camera_x(spec, frame))


def sample_still(rng: random.Random) -> ClipSpec:
    """A random moment of a random clip."""
    return still(sample_spec(rng), rng.uniform(0, FRAMES - 1))


def half_cut(spec: ClipSpec, rng: random.Random) -> ClipSpec:
    """The same picture with every character cut by the edge of the frame."""
    scale = 1.0 if spec.size == "wide" else sum(SCALE[a.look.kind] for a in spec.actors) / len(spec.actors)
    edge = FRAME_HEIGHT[SIZES.index(spec.size)] * scale * 5 / 6
    actors = tuple(
        replace(actor, x=spec.camera + rng.choice((-1, 1)) * edge * rng.uniform(0.97, 1.06)) for actor in spec.actors
    )
    return replace(spec, actors=actors, props=())


def concept_words(spec: ClipSpec, rng: random.Random, keep: float = 1.0, looks: float = 0.0) -> list[str]:
    """Concept tokens of a clip, each part kept with this probability and the parts in random order if any may go.

    Each attribute of a look is told with probability `looks`.
    """
    cast = [
        [
            *look_tokens(actor.look.kind, told_in_part(rng, actor, looks)),
            *([actor.motion] if rng.random() < keep else []),
        ]
        for actor in spec.actors
    ]
    parts = [*cast, [spec.size], [spec.setting.kind], [spec.time], *([prop.kind] for prop in spec.props)]
    if keep < 1.0:
        rng.shuffle(parts)
        parts = [part for part in parts if rng.random() < keep] or parts[:1]
    return [word for part in parts for word in part]


def text_ids(words: Sequence[Sequence[str]]) -> Tensor:
    """Token ids (N, TEXT_LENGTH) of concept tokens, ended and padded as the CLIP tokenizer does."""
    rows = [[*(_IDS[word] for word in line[: TEXT_LENGTH - 1]), _IDS[END]] for line in words]
    return torch.tensor([row + [0] * (TEXT_LENGTH - len(row)) for row in rows])


def _blur(pictures: Tensor, strength: Tensor, generator: torch.Generator) -> Tensor:
    return blurred(pictures, 1.2 + 3.3 * strength)


def _blocks(pictures: Tensor, strength: Tensor, generator: torch.Generator) -> Tensor:
    sizes = (4 + 9 * strength).int()
    result = pictures.clone()
    for size in range(4, 14):
        rows = (sizes == size).nonzero()[:, 0]
        if len(rows):
            result[rows] = blocky(pictures[rows], size)
    return result


def _noise(pictures: Tensor, strength: Tensor, generator: torch.Generator) -> Tensor:
    grain = torch.randn(pictures.shape, generator=generator, device=pictures.device)
    return pictures + (0.2 + 0.5 * strength)[:, None, None, None] * grain


def _exposure(pictures: Tensor, strength: Tensor, generator: torch.Generator) -> Tensor:
    """Too dark or too light."""
    dark = torch.rand(len(pictures), generator=generator, device=pictures.device) < 0.5
    shift = torch.where(dark, -1.0, 1.0) * (0.7 + 0.7 * strength)
    return pictures + shift[:, None, None, None]


FAULTS: dict[str, Callable[[Tensor, Tensor, torch.Generator], Tensor]] = {
    "blur": _blur,
    "blocks": _blocks,
    "noise": _noise,
    "exposure": _exposure,
}


def spoilt(pictures: Tensor, generator: torch.Generator, only: str = "") -> tuple[Tensor, Tensor]:
    """Pictures (N, 3, H, W) with one strong fault each (or all with the fault `only`), and their scores (N,)."""
    count = len(pictures)
    strength = torch.rand(count, generator=generator, device=pictures.device)
    kinds = torch.randint(len(FAULTS), (count,), generator=generator, device=pictures.device)
    result = pictures.clone()
    for index, (name, fault) in enumerate(FAULTS.items()):
        rows = (kinds == index).nonzero()[:, 0] if not only else torch.arange(count, device=pictures.device)
        if (not only or name == only) and len(rows):
            result[rows] = fault(pictures[rows], strength[rows], generator).clamp(-1, 1)
    return result, 4.0 - (4.0 - POOR) * strength
