"""Pictures of a run for the documentation: a contact sheet, or an animated picture of some of its shots.

    python benchmarks/film_sheet.py films/fox_and_lantern docs/images/fox_and_lantern.webp
    python benchmarks/film_sheet.py films/fox_and_lantern docs/images/fox_and_lantern_moves.webp --moving 1.2 2.3 3.1

The sheet has the middle frame of every shot, four in a row. Moving shots follow each other at eight frames a second.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from storymem.media.video import iter_frames

COLUMNS, GAP, WIDTH, MOVING_WIDTH, MOVING_FPS, QUALITY = 4, 4, 240, 400, 8, 70


def shots(run: Path) -> dict[str, list[np.ndarray]]:
    """The frames of every shot as the film shows it, by shot id."""
    return {
        ".".join(str(int(part)) for part in path.stem.split("_")): list(iter_frames(path))
        for path in sorted((run / "shots").glob("*.mp4"))
    }


def scaled(frame: np.ndarray, width: int) -> Image.Image:
    """A frame at a width."""
    height = round(width * frame.shape[0] / frame.shape[1])
    return Image.fromarray(frame).resize((width, height), Image.Resampling.LANCZOS)


def sheet(run: Path) -> Image.Image:
    """The middle frame of every shot on a white page."""
    middles = [scaled(frames[len(frames) // 2], WIDTH) for frames in shots(run).values()]
    width, height = middles[0].size
    rows = -(-len(middles) // COLUMNS)
    page = Image.new("RGB", (COLUMNS * (width + GAP) - GAP, rows * (height + GAP) - GAP), "white")
    for index, picture in enumerate(middles):
        page.paste(picture, (index % COLUMNS * (width + GAP), index // COLUMNS * (height + GAP)))
    return page


def moving(run: Path, wanted: list[str], out: Path) -> None:
    """Write the wanted shots as one animated picture; films run at 24 frames a second."""
    found = shots(run)
    frames = [scaled(frame, MOVING_WIDTH) for shot in wanted for frame in found[shot][:: 24 // MOVING_FPS]]
    frames[0].save(
        out, save_all=True, append_images=frames[1:], duration=1000 // MOVING_FPS, loop=0, quality=QUALITY, method=6
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--moving", nargs="+", metavar="SHOT", help="ids of the shots that move")
    arguments = parser.parse_args()
    if arguments.moving:
        moving(arguments.run, arguments.moving, arguments.out)
    else:
        sheet(arguments.run).save(arguments.out, quality=QUALITY, method=6)


if __name__ == "__main__":
    main()
