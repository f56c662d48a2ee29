"""Whether the embedded text encoder tells who does what: linear probes on the tokens of captions with two characters.

    python benchmarks/tiny_binding.py

A caption is "medium_shot fox waves owl nods forest". Each token's embedding is asked for the first and for the second
motion. An encoder that binds would let a character's token answer for its own motion and not for the other's.
"""

from __future__ import annotations

import random

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import UMT5EncoderModel

from storymem_storyworld.language.tokenizer import END, vocabulary
from storymem_storyworld.tiny.settings import WEIGHTS
from storymem_storyworld.train.stories import TEXT_TOKENS
from storymem_storyworld.train.text import embed_text
from storymem_storyworld.world.spec import KINDS, MOTIONS, PLACES, SIZES

CAPTIONS, HELD_OUT, STEPS = 6000, 1000, 600
TOKENS = {"first character": 1, "first motion": 2, "second character": 3, "second motion": 4}


def captions(count: int) -> tuple[Tensor, Tensor]:
    """Token ids (N, TEXT_TOKENS) and the two motions' numbers (N, 2)."""
    rng, words = random.Random(0), vocabulary()
    ids, motions = list[list[int]](), list[list[int]]()
    for _ in range(count):
        first, second = rng.sample(KINDS, 2)
        told = [rng.choice(MOTIONS), rng.choice(MOTIONS)]
        caption = (rng.choice(SIZES), first, told[0], second, told[1], rng.choice(PLACES), END)
        ids.append([words[word] for word in caption] + [0] * (TEXT_TOKENS - len(caption)))
        motions.append([MOTIONS.index(motion) for motion in told])
    return torch.tensor(ids), torch.tensor(motions)


def probe(features: Tensor, labels: Tensor) -> float:
    """Share of held-out captions (N, D) whose label (N,) a linear layer names."""
    known = features[:-HELD_OUT]
    features = (features - known.mean(0)) / (known.std(0) + 1e-6)
    layer = nn.Linear(features.shape[1], len(MOTIONS))
    optimizer = torch.optim.Adam(layer.parameters(), 1e-2)
    for _ in range(STEPS):
        optimizer.zero_grad()
        cross_entropy(layer(features[:-HELD_OUT]), labels[:-HELD_OUT]).backward()
        optimizer.step()
    return float((layer(features[-HELD_OUT:]).argmax(1) == labels[-HELD_OUT:]).float().mean())


def main() -> None:
    torch.manual_seed(0)
    encoder = UMT5EncoderModel.from_pretrained(WEIGHTS / "text_encoder").float().eval()
    ids, motions = captions(CAPTIONS)
    with torch.no_grad():
        embedded = torch.cat([embed_text(encoder, part) for part in ids.split(500)])
    print("| token | names the first motion | the second |\n|---|---|---|")
    for name, position in TOKENS.items():
        shares = [probe(embedded[:, position], motions[:, which]) for which in (0, 1)]
        print(f"| {name} | {shares[0]:.2f} | {shares[1]:.2f} |")


if __name__ == "__main__":
    main()
