"""Training the embedded model's text encoder: a UMT5 that learns from captions alone who does what, and where.

The big model's encoder has read a library before it meets a video. The small one would have to learn language from the
video loss, which hardly tells one binding from another (measured in `benchmarks/tiny_binding.py`). So it is asked about
captions first: every token for itself, every character for what it does, where it stands among the characters, who is
with it and how it looks, every motion, colour and piece of clothing for whose it is, every colour for what it is the
colour of. It is frozen afterwards. Knows nothing about pictures.
"""

from __future__ import annotations

import copy
import itertools
import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import UMT5Config, UMT5EncoderModel

from storymem_backbones.training.budget import one_cycle
from storymem_backbones.training.graphed import set_learning_rate
from storymem_storyworld.language.concepts import BARE, CLOTHES, WORN
from storymem_storyworld.train.stories import VOCABULARY, caption_tokens, training_story
from storymem_storyworld.train.story_pool import TextOf
from storymem_storyworld.world.colours import COLOURS
from storymem_storyworld.world.spec import KINDS, MOTIONS, PATTERNS, PROPS

_NOTHING = 0  # the answer where there is none: the padding's id
_LOOKS = ("coat", "outfit", "pattern", "hat", "hat_colour", "scarf", "scarf_colour")
QUESTIONS = ("self", "does", "done_by", "order", "partner", "whose", "of_what", "prop_colour", *_LOOKS)
_DRESS = (*COLOURS, *CLOTHES, *PATTERNS, *BARE)
_WORDS = {number: word for word, number in VOCABULARY.items()}
_ASKED = frozenset((*MOTIONS, *_DRESS))


