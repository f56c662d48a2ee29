"""How much of a character's true look comes back from four true keyframes of it: the embedded model, one clip a story.

    python benchmarks/tiny_identity.py --stories 60

Held-out stories; memory is the middle frames of up to three earlier clips that show a character of the target, and of
one that may not, as the renderer draws them, so errors of earlier shots do not add up. Colours, accessories and motion
are read at the told kind, whether or not the shipped read-out would have found it; `found` says how often it does.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from storymem_backbones.wan.build import build_pipeline
from storymem_backbones.wan.manifest import read_manifest
from storymem_backbones.wan.pipeline import WanMemoryPipeline
from storymem_backbones.wan.shot import Sampling, clip_request
from storymem_storyworld.language.caption import canonical_caption
from storymem_storyworld.measure.metric import SHIPPED
from storymem_storyworld.readout.read import READ_EVERY, Readout, load_readout, over_clip
from storymem_storyworld.tiny.settings import WEIGHTS, TinySettings
from storymem_storyworld.train.stories import held_out_story, pictures_and_figures
from storymem_storyworld.world.spec import HATS, KINDS, MOTIONS, PATTERNS, Actor, ClipSpec

FIRST_STORY = 900


@dataclass(frozen=True)
class Case:
    """One clip to make, what it remembers, and its seed."""

    spec: ClipSpec
    memory: tuple[NDArray[np.uint8], ...]
    seed: int


def kinds_in(spec: ClipSpec) -> set[str]:
    """The kinds of its characters."""
    return {actor.look.kind for actor in spec.actors}


def case(seed: int) -> Case | None:
    """The last clip of a story that begins with a cut and shows someone again; None if there is none."""
    story = held_out_story(seed)
    for at in range(len(story) - 1, 2, -1):
        again = [i for i in range(at) if kinds_in(story[i]) & kinds_in(story[at])]
        if story[at].overlap == 0 and story[at].actors[0].look.kind in {k for i in again for k in kinds_in(story[i])}:
            others = [i for i in range(at) if i not in again[-3:]]
            frames = pictures_and_figures(story, torch.device("cpu"))[0].permute(0, 2, 3, 4, 1).numpy()
            kept = sorted([*again[-3:], *others[-1:]])
            return Case(story[at], tuple(frames[i, 8] for i in kept), seed)
    return None


def load(folder: Path) -> WanMemoryPipeline:
    """The model with its memory LoRA, in float32 on the CPU."""
    return build_pipeline(folder, TinySettings(weights=str(folder)), read_manifest(folder))


@torch.no_grad()
def errors(readout: Readout, frames: NDArray[np.uint8], actor: Actor) -> tuple[float, float, float, float]:
    """Mean absolute colour error, share of accessories that are right, whether the kind is found and does as told."""
    clip = torch.from_numpy(frames)[None].permute(0, 1, 4, 2, 3).float() / 127.5 - 1
    answers = over_clip(readout(clip[:, ::READ_EVERY]))
    seen = {name: value[0, KINDS.index(actor.look.kind)] for name, value in answers.figures.items()}
    colours = torch.cat([seen["coat"], seen["outfit"]]) - torch.tensor((*actor.look.coat, *actor.look.outfit))
    right = (
        HATS[int(seen["hat"].argmax())] == actor.look.hat,
        bool(seen["scarf"] > 0) == actor.look.scarf,
        PATTERNS[int(seen["pattern"].argmax())] == actor.look.pattern,
    )
    moves = MOTIONS[int(answers.motion[0, KINDS.index(actor.look.kind)].argmax())] == actor.motion
    return float(colours.abs().mean()), sum(right) / 3, float(seen["present"] >= 0.5), float(moves)


@dataclass(frozen=True)
class Result:
    """One character of one clip that was made: `errors`, and what clip it was."""

    colour: float
    accessories: float
    found: float
    moves: float
    alone: bool
    wide: bool


def run(
    pipeline: WanMemoryPipeline, readout: Readout, cases: list[Case], sampling: Sampling, memory: bool
) -> list[Result]:
    """Make and read every clip."""
    results: list[Result] = []
    for one in cases:
        shot = clip_request(canonical_caption(one.spec), "", 160, 96, 17, one.seed, memory=one.memory if memory else ())
        frames, actors = pipeline(shot, sampling), one.spec.actors
        what = len(actors) == 1, one.spec.size == "wide"
        results += [Result(*errors(readout, frames, actor), *what) for actor in actors]
    return results


def cells(results: list[Result]) -> str:
    """One row of the table."""
    wide, closer = ([r for r in results if r.wide == is_wide] for is_wide in (True, False))
    looks = [f"{mean('colour', some):.3f} | {mean('accessories', some):.2f}" for some in (results, wide, closer)]
    alone, paired = ([r for r in results if r.alone == is_alone] for is_alone in (True, False))
    moves = [f"{mean('moves', some):.2f} of {len(some)}" for some in (alone, paired)]
    return " | ".join([*looks, f"{mean('found', results):.2f}", *moves])


def mean(name: str, results: list[Result]) -> float:
    """Of one number over some results."""
    return float(np.mean([getattr(result, name) for result in results]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--stories", type=int, default=30)
    parser.add_argument(
        "--guidance",
        type=float,
        nargs=2,
        action="append",
        metavar=("TEXT", "MEMORY"),
        help="default: 1 1 and the model's own",
    )
    arguments = parser.parse_args()
    pipeline, readout = load(arguments.weights), load_readout(SHIPPED)
    found = [case(FIRST_STORY + index) for index in range(arguments.stories)]
    cases = [one for one in found if one is not None]
    looks = (f"{what}{where}" for where in ("", ", wide", ", closer") for what in ("colour error", "accessories"))
    head = ("guidance by text, by memory", "memory", *looks, "found", "motion alone", "in pairs")
    print("| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|")
    own = read_manifest(arguments.weights)
    asked = arguments.guidance or [(1.0, 1.0), (own.guidance, own.memory_guidance)]
    # Without memory, guidance by it does nothing: such rows are made once.
    rows = dict.fromkeys((t, m if remembers else 1.0, remembers) for t, m in asked for remembers in (False, True))
    for text, memory, remembers in rows:
        sampling = Sampling(8, 4.0, guidance_high=text, guidance_low=text, memory_guidance=memory)
        row = cells(run(pipeline, readout, cases, sampling, remembers))
        print(f"| {text:g}, {memory:g} | {'four keyframes' if remembers else 'none'} | {row} |", flush=True)


if __name__ == "__main__":
    main()
