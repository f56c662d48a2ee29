"""Whether the embedded model paints the looks that it is told, and keeps those that it is not told.

    python benchmarks/tiny_told.py --stories 60

Held-out stories, one clip each, with half of each look told: as a first shot (no memory), as a later one (memory holds
true pictures of up to three earlier clips that show a character of it) and against a memory that contradicts the words
(some attributes are others than those remembered, and told). `untold` tells nothing. What is told must be read back by
its name; of what is not told the table says how much of the true look is kept. `renderer` is the true picture, read by
the same network.
"""

from __future__ import annotations

import argparse
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from storymem_backbones.wan.build import build_pipeline
from storymem_backbones.wan.manifest import read_manifest
from storymem_backbones.wan.shot import Sampling, clip_request
from storymem_storyworld.language.caption import canonical_caption
from storymem_storyworld.language.looks import COLOUR_ATTRIBUTES, ToldLook, changed_look, told_in_part, true_look
from storymem_storyworld.measure.metric import SHIPPED
from storymem_storyworld.measure.metrics import seen_look
from storymem_storyworld.readout.read import ClipReading, Readout, load_readout, read_clips
from storymem_storyworld.tiny.settings import WEIGHTS, TinySettings
from storymem_storyworld.train.stories import held_out_story, pictures_and_figures
from storymem_storyworld.world.spec import ClipSpec

FIRST_STORY = 3000
CONDITIONS = ("first", "later", "against", "untold")
Frames = NDArray[np.uint8]
Told = dict[str, ToldLook]


@dataclass(frozen=True)
class Case:
    """One clip to make: what it should show, what is told of it, what it remembers."""

    spec: ClipSpec
    told: Told
    memory: tuple[Frames, ...]
    seed: int

    @property
    def caption(self) -> str:
        """The sentence that the model is given."""
        return canonical_caption(self.spec, self.told)


def remembered(seed: int, device: torch.device) -> tuple[ClipSpec, tuple[Frames, ...]] | None:
    """A story's last clip that begins with a cut and shows only who was seen before, and pictures of earlier ones."""
    story = held_out_story(seed)
    for at in range(len(story) - 1, 1, -1):
        kinds = {actor.look.kind for actor in story[at].actors}
        before = [i for i in range(at) if kinds & {actor.look.kind for actor in story[i].actors}]
        known = {actor.look.kind for i in before for actor in story[i].actors}
        if story[at].overlap == 0 and kinds <= known and not any(actor.changed for actor in story[at].actors):
            chosen = [story[i] for i in before[-3:]]
            frames = pictures_and_figures(chosen, device)[0].permute(0, 2, 3, 4, 1).cpu().numpy()
            return story[at], tuple(clip[8] for clip in frames)
    return None


def cases(seed: int, device: torch.device) -> dict[str, Case]:
    """A story's clip under each condition; nothing if it has none that suits."""
    found = remembered(seed, device)
    if found is None:
        return {}
    (spec, memory), rng = found, random.Random(f"told {seed}")
    told = {actor.look.kind: told_in_part(rng, actor, 0.5) for actor in spec.actors}
    other = replace(spec, actors=tuple(_changed(rng, spec)))
    contradicting = {actor.look.kind: told_in_part(rng, actor, 0.3) for actor in other.actors}
    return {
        "first": Case(spec, told, (), seed),
        "later": Case(spec, told, memory, seed),
        "against": Case(other, contradicting, memory, seed),
        "untold": Case(spec, {}, memory, seed),
    }


def _changed(rng: random.Random, spec: ClipSpec):  # type: ignore[no-untyped-def]
    for actor in spec.actors:
        look, names = changed_look(rng, actor.look)
        yield replace(actor, look=look, changed=names)


Counts = dict[str, list[float]]


def count(case: Case, reading: ClipReading, counts: Counts) -> None:
    """Add what one clip shows to the counts of its condition."""
    for actor in case.spec.actors:
        kind, told = actor.look.kind, dict(case.told.get(actor.look.kind, ToldLook()).items())
        figure = reading.figures.get(kind)
        seen = ToldLook() if figure is None else seen_look(figure)
        counts["found"].append(figure is not None)
        for name, value in true_look(actor.look).items():
            group = "colour" if name in COLOUR_ATTRIBUTES else "accessory"
            right = getattr(seen, name) == value
            counts[f"{'told' if name in told else 'kept'} {group}"].append(right)
            if name in actor.changed:
                counts["changed"].append(right)
            if name in told and len(case.spec.actors) > 1:
                counts["pair"].append(right)
        if figure is not None and not told:
            pairs = zip((*figure.coat, *figure.outfit), (*actor.look.coat, *actor.look.outfit), strict=True)
            counts["error"].append(sum(abs(a - b) for a, b in pairs) / 6)


COLUMNS = ("told colour", "told accessory", "changed", "pair", "kept colour", "kept accessory", "error", "found")


def row(name: str, counts: Mapping[str, Sequence[float]]) -> str:
    """One line of the table."""
    cells = [f"{np.mean(counts[c]):.3f} of {len(counts[c])}" if counts.get(c) else "" for c in COLUMNS]
    return f"| {name} | {' | '.join(cells)} |"


def read(readout: Readout, frames: Frames, device: torch.device) -> ClipReading:
    """What is seen in a clip's frames."""
    clip = torch.from_numpy(frames)[None].permute(0, 1, 4, 2, 3).float().to(device) / 127.5 - 1
    return read_clips(readout, clip)[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--readout", type=Path, default=SHIPPED)
    parser.add_argument("--stories", type=int, default=30)
    parser.add_argument("--first", type=int, default=FIRST_STORY)
    parser.add_argument("--memory-guidance", type=float, help="the model's own by default")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    manifest = read_manifest(arguments.weights)
    pipeline = build_pipeline(arguments.weights, TinySettings(weights=str(arguments.weights)), manifest).to(device)
    readout = load_readout(arguments.readout, device)
    guidance = arguments.memory_guidance or manifest.memory_guidance
    sampling = Sampling(8, 4.0, guidance_high=1, guidance_low=1, memory_guidance=guidance)
    counts: dict[str, Counts] = defaultdict(lambda: defaultdict(list))
    for seed in range(arguments.first, arguments.first + arguments.stories):
        for condition, case in cases(seed, device).items():
            shot = clip_request(case.caption, "", 160, 96, 17, case.seed, memory=case.memory)
            count(case, read(readout, pipeline(shot, sampling), device), counts[condition])
            if condition != "untold":
                true = pictures_and_figures([case.spec], device)[0][0].permute(1, 2, 3, 0).cpu().numpy()
                count(case, read(readout, true, device), counts["renderer"])
    print("| | " + " | ".join(COLUMNS) + " |\n" + "|---" * (len(COLUMNS) + 1) + "|")
    for name in ("renderer", *CONDITIONS):
        print(row(name, counts[name]), flush=True)


if __name__ == "__main__":
    main()
