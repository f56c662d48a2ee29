"""A sheet of the keyframes that each selector chooses in some shots of a run of our own.

Usage: python benchmarks/chosen_frames.py RUN OUT.png [--cache FOLDER] [--shots 2]

One row a selector and shot, the frame's number beside each picture; pictures come through MobileNetV2 (real_data.py).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from real_data import default_cache, mobilenet_weights
from real_selection import Kept, chosen

from storymem.film.review import FinishedFilm
from storymem.interfaces import KeyframeSelector
from storymem.store.runstore import RunStore
from storymem.values.clip import Frames
from storymem_plugins.extractors.mobilenet import MobileNetEncoder
from storymem_plugins.extractors.settings import FileSettings
from storymem_plugins.selection.diverse import DiverseSelector
from storymem_plugins.selection.scene_change import SceneChangeSelector
from storymem_plugins.selection.semantic import SemanticSelector
from storymem_plugins.selection.uniform import UniformSelector

WIDTH, NAME, GAP = 208, 96, 4
SELECTORS: dict[str, KeyframeSelector] = {
    "uniform": UniformSelector(),
    "scene_change": SceneChangeSelector(),
    "semantic": SemanticSelector(),
    "diverse": DiverseSelector(),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--shots", type=int, default=2)
    asked = parser.parse_args()
    encoder = MobileNetEncoder(FileSettings(weights=mobilenet_weights(asked.cache), device="cpu"))
    rows = []
    with RunStore(asked.run, write=False) as store:
        for shot, _ in zip(FinishedFilm(store).shots(), range(asked.shots), strict=False):
            known = Kept(encoder.encode_images(shot.clip.frames)).rows
            for name, selector in SELECTORS.items():
                frames = chosen(selector, shot.clip, known)
                rows.append(row(f"{shot.shot.id} {name}", shot.clip.frames, frames))
    Image.fromarray(np.concatenate(rows)).quantize(128).save(asked.out, optimize=True)


def row(label: str, clip: Frames, frames: list[int]) -> Frames:
    height = round(WIDTH * clip.shape[1] / clip.shape[2])
    sheet = Image.new("RGB", (NAME + 3 * (WIDTH + GAP), height + GAP), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((4, height // 2 - 6), label, fill="black")
    for i, frame in enumerate(frames):
        left = NAME + i * (WIDTH + GAP)
        sheet.paste(Image.fromarray(clip[frame]).resize((WIDTH, height), Image.Resampling.LANCZOS), (left, 0))
        draw.rectangle((left, 0, left + 26, 14), fill="white")
        draw.text((left + 3, 1), str(frame), fill="black")
    return np.asarray(sheet)


if __name__ == "__main__":
    main()
