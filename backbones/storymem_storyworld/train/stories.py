"""Endless random stories of the storyworld to train on: specs, pictures and captions.

A story keeps up to three characters, up to three places and one thing over eight clips; some continue from the one
before without a cut, and some characters come late, so that memory shows only others. In some a character's look
changes: from there on its captions tell what memory contradicts, and the words are right. Training stories come from
even seeds only; tests and benchmarks use odd ones.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch.nn.functional import max_pool2d

from storymem_storyworld.draw.render import as_bytes, render_with_figures
from storymem_storyworld.language.looks import ToldLook, changed_look, look_tokens, told_in_part
from storymem_storyworld.language.tokenizer import END, vocabulary
from storymem_storyworld.world.colours import colour_name, sample_colour
from storymem_storyworld.world.sample import (
    sample_look,
    sample_motion,
    sample_setting,
    sample_shot,
)
from storymem_storyworld.world.spec import (
    FRAMES,
    INDOOR,
    KINDS,
    OUTDOOR,
    PEOPLE,
    PROPS,
    SIZES,
    Actor,
    ClipSpec,
    Prop,
    continue_clip,
    walk_velocity,
)

CLIPS_PER_STORY = 8
TEXT_TOKENS = 32
VOCABULARY = vocabulary()
_RENDER_BATCH = 1024  # a call of the renderer costs the same for few clips as for many
# A character's look is what memory is for: it counts three times as much as its surroundings, however small it is
# drawn, up to a limit for the smallest.
_FIGURES_COUNT, _MOST = 3.0, 48.0
_CONTINUED = 0.25  # share of clips without a cut
_NEWCOMERS = 0.4  # share of stories in which somebody comes late
_FROM_AFAR = 0.5  # share of stories that begin with wide shots alone: a look is hardest to copy from small figures
_ALIKE = 0.3  # share of stories of people only, who are told apart by little
_CHANGES = 0.35  # share of stories in which somebody's look changes
_NO_LOOKS = 0.35  # share of captions that tell no looks at all: what memory is for
_TELLS = 0.7  # how often the others tell an attribute, so that each is told in some half of the clips
_PEOPLE = tuple(kind for kind in KINDS if kind in PEOPLE)


def training_story(seed: int, clips: int = CLIPS_PER_STORY) -> list[ClipSpec]:
    """The clips of one story to train on; the same seed gives the same story. What is hard comes more often."""
    rng = random.Random(2 * seed)
    afar = rng.randint(1, 3) if rng.random() < _FROM_AFAR else 0
    return _story(rng, clips, _PEOPLE if rng.random() < _ALIKE else KINDS, afar)


def held_out_story(seed: int, clips: int = CLIPS_PER_STORY) -> list[ClipSpec]:
    """A story that training never sees."""
    return _story(random.Random(2 * seed + 1), clips, KINDS, 0)


def _story(rng: random.Random, clips: int, kinds: Sequence[str], afar: int) -> list[ClipSpec]:
    """Characters are of `kinds`; no clip before the one at `afar` is closer than wide."""
    looks = tuple(sample_look(rng, kind) for kind in rng.sample(kinds, rng.choice((1, 2, 2, 3))))
    places = [sample_setting(rng, kind) for kind in rng.sample(OUTDOOR + INDOOR, rng.choice((1, 2, 2, 3)))]
    thing = (rng.choice(PROPS), sample_colour(rng))
    late = rng.randint(2, clips - 2) if len(looks) > 1 and clips > 4 and rng.random() < _NEWCOMERS else 0
    turn = rng.randint(2, clips - 2) if clips > 4 and rng.random() < _CHANGES else clips
    changed: dict[str, tuple[str, ...]] = {}
    specs: list[ClipSpec] = []
    while len(specs) < clips:
        if len(specs) >= turn and not changed:
            at = rng.randrange(len(looks))
            new, names = changed_look(rng, looks[at])
            looks, changed = (*looks[:at], new, *looks[at + 1 :]), {new.kind: names}
        known = looks if len(specs) >= late else looks[:-1]
        if specs and specs[-1].overlap == 0 and rng.random() < _CONTINUED:
            specs.append(_going_on(rng, specs[-1]))
            continue
        cast = tuple(rng.sample(known, min(len(known), rng.choice((1, 2)))))  # two are harder to draw than one
        size = "wide" if len(specs) < afar else rng.choice(SIZES)
        props = (thing,) if size != "close_up" and rng.random() < 0.3 else ()
        specs.append(_marked(sample_shot(rng, rng.choice(places), cast, size, props=props), changed))
    return specs


def _marked(spec: ClipSpec, changed: dict[str, tuple[str, ...]]) -> ClipSpec:
    actors = tuple(replace(actor, changed=changed.get(actor.look.kind, ())) for actor in spec.actors)
    return replace(spec, actors=actors)


def _going_on(rng: random.Random, spec: ClipSpec) -> ClipSpec:
    motions = [sample_motion(rng, spec.size) for _ in spec.actors]
    if len(motions) > 1:
        motions = ["stand" if walk_velocity(m) else m for m in motions]
    return continue_clip(spec, motions, overlap=rng.choice((1, 5)))


def pictures_and_figures(specs: Sequence[ClipSpec], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Clips as uint8 (N, 3, 17, 96, 160) on `device`, and where their characters are: bool (N, 17, 96, 160)."""
    frames, figures = render_with_figures(specs, device, chunk=_RENDER_BATCH)
    return as_bytes(frames).transpose(1, 2), figures


