"""How well a read-out reads: scores on renders of clips that it has never seen, overall and by shot size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import torch
from torch import Tensor

from storymem_storyworld.draw.render import render
from storymem_storyworld.readout.read import READ_EVERY, Answers, Readout, over_clip
from storymem_storyworld.readout.truth import Truth, truth_of
from storymem_storyworld.train.readout_pool import RenderedPool, training_specs
from storymem_storyworld.world.spec import SIZES


def _share(right: Tensor, weight: Tensor | None = None) -> float:
    count = weight if weight is not None else torch.ones_like(right, dtype=torch.float32)
    return float((right.float() * count).sum() / count.sum().clamp(min=1))


def _error(values: Tensor, target: Tensor, weight: Tensor) -> float:
    return float(((values - target).abs().mean(-1) * weight).sum() / weight.sum().clamp(min=1))


def _scores(answers: Answers, truth: Truth) -> dict[str, float]:
    """Accuracy by part of `over_clip`'s answers to clips; colours and palettes as mean absolute error."""
    figure, scene, here = answers.figures, answers.scene, truth.present
    seen = (figure["present"][..., 0] >= 0.5) == (here > 0.5)
    prop = (answers.props["present"][..., 0] >= 0.5) == (truth.prop > 0.5)
    return {
        "presence": _share(seen),
        "cast": _share(seen.all(1)),
        "coat_error": _error(figure["coat"], truth.coat, here),
        "outfit_error": _error(figure["outfit"], truth.outfit, here),
        "hat_colour_error": _error(figure["hat_colour"], truth.hat_colour, here * (truth.hat > 0)),
        "scarf_colour_error": _error(figure["scarf_colour"], truth.scarf_colour, here * truth.scarf),
        "twice": _share((figure["twice"][..., 0] > 0) == (truth.twice > 0.5), here),
        "hat": _share(figure["hat"].argmax(-1) == truth.hat, here),
        "scarf": _share((figure["scarf"][..., 0] > 0) == (truth.scarf > 0.5), here),
        "pattern": _share(figure["pattern"].argmax(-1) == truth.pattern, here),
        "motion": _share(answers.motion.argmax(-1) == truth.motion, here),
        "prop": _share(prop.all(1)),
        "prop_colour_error": _error(answers.props["colour"], truth.prop_colour, truth.prop),
        "pan": _share(answers.pan.argmax(-1) == truth.pan),
        "palette_error": float((scene["palette"] - truth.palette).abs().mean()),
    } | {name: _share(scene[name].argmax(-1) == getattr(truth, name)) for name in ("place", "time", "size")}


def _rows(parts: dict[str, Tensor], rows: Tensor) -> dict[str, Tensor]:
    return {name: value[rows] for name, value in parts.items()}


def _scores_of(answers: Answers, truth: Truth, rows: Tensor) -> dict[str, float]:
    """The scores of some clips alone."""
    some = Answers(
        _rows(answers.figures, rows),
        _rows(answers.props, rows),
        _rows(answers.scene, rows),
        answers.motion[rows],
        answers.pan[rows],
    )
    return _scores(some, Truth(*(getattr(truth, item.name)[rows] for item in fields(Truth))))


def _joined(parts: Sequence[Answers]) -> Answers:
    """Answers to all clips from answers to some at a time."""

    def join(pieces: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
        return {name: torch.cat([piece[name] for piece in pieces]) for name in pieces[0]}

    return Answers(
        join([part.figures for part in parts]),
        join([part.props for part in parts]),
        join([part.scene for part in parts]),
        torch.cat([part.motion for part in parts]),
        torch.cat([part.pan for part in parts]),
    )


@torch.no_grad()
def scores_on(readout: Readout, pool: RenderedPool) -> dict[str, float]:
    """The scores of `accuracy` on the clips of a pool, such as clips that a model shows."""
    parts = [over_clip(readout(clips.float() / 127.5 - 1)) for clips in torch.split(pool.clips, 64)]
    return _scores(_joined(parts), pool.truth)


@torch.no_grad()
def accuracy(readout: Readout, device: torch.device, clips: int = 512, seed: int = 1) -> dict[str, dict[str, float]]:
    """How well a read-out reads real renders of unseen clips.

    Returns:
        For `all` clips and those of each shot size: presence (of each kind), cast (all kinds right), hat and so on as
        shares; coat, outfit, thing's colour and palette as mean absolute error, under names that end in `_error`.
    """
    specs = training_specs(seed, clips)
    parts: list[Answers] = []
    for start in range(0, clips, 64):
        shown = render(specs[start : start + 64], device=device)[:, ::READ_EVERY]
        parts.append(over_clip(readout(shown)))
    answers, truth = _joined(parts), truth_of(specs, device)
    scores = {"all": _scores(answers, truth)}
    for index, size in enumerate(SIZES):
        rows = (truth.size == index).nonzero()[:, 0]
        if len(rows):
            scores[size] = _scores_of(answers, truth, rows)
    return scores
