"""What colour_match does to chains of true pictures, with a drift imposed and without one.

    python benchmarks/colour_match.py

Prints the error of the mean colour, in levels of 255, from the first shot of a chain to the last.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from storymem.values import Clip, Frames
from storymem_plugins.finishing.colour_match import ColourMatch
from storymem_storyworld.draw.render import as_bytes, render
from storymem_storyworld.stories.episodes import sample_chain

SEEDS, SHOTS, FPS = (1, 3, 5), 6, 16
GAIN, OFFSET = 0.985, (2.0, 0.5, -1.0)  # of one more pass: contrast, and levels of red, green and blue


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    chains = [_true_chain(seed) for seed in SEEDS]
    for name, drifts in (("with drift", True), ("without", False)):
        shown = [[_drifted(shot, n if drifts else 0) for n, shot in enumerate(chain)] for chain in chains]
        matched = [_matched(chain) for chain in shown]
        print(f"{name}: as it was {_errors(shown, chains)}, matched {_errors(matched, chains)}")


def _true_chain(seed: int) -> list[Frames]:
    specs = [shot.spec for shot in sample_chain(seed, SHOTS).shots]
    clips = as_bytes(render(specs, chunk=1)).permute(0, 1, 3, 4, 2).numpy()
    return [clip[1 if n else 0 :] for n, clip in enumerate(clips)]  # continued shots drop the repeated frame


def _drifted(frames: Frames, passes: int) -> Frames:
    levels = (frames.astype(float) - 128) * GAIN**passes + 128 + passes * np.array(OFFSET)
    return np.rint(levels).clip(0, 255).astype(np.uint8)


def _matched(chain: Sequence[Frames]) -> list[Frames]:
    made: list[Frames] = []
    for frames in chain:
        previous = Clip(made[-1], FPS) if made else None
        made.append(ColourMatch().finish(Clip(frames, FPS), previous, lambda step, total: None).frames)
    return made


def _errors(shown: Sequence[Sequence[Frames]], true: Sequence[Sequence[Frames]]) -> list[float]:
    errors = [
        [np.abs(a.mean((0, 1, 2)) - b.mean((0, 1, 2))).mean() for a, b in zip(ours, theirs, strict=True)]
        for ours, theirs in zip(shown, true, strict=True)
    ]
    return [round(float(error), 1) for error in np.mean(errors, axis=0)]


if __name__ == "__main__":
    main()
