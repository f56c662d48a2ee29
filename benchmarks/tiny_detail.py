"""Where small things are lost: true clips with noise on them, made clean again by the embedded model without memory.

    python benchmarks/tiny_detail.py --clips 32

Held-out clips of one character. Each is encoded, noised and denoised from there with its own caption
(`train.regenerated`); the shipped read-out then reads hat, scarf and pattern. Level 0 is the autoencoder alone.
`ideal` is how often a perfect denoiser would take stripes for stripes rather than for dots: with d the distance of the
latents of two clips that differ in nothing else, and s the noise level, the share of a normal variable below
d (1 - s) / 2 s (x_s = (1 - s) x0 + s n).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from itertools import count, islice
from pathlib import Path

import torch
from torch import Tensor

from storymem_storyworld.measure.metric import SHIPPED
from storymem_storyworld.readout.read import Readout, load_readout, read_clips
from storymem_storyworld.tiny.settings import WEIGHTS
from storymem_storyworld.train.regenerated import Regenerator
from storymem_storyworld.train.stories import held_out_story, pictures_and_figures, to_pixels
from storymem_storyworld.world.spec import SIZES, ClipSpec

FIRST_STORY = 7000
LEVELS = (0.0, 0.3, 0.5, 0.7)


def clips_of(size: str, wanted: int) -> list[ClipSpec]:
    """One clip of each of as many stories: of this size, with one character, beginning with a cut."""
    stories = (held_out_story(seed) for seed in count(FIRST_STORY))
    fitting = ([s for s in story if s.size == size and len(s.actors) == 1 and s.overlap == 0] for story in stories)
    return list(islice((clips[0] for clips in fitting if clips), wanted))


def rendered(specs: list[ClipSpec]) -> Tensor:
    """Clips (B, 3, F, H, W) in [-1, 1]."""
    return to_pixels(pictures_and_figures(specs, torch.device("cpu"))[0])


def with_pattern(spec: ClipSpec, pattern: str) -> ClipSpec:
    """The same clip with another outfit."""
    (actor,) = spec.actors
    return replace(spec, actors=(replace(actor, look=replace(actor.look, pattern=pattern)),))


def right(readout: Readout, frames: Tensor, specs: list[ClipSpec]) -> dict[str, float]:
    """Share of clips (B, F, 3, H, W) whose character is found and whose hat, scarf and pattern are read as they are."""
    hits = {"hat": 0, "scarf": 0, "pattern": 0}
    for reading, spec in zip(read_clips(readout, to_pixels(frames)), specs, strict=True):
        look = spec.actors[0].look
        seen = reading.figures.get(look.kind)
        for name in hits:
            hits[name] += seen is not None and getattr(seen, name) == getattr(look, name)
    return {name: number / len(specs) for name, number in hits.items()}


@torch.no_grad()
def distances(model: Regenerator, specs: list[ClipSpec]) -> Tensor:
    """The d (B,) of each clip, see above."""
    striped, dotted = (model.encode(rendered([with_pattern(s, p) for s in specs])) for p in ("stripes", "dots"))
    apart: Tensor = (striped - dotted).flatten(1).norm(dim=1)
    return apart


def ideal(distance: Tensor, level: float) -> float:
    """See above; mean over the clips."""
    return float(torch.special.ndtr(distance * (1 - level) / (2 * level)).mean()) if level else 1.0


def rows(model: Regenerator, readout: Readout, size: str, clips: int) -> Iterator[str]:
    """The table's rows for one shot size."""
    specs = clips_of(size, clips)
    pictures, distance = rendered(specs), distances(model, specs)
    for level in LEVELS:
        frames = model(specs, pictures, level, torch.Generator().manual_seed(0))
        shares = right(readout, frames, specs)
        numbers = [*shares.values(), ideal(distance, level)]
        yield f"| {size} | {level:g} | {' | '.join(f'{number:.2f}' for number in numbers)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--clips", type=int, default=32, help="of each shot size")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=SIZES)
    arguments = parser.parse_args()
    model, readout = Regenerator(arguments.weights, torch.device("cpu")), load_readout(SHIPPED)
    print("| shot size | noise | hat | scarf | pattern | ideal, stripes or dots |\n" + "|---" * 6 + "|")
    for size in arguments.sizes:
        for row in rows(model, readout, size, arguments.clips):
            print(row, flush=True)


if __name__ == "__main__":
    main()
