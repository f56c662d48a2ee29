"""Training the embedded model's text encoder: a UMT5 that learns from captions alone who does what, and where.

The big model's encoder has read a library before it meets a video. The small one would have to learn language from the
video loss, which hardly tells one binding from another (measured in `benchmarks/tiny_binding.py`). So it is asked about
captions first: every token for itself, every character for what it does, where it stands among the characters and who
is with it, every motion for who does it. It is frozen afterwards. Knows nothing about pictures.
"""

from __future__ import annotations

import copy
import itertools
import json
import random
from collections.abc import Mapping
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import UMT5Config, UMT5EncoderModel

from storymem_backbones.training.budget import one_cycle
from storymem_backbones.training.graphed import set_learning_rate
from storymem_storyworld.train.stories import VOCABULARY, caption_tokens, training_story
from storymem_storyworld.train.story_pool import TextOf
from storymem_storyworld.world.spec import KINDS, MOTIONS

_NOTHING = 0  # the answer where there is none: the padding's id
QUESTIONS = ("self", "does", "done_by", "order", "partner")


class TextSettings(BaseModel):
    """Architecture and optimisation.

    Attributes:
        layers: Blocks of the encoder.
        width: Of an embedding.
        stories: A batch is the captions of so many stories.
        steps: How long to train; a step of 24 stories takes a tenth of a second on one processor core.
        noise: Deviation of the noise on embeddings before a question is answered; they deviate by about 1. What
            survives it takes up room enough for a cross-attention to find it.
        start_from: Folder of an encoder to go on from, instead of a new one.
        anchor: Weight of the mean square by which embeddings move away from those at the start, so that a transformer
            trained on them needs little to get used to the new ones; nothing to hold on to in a new encoder.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    layers: int = 2
    width: int = 128
    stories: int = 24
    steps: int = 2500
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    noise: float = 0.5
    start_from: Path | None = None
    anchor: float = 0.0
    seed: int = 0


def new_text_encoder(settings: TextSettings) -> UMT5EncoderModel:
    """An untrained UMT5 encoder for the storyworld's vocabulary; token 0 pads, token 1 ends."""
    return UMT5EncoderModel(
        UMT5Config(
            vocab_size=len(VOCABULARY),
            d_model=settings.width,
            d_kv=32,
            d_ff=2 * settings.width,
            num_layers=settings.layers,
            num_heads=4,
            relative_attention_num_buckets=16,
            relative_attention_max_distance=32,
            dropout_rate=0.0,
            pad_token_id=0,
            eos_token_id=1,
        )
    )


def embed_text(encoder: UMT5EncoderModel, tokens: Tensor) -> Tensor:
    """Token ids (B, L), zero-padded, to embeddings (B, L, D), zero at the padding, as the pipeline makes them."""
    mask = tokens != 0
    hidden: Tensor = encoder(tokens, attention_mask=mask.long()).last_hidden_state
    return hidden * mask.unsqueeze(-1)


def frozen_text(encoder: UMT5EncoderModel) -> TextOf:
    """Text as embeddings (bfloat16) of an encoder that is not trained any more."""
    return lambda tokens: embed_text(encoder, tokens).bfloat16()


