"""A contact sheet of a run: the middle frame of every shot, four in a row, twice as large.

python benchmarks/film_sheet.py films/fox_and_lantern docs/images/tiny_film.png
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from storymem.media.video import iter_frames
from storymem.values.picture import encode_png

COLUMNS, SCALE, GAP = 4, 2, 4


def main() -> None:
    run, out = Path(sys.argv[1]), Path(sys.argv[2])
    middles = []
    for path in sorted((run / "shots").glob("*.mp4")):
        frames = list(iter_frames(path))
        middles.append(frames[len(frames) // 2].repeat(SCALE, 0).repeat(SCALE, 1))
    height, width, _ = middles[0].shape
    rows = -(-len(middles) // COLUMNS)
    page = np.full((rows * (height + GAP) - GAP, COLUMNS * (width + GAP) - GAP, 3), 255, np.uint8)
    for index, picture in enumerate(middles):
        top, left = index // COLUMNS * (height + GAP), index % COLUMNS * (width + GAP)
        page[top : top + height, left : left + width] = picture
    out.write_bytes(encode_png(page))


if __name__ == "__main__":
    main()