def pictures_and_weights(specs: Sequence[ClipSpec], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """The clips, and how much each of their latents counts in the loss: (N, 5, 12, 20), mean 1 in a clip."""
    clips, figures = pictures_and_figures(specs, device)
    where = max_pool2d(figures.half(), 8).float()  # a latent covers 8 x 8 pixels, and four frames after the first
    later = where[:, 1:].reshape(len(specs), -1, 4, *where.shape[2:]).amax(2)
    return clips, balanced(torch.cat([where[:, :1], later], dim=1))


def balanced(figures: torch.Tensor) -> torch.Tensor:
    """Weights, mean 1 in each clip, of latents where `figures` (N, T, h, w) is 1 and elsewhere 0."""
    covered = figures.mean(dim=(1, 2, 3), keepdim=True).clamp(min=1e-3)
    weight = 1 + figures * ((_FIGURES_COUNT * (1 - covered) / covered).clamp(1, _MOST) - 1)
    return weight / weight.mean(dim=(1, 2, 3), keepdim=True)


def to_pixels(clips: torch.Tensor) -> torch.Tensor:
    """uint8 to float32 in [-1, 1]."""
    return clips.float() / 127.5 - 1


class ClipPool:
    """Rendered clips on one device, renewed little by little: the source of clips for VAE training.

    Args:
        size: Clips held.
        first_seed: Of the stories; ranks use seeds apart.
        renew_every: Calls between renewals of one story batch.
    """

    def __init__(self, size: int, first_seed: int, device: torch.device, renew_every: int = 400) -> None:
        self._seed, self._device, self._renew_every = first_seed, device, renew_every
        self._batch = min(size, _RENDER_BATCH)
        blocks = [self._fresh() for _ in range(size // self._batch)]
        self._clips, self._figures = (torch.cat(parts) for parts in zip(*blocks, strict=True))
        self._calls = 0
        self._next = 0
        self._generator = torch.Generator(device).manual_seed(first_seed)

    def __call__(self, count: int, frames: int) -> tuple[torch.Tensor, torch.Tensor]:
        """`count` random clips and where their characters are; single frames come from anywhere in a clip.

        Returns:
            (count, 3, frames, H, W) in [-1, 1], and (count, 1, frames, H, W), 1 at characters and 0 elsewhere.
        """
        self._calls += 1
        if self._calls % self._renew_every == 0:
            self._renew()
        index = torch.randint(len(self._clips), (count,), generator=self._generator, device=self._device)
        if frames == 1:
            frame = torch.randint(FRAMES, (count,), generator=self._generator, device=self._device)
            clips, figures = self._clips[index, :, frame].unsqueeze(2), self._figures[index, frame].unsqueeze(1)
        else:
            clips, figures = self._clips[index, :, :frames], self._figures[index, :frames]
        return to_pixels(clips), figures.unsqueeze(1).float()

    def _fresh(self) -> tuple[torch.Tensor, torch.Tensor]:
        stories = [training_story(self._seed + i) for i in range(self._batch // CLIPS_PER_STORY)]
        self._seed += len(stories)
        return pictures_and_figures([spec for story in stories for spec in story], self._device)

    def _renew(self) -> None:
        start, count = self._next, min(self._batch, len(self._clips) - self._next)
        for held, fresh in zip((self._clips, self._figures), self._fresh(), strict=True):
            held[start : start + count] = fresh[:count]
        self._next = (start + self._batch) % len(self._clips)


def caption_tokens(spec: ClipSpec, rng: random.Random | None = None) -> list[int]:
    """Token ids (TEXT_TOKENS,) of a clip's caption, zero-padded.

    With an `rng`, looks are told in some part, and other concepts are left out and told in another order now and then,
    as in scripts that people write; without one, no looks are.
    """
    cast = sorted(spec.actors, key=lambda actor: actor.x)
    tells = 0.0 if rng is None or rng.random() < _NO_LOOKS else _TELLS
    told = [
        ([spec.size], 0.1),
        ([word for actor in cast for word in _actor_words(actor, rng, tells)], 0.0),
        ([spec.setting.kind], 0.08),
        ([spec.time], 0.25),
        ([word for prop in spec.props for word in _prop_words(prop, rng, tells)], 0.3),
        ([f"pan_{spec.pan}"] if spec.pan != "static" else [], 0.3),
    ]
    parts = [words for words, left_out in told if rng is None or rng.random() >= left_out]
    if rng is not None and rng.random() < 0.5:
        rng.shuffle(parts)
    ids = [VOCABULARY[word] for words in parts for word in words] + [VOCABULARY[END]]
    return ids + [0] * (TEXT_TOKENS - len(ids))


def empty_caption() -> list[int]:
    """Token ids (TEXT_TOKENS,) of no text at all."""
    return [VOCABULARY[END]] + [0] * (TEXT_TOKENS - 1)


def _actor_words(actor: Actor, rng: random.Random | None, tells: float) -> list[str]:
    told = ToldLook() if rng is None else told_in_part(rng, actor, tells)
    silent = rng is not None and rng.random() < 0.08
    return [*look_tokens(actor.look.kind, told), *([] if silent else [actor.motion])]


def _prop_words(prop: Prop, rng: random.Random | None, tells: float) -> list[str]:
    coloured = rng is not None and rng.random() < tells
    return [*([colour_name(prop.colour)] if coloured else []), prop.kind]
