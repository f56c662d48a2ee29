"""Train the embedded CLIP and its quality head on fresh renders, and measure both on pictures they have never seen.

    python -m storymem_storyworld.train.clip --out DIR --minutes 4

Contrastive pairs are moments of clips and their concept words, with words left out and shuffled; the embedding must
also tell colours and picture faults. Training pictures come from even seeds, test pictures from odd ones. Writes the
model folder (`clip`), the same weights for open_clip (`open_clip`) and `accuracy.json`.
"""

from __future__ import annotations

import json
import logging
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch import Tensor, nn
from torch.nn import functional

from storymem_storyworld.clip.model import (
    DIMENSION,
    build_clip,
    image_embeddings,
    save_clip,
    save_open_clip,
    text_embeddings,
)
from storymem_storyworld.clip.stills import (
    FAULTS,
    GOOD,
    POOR,
    concept_words,
    half_cut,
    sample_still,
    spoilt,
    text_ids,
)
from storymem_storyworld.draw.augment import softened
from storymem_storyworld.draw.render import render
from storymem_storyworld.world.sample import doubled
from storymem_storyworld.world.spec import KINDS, PLACES, SIZES, TIMES, ClipSpec

log = logging.getLogger(__name__)
_CAST_SCORES = {"half_cut": 2.5, "missing": 2.0, "twice": 2.5, "faded": 2.5}
_TELLS = 0.4  # how often the words of a picture tell an attribute of a look, in half of the pictures


@dataclass(frozen=True)
class _Stills:
    """Pictures (N, 3, H, W) in [-1, 1], token ids (N, L), colours of the first character (N, 6), scores (N,)."""

    pictures: Tensor
    words: Tensor
    colours: Tensor
    scores: Tensor

    def rows(self, index: Tensor) -> _Stills:
        return _Stills(self.pictures[index].float(), self.words[index], self.colours[index], self.scores[index])


def _colours(spec: ClipSpec) -> list[float]:
    look = spec.actors[0].look
    return [*look.coat, *look.outfit]


def _render_stills(specs: list[ClipSpec], device: torch.device) -> Tensor:
    return render(specs, frames=1, device=device, chunk=1024)[:, 0].half()


def _good_stills(rng: random.Random, count: int, device: torch.device) -> _Stills:
    specs = [sample_still(rng) for _ in range(count)]
    keeps = [rng.choice((1.0, 0.7, 0.4)) for _ in specs]
    looks = [rng.choice((0.0, _TELLS)) for _ in specs]
    words = text_ids([concept_words(spec, rng, *how) for spec, *how in zip(specs, keeps, looks, strict=True)])
    colours = torch.tensor([_colours(spec) for spec in specs])
    scores = torch.full((count,), GOOD, device=device)
    return _Stills(_render_stills(specs, device), words.to(device), colours.to(device), scores)


def _miscast(rng: random.Random, count: int, device: torch.device, only: str = "") -> tuple[Tensor, Tensor]:
    """Pictures whose characters are cut by the frame, missing, there twice or half faded, and their scores."""
    specs = [sample_still(rng) for _ in range(count)]
    faults = [only or rng.choice(tuple(_CAST_SCORES)) for _ in specs]
    shown = [_spoil_cast(rng, *pair) for pair in zip(specs, faults, strict=True)]
    pictures = _render_stills(shown, device)
    faded = [at for at, fault in enumerate(faults) if fault == "faded"]
    if faded:
        empty = _render_stills([_without_cast(specs[at]) for at in faded], device)
        share = torch.tensor([rng.uniform(0.35, 0.65) for _ in faded], device=device).view(-1, 1, 1, 1)
        pictures[faded] = torch.lerp(pictures[faded].float(), empty.float(), share).half()
    return pictures, torch.tensor([_CAST_SCORES[fault] for fault in faults], device=device)


def _spoil_cast(rng: random.Random, spec: ClipSpec, fault: str) -> ClipSpec:
    """The clip to draw for a fault; fading comes afterwards."""
    if fault == "faded":
        return spec
    if fault == "twice":
        return doubled(rng, spec)
    return half_cut(spec, rng) if fault == "half_cut" else _without_cast(spec)


def _without_cast(spec: ClipSpec) -> ClipSpec:
    return ClipSpec(spec.setting, (), spec.time, spec.size, spec.pan, spec.camera, spec.props)


