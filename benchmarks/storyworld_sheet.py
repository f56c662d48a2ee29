"""A contact sheet of the storyworld's renderer: one moment of many clips.

    python benchmarks/storyworld_sheet.py --out docs/images/storyworld.png

The pictures come from the renderer, not from a model.
"""

from __future__ import annotations

import argparse
import random
from dataclasses import replace
from pathlib import Path

import numpy as np

from storymem.values.picture import encode_png
from storymem_storyworld.clip.stills import still
from storymem_storyworld.draw.render import as_bytes, render
from storymem_storyworld.world.sample import sample_look, sample_setting, sample_shot
from storymem_storyworld.world.spec import KINDS, PLACES, SIZES, TIMES, ClipSpec

COLUMNS, GAP = 5, 4


def specs(seed: int, count: int) -> list[ClipSpec]:
    """Every kind and place at least once, in turn."""
    rng = random.Random(seed)
    kinds, places = rng.sample(KINDS, len(KINDS)), rng.sample(PLACES, len(PLACES))
    chosen = []
    for index in range(count):
        cast = {kinds[index % len(kinds)], kinds[(index + 4) % len(kinds)]} if index % 3 == 2 else {kinds[index % 13]}
        looks = tuple(sample_look(rng, kind) for kind in sorted(cast))
        place = sample_setting(rng, places[index % len(places)])
        shot = sample_shot(rng, place, looks, SIZES[index % 3], TIMES[(0, 0, 1, 0, 2)[index % 5]])
        chosen.append(replace(still(shot, 4.0), pan="static"))
    return chosen


def sheet(pictures: np.ndarray) -> np.ndarray:
    """(N, H, W, 3) on a white sheet of five columns."""
    count, height, width, _ = pictures.shape
    rows = -(-count // COLUMNS)
    page = np.full((rows * (height + GAP) - GAP, COLUMNS * (width + GAP) - GAP, 3), 255, np.uint8)
    for index, picture in enumerate(pictures):
        top, left = index // COLUMNS * (height + GAP), index % COLUMNS * (width + GAP)
        page[top : top + height, left : left + width] = picture
    return page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--count", type=int, default=20)
    arguments = parser.parse_args()
    pictures = render(specs(arguments.seed, arguments.count), frames=1, height=96, width=160)[:, 0]
    frames = as_bytes(pictures).permute(0, 2, 3, 1).numpy()
    arguments.out.write_bytes(encode_png(sheet(frames)))


if __name__ == "__main__":
    main()