class TextSettings(BaseModel):
    """Architecture and optimisation.

    Attributes:
        layers: Blocks of the encoder.
        width: Of an embedding.
        stories: A batch is the captions of so many stories.
        steps: How long to train; a step of 24 stories takes a tenth of a second on one processor core.
        noise: Deviation of the noise on embeddings before a question is answered; they deviate by about 1. What
            survives it takes up room enough for a cross-attention to find it.
        start_from: Folder of an encoder to continue from, instead of a new one; of this vocabulary, or of one that this
            one continues.
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


def grown(encoder: UMT5EncoderModel) -> UMT5EncoderModel:
    """An encoder of an earlier, shorter vocabulary with room for today's words, which begin near the others' mean."""
    known = encoder.config.vocab_size
    if known < len(VOCABULARY):
        encoder.resize_token_embeddings(len(VOCABULARY), mean_resizing=False)
        table = encoder.get_input_embeddings().weight.data
        spread = table[:known].std(0)
        table[known:] = table[:known].mean(0) + spread * torch.randn_like(table[known:])
    return encoder


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
    facts = torch.tensor([_facts(row) for row in tokens.tolist()], device=tokens.device).transpose(0, 1)
    told = dict(zip((*_LOOKS, "does", "owner", "of_what", "prop_colour"), facts, strict=True))
    dress, colour = _is_one_of(tokens, _DRESS), _is_one_of(tokens, tuple(COLOURS))
    return {
        "self": (tokens != 0, tokens),
        "does": (kind, told["does"]),
        "done_by": (motion, told["owner"]),
        "order": (kind | motion, order),
        "partner": (kind, partner),
        "whose": (dress, told["owner"]),
        "of_what": (colour, told["of_what"]),
        "prop_colour": (_is_one_of(tokens, PROPS), told["prop_colour"]),
        **{name: (kind, told[name]) for name in _LOOKS},
    }


def _facts(ids: Sequence[int]) -> list[list[int]]:
    """For one caption, (11, L): at each character its look (7 rows) and motion, then at each token whose it is.

    The last two rows: at each colour the token of what it is the colour of, at each thing its colour.
    """
    words = [_WORDS[token] for token in ids]
    rows = {name: [_NOTHING] * len(words) for name in (*_LOOKS, "does", "owner", "of_what", "prop_colour")}
    for at, word in enumerate(words):
        if word not in _ASKED:
            continue
        who = _owner(words, at)
        rows["owner"][at] = ids[who] if who is not None else _NOTHING
        if word in COLOURS:
            rows["of_what"][at] = ids[_noun(words, at)]
            _colour_fact(rows, ids, words, at, who)
        elif who is not None:
            _fact(rows, ids[at], word, who)
    return list(rows.values())


def _owner(words: Sequence[str], at: int) -> int | None:
    """Where the character stands that a token belongs to: the next one for what stands before it, or the last."""
    noun = _noun(words, at) if words[at] in COLOURS or words[at] == "hair" else at
    if words[noun] in KINDS:
        return noun
    if words[noun] in PROPS:
        return None
    return next((before for before in range(noun, -1, -1) if words[before] in KINDS), None)


def _noun(words: Sequence[str], at: int) -> int:
    """Where the noun of a colour stands; hair is that of the person that follows."""
    found = next(after for after in range(at + 1, len(words)) if words[after] not in PATTERNS)
    return found + 1 if words[found] == "hair" else found


def _colour_fact(
    rows: Mapping[str, list[int]], ids: Sequence[int], words: Sequence[str], at: int, who: int | None
) -> None:
    noun = words[_noun(words, at)]
    if noun in PROPS:
        rows["prop_colour"][_noun(words, at)] = ids[at]
    elif who is not None:
        name = "coat" if noun in KINDS else "outfit" if noun == "outfit" else f"{_part(noun)}_colour"
        rows[name][who] = ids[at]


def _part(noun: str) -> str:
    return "scarf" if noun == "scarf" else "hat"


def _fact(rows: Mapping[str, list[int]], token: int, word: str, who: int) -> None:
    if word in MOTIONS:
        rows["does"][who] = token
    elif word in PATTERNS:
        rows["pattern"][who] = token
    elif word in (*WORN, "no_hat"):
        rows["hat"][who] = token
    elif word in ("scarf", "no_scarf"):
        rows["scarf"][who] = token


def _is_one_of(tokens: Tensor, words: tuple[str, ...]) -> Tensor:
    return torch.isin(tokens, torch.tensor([VOCABULARY[word] for word in words], device=tokens.device))


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


def without_looks(tokens: Tensor) -> Tensor:
    """The same captions (B, L) with nothing told of looks, zero-padded: all that an earlier encoder knows."""
    rows = [[token for token in row if _WORDS[token] not in _DRESS and token] for row in tokens.tolist()]
    padded = [row + [0] * (tokens.shape[1] - len(row)) for row in rows]
    return torch.tensor(padded, device=tokens.device)


def _moved(encoder: UMT5EncoderModel, before: UMT5EncoderModel, tokens: Tensor) -> Tensor:
    """Mean square by which embeddings of captions moved away from those of an earlier encoder."""
    return (embed_text(encoder, tokens) - embed_text(before, tokens)).square().mean()


def learn(reader: Reader, captions: Captions, settings: TextSettings) -> None:
    """Train a reader, its encoder held near what it is now by `settings.anchor`."""
    before = copy.deepcopy(reader.encoder).requires_grad_(False) if settings.anchor else None
    optimizer = torch.optim.AdamW(reader.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    for step in range(settings.steps):
        set_learning_rate(optimizer, settings.learning_rate * one_cycle(step / settings.steps))
        tokens = captions()
        _, scores = reader(tokens, settings.noise)
        loss = reading_loss(scores, tokens)
        if before is not None:
            loss = loss + settings.anchor * _moved(reader.encoder, before, without_looks(tokens))
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(reader.parameters(), 1.0)
        optimizer.step()


def train_text(captions: Captions, settings: TextSettings, device: torch.device, folder: Path) -> None:
    """Train, and save to `folder` (float32) with what was reached on captions not seen before; for one process."""
    torch.manual_seed(settings.seed)
    start = settings.start_from
    encoder = new_text_encoder(settings) if start is None else grown(UMT5EncoderModel.from_pretrained(start).float())
    reader = Reader(encoder).to(device)
    learn(reader, captions, settings)
    encoder.save_pretrained(folder)
    report = {"settings": settings.model_dump(mode="json"), "right": share_right(reader, captions())}
    (folder / "training.json").write_text(json.dumps(report, indent=1))