class _Pool:
    """Good stills and miscast pictures, a part of each renewed from time to time.

    A few large renewals are far cheaper on a GPU than many small ones.
    """

    def __init__(self, size: int, device: torch.device, seed: int, every: int = 16) -> None:
        self._rng = random.Random(seed)
        self._device, self._every, self._calls = device, every, 0
        self._picker = torch.Generator(device).manual_seed(seed)
        self._good = _good_stills(self._rng, size, device)
        self._miscast = _miscast(self._rng, max(size // 4, 1), device)

    def good(self, count: int) -> _Stills:
        """Random good stills."""
        self._calls += 1
        if self._calls % self._every == 0:
            self._renew()
        return self._good.rows(self._pick(len(self._good.pictures), count))

    def bad(self, count: int) -> tuple[Tensor, Tensor]:
        """Pictures with faults and their scores: two thirds spoilt, one third miscast."""
        spoil = self._pick(len(self._good.pictures), count - count // 3)
        ruined, scores = spoilt(self._good.pictures[spoil].float(), self._picker)
        cast = self._pick(len(self._miscast[0]), count // 3)
        return torch.cat((ruined, self._miscast[0][cast].float())), torch.cat((scores, self._miscast[1][cast]))

    def _pick(self, size: int, count: int) -> Tensor:
        return torch.randint(size, (count,), generator=self._picker, device=self._device)

    def _renew(self) -> None:
        fresh = max(len(self._good.pictures) // 16, 1)
        rows = self._pick(len(self._good.pictures), fresh)
        new = _good_stills(self._rng, fresh, self._device)
        for name in ("pictures", "words", "colours", "scores"):
            getattr(self._good, name)[rows] = getattr(new, name)
        cast = self._pick(len(self._miscast[0]), max(fresh // 4, 1))
        pictures, scores = _miscast(self._rng, len(cast), self._device)
        self._miscast[0][cast], self._miscast[1][cast] = pictures, scores


class _Trainee(nn.Module):
    """The model with its quality head and a colour head that only training needs."""

    def __init__(self) -> None:
        super().__init__()
        self.clip: Any = build_clip()
        self.quality = nn.Linear(DIMENSION, 1)
        nn.init.constant_(self.quality.bias, (GOOD + POOR) / 2)
        self.colour = nn.Linear(DIMENSION, 6)

    def score(self, embeddings: Tensor) -> Tensor:
        """Quality scores (N,) of embeddings (N, DIMENSION)."""
        scores: Tensor = self.quality(embeddings.float())
        return scores[:, 0]

    def losses(self, stills: _Stills, bad: Tensor, bad_scores: Tensor) -> Tensor:
        """Contrastive, colour and quality losses of good stills and spoilt pictures."""
        pictures = torch.cat((stills.pictures, bad))
        embeddings = image_embeddings(self.clip, pictures)
        good = embeddings[: len(stills.pictures)]
        texts = text_embeddings(self.clip, stills.words)
        logits = (good.float() @ texts.float().T) * self.clip.logit_scale.exp().clamp(max=50)
        same = (stills.words[:, None] == stills.words[None]).all(-1).float()
        target = same / same.sum(1, keepdim=True)
        contrast = functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)
        colours = (self.colour(good.float()).sigmoid() - stills.colours).abs().mean()
        scores = torch.cat((stills.scores, bad_scores))
        quality = functional.smooth_l1_loss(self.score(embeddings), scores)
        total: Tensor = 0.5 * contrast + 2 * colours + quality
        return total


def train(minutes: float, device: torch.device, batch: int, pool_size: int) -> tuple[_Trainee, list[float]]:
    """Train for so many minutes; returns the network and its loss every 50 steps."""
    torch.manual_seed(0)
    trainee = _Trainee().to(device)
    pool = _Pool(pool_size, device, seed=0)
    faults = torch.Generator(device).manual_seed(2)
    heads = [*trainee.quality.parameters(), *trainee.colour.parameters()]  # on unit vectors: need large weights
    groups = [
        {"params": list(trainee.clip.parameters()), "factor": 1.0},
        {"params": heads, "factor": 10.0, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, weight_decay=0.05, betas=(0.9, 0.98))
    start, curve, step = time.monotonic(), list[float](), 0
    while (done := (time.monotonic() - start) / (60 * minutes)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = group["factor"] * 1e-3 * min(1.0, (step + 1) / 300, 1.6 * (1 - done) + 0.01)
        stills = pool.good(batch)
        stills = _Stills(softened(stills.pictures, faults), stills.words, stills.colours, stills.scores)
        bad, bad_scores = pool.bad(batch // 2)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            loss = trainee.losses(stills, bad, bad_scores)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(trainee.parameters(), 1.0)
        optimizer.step()
        if step % 50 == 0:
            curve.append(float(loss.detach()))
            log.info("step %d loss %.3f", step, curve[-1])
        step += 1
    return trainee.eval(), curve


def _zero_shot(trainee: _Trainee, embeddings: Tensor, words: tuple[str, ...], truth: Tensor) -> float:
    """Share of pictures whose nearest one-word text is the true one."""
    texts = text_embeddings(trainee.clip, text_ids([[word] for word in words]).to(embeddings.device))
    return float(((embeddings @ texts.T).argmax(1) == truth).float().mean())


def _retrieval(trainee: _Trainee, embeddings: Tensor, specs: list[ClipSpec]) -> float:
    """Share of pictures whose full caption is the nearest among all captions (equal captions count as right)."""
    rng = random.Random(0)
    ids = text_ids([concept_words(spec, rng) for spec in specs]).to(embeddings.device)
    best = (embeddings @ text_embeddings(trainee.clip, ids).T).argmax(1)
    return float((ids[best] == ids).all(1).float().mean())


@torch.no_grad()
def accuracy(trainee: _Trainee, device: torch.device, count: int, seed: int = 1) -> dict[str, float]:
    """Zero-shot and retrieval accuracy, and mean quality scores by fault, on unseen pictures."""
    rng, faults = random.Random(seed), torch.Generator(device).manual_seed(seed)
    specs = [sample_still(rng) for _ in range(count)]
    specs = [ClipSpec(s.setting, s.actors[:1], s.time, s.size, s.pan, s.camera, s.props) for s in specs]
    pictures = _render_stills(specs, device).float()
    embeddings = image_embeddings(trainee.clip, pictures)
    good = trainee.score(embeddings)
    found = {"retrieval": _retrieval(trainee, embeddings, specs), "score_good": float(good.mean())}
    truths = {
        "kind": (KINDS, [spec.actors[0].look.kind for spec in specs]),
        "place": (PLACES, [spec.setting.kind for spec in specs]),
        "size": (SIZES, [spec.size for spec in specs]),
        "time": (TIMES, [spec.time for spec in specs]),
    }
    for name, (words, values) in truths.items():
        index = torch.tensor([words.index(value) for value in values], device=device)
        found[name] = _zero_shot(trainee, embeddings, words, index)
    bad = {name: spoilt(pictures, faults, name)[0] for name in FAULTS}
    bad |= {name: _miscast(rng, count, device, name)[0].float() for name in _CAST_SCORES}
    bad["softened"] = softened(pictures, faults)
    for name, spoilt_pictures in bad.items():
        scores = trainee.score(image_embeddings(trainee.clip, spoilt_pictures))
        found |= {f"score_{name}": float(scores.mean()), f"above_{name}": float((good > scores).float().mean())}
    return found


def main(
    out: Annotated[Path, typer.Option(help="Folder for the model.")],
    minutes: Annotated[float, typer.Option(help="Training time.")] = 4.0,
    device: Annotated[str, typer.Option(help="cuda or cpu.")] = "cuda",
    batch: Annotated[int, typer.Option(help="Good pictures a step.")] = 512,
    pool: Annotated[int, typer.Option(help="Rendered pictures kept at hand.")] = 16384,
    test_pictures: Annotated[int, typer.Option(help="Unseen pictures to measure on.")] = 1024,
) -> None:
    """Train the embedded CLIP and its quality head, and measure them."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    target = torch.device(device)
    trainee, curve = train(minutes, target, batch, pool)
    scores = accuracy(trainee, target, test_pictures)
    save_open_clip(trainee.clip.half().cpu(), out / "open_clip")
    save_clip(trainee.clip, trainee.quality, out / "clip")
    report = {"pictures": test_pictures, "minutes": minutes, "scores": scores, "loss_every_50_steps": curve}
    (out / "accuracy.json").write_text(json.dumps(report, indent=2) + "\n")
    log.info("accuracy on %d unseen pictures: %s", test_pictures, scores)


if __name__ == "__main__":
    typer.run(main)