def answers(tokens: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    """What captions (B, L) tell of their tokens: per question, where it is asked and the answer, both (B, L).

    Answers are token ids, or for `order` 0 (alone), 1 (first, to the left), 2 and so on.
    """
    kind, motion = _is_one_of(tokens, KINDS), _is_one_of(tokens, MOTIONS)
    cast = kind.sum(1, keepdim=True)
    order = torch.where(cast > 1, kind.cumsum(1), 0)
    partner = torch.where(cast == 2, (tokens * kind).sum(1, keepdim=True) - tokens, _NOTHING)
    return {
        "self": (tokens != 0, tokens),
        "does": (kind, _where(motion, tokens).roll(-1, dims=1)),
        "done_by": (motion, _where(kind, tokens).roll(1, dims=1)),
        "order": (kind | motion, order),
        "partner": (kind, partner),
    }


def _is_one_of(tokens: Tensor, words: tuple[str, ...]) -> Tensor:
    return torch.isin(tokens, torch.tensor([VOCABULARY[word] for word in words], device=tokens.device))


def _where(mask: Tensor, tokens: Tensor) -> Tensor:
    return torch.where(mask, tokens, _NOTHING)


class Reader(nn.Module):
    """An encoder with a linear answer to each question; the answers are thrown away after training."""

    def __init__(self, encoder: UMT5EncoderModel) -> None:
        super().__init__()
        self.encoder = encoder
        width, words = encoder.config.d_model, encoder.config.vocab_size
        self.heads = nn.ModuleDict({question: nn.Linear(width, words) for question in QUESTIONS})

    def forward(self, tokens: Tensor, noise: float = 0.0) -> tuple[Tensor, dict[str, Tensor]]:
        """Token ids (B, L) -> embeddings (B, L, D), and per question scores (B, L, vocabulary)."""
        embedded = embed_text(self.encoder, tokens)
        seen = embedded + noise * torch.randn_like(embedded)
        return embedded, {question: head(seen) for question, head in self.heads.items()}


def reading_loss(scores: Mapping[str, Tensor], tokens: Tensor) -> Tensor:
    """Sum over questions of the mean cross entropy where it is asked."""
    told = answers(tokens)
    return torch.stack([cross_entropy(scores[q][told[q][0]], told[q][1][told[q][0]]) for q in QUESTIONS]).sum()


@torch.no_grad()
def share_right(reader: Reader, tokens: Tensor) -> dict[str, float]:
    """Share of right answers to each question, without noise."""
    told, scores = answers(tokens), reader(tokens)[1]
    return {q: float((scores[q].argmax(-1) == told[q][1])[told[q][0]].float().mean()) for q in QUESTIONS}


class Captions:
    """Endless captions of training stories, as people would tell them."""

    def __init__(self, first_seed: int, stories: int, device: torch.device) -> None:
        self._seeds, self._stories, self._device = itertools.count(first_seed), stories, device
        self._rng = random.Random(first_seed)

    def __call__(self) -> Tensor:
        """(8 * stories, L) token ids, without columns that are padding only."""
        specs = [spec for _ in range(self._stories) for spec in training_story(next(self._seeds))]
        tokens = torch.tensor([caption_tokens(spec, self._rng) for spec in specs])
        return tokens[:, : int((tokens != 0).sum(1).max())].to(self._device)


def learn(reader: Reader, captions: Captions, settings: TextSettings) -> None:
    """Train a reader, its encoder held near what it is now by `settings.anchor`."""
    before = copy.deepcopy(reader.encoder).requires_grad_(False) if settings.anchor else None
    optimizer = torch.optim.AdamW(reader.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    for step in range(settings.steps):
        set_learning_rate(optimizer, settings.learning_rate * one_cycle(step / settings.steps))
        tokens = captions()
        embedded, scores = reader(tokens, settings.noise)
        loss = reading_loss(scores, tokens)
        if before is not None:
            loss = loss + settings.anchor * (embedded - embed_text(before, tokens)).square().mean()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(reader.parameters(), 1.0)
        optimizer.step()


def train_text(captions: Captions, settings: TextSettings, device: torch.device, folder: Path) -> None:
    """Train, and save to `folder` (float32) with what was reached on captions not seen before; for one process."""
    torch.manual_seed(settings.seed)
    start = settings.start_from
    encoder = new_text_encoder(settings) if start is None else UMT5EncoderModel.from_pretrained(start).float()
    reader = Reader(encoder).to(device)
    learn(reader, captions, settings)
    encoder.save_pretrained(folder)
    report = {"settings": settings.model_dump(mode="json"), "right": share_right(reader, captions())}
    (folder / "training.json").write_text(json.dumps(report, indent=1))
