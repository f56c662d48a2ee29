"""What each fast option saves and what it does to the picture, on a trained model small enough for a CPU.

    python benchmarks/wan_fast.py --out benchmarks/results/wan_fast.json              # the embedded model
    python benchmarks/wan_fast.py --weights FOLDER --shots 1                          # any other folder

Every option makes the same shots as the plain settings: each shot remembers the keyframes of the plain one before it.
`psnr_db` compares with the plain clip; `passes_share` counts forward passes whose blocks were all computed. Seconds
are not reported: a small model's say little about a large one's.
"""

from __future__ import annotations

import argparse
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from wan_common import machine, write_result

from storymem.testing import shot_request
from storymem_backbones.diffusion.settings import Caching
from storymem_backbones.wan.backbone import WanBackbone
from storymem_backbones.wan.settings import WanSettings

PROMPTS = (
    "a wide shot of the fox stands in the forest",
    "a medium shot of the fox walks right in the forest",
    "a close-up shot of the rabbit stands on the beach",
    "a medium shot of the fox jumps on the beach",
)
OPTIONS: dict[str, dict[str, Any]] = {
    "first_block 0.02": {"caching": Caching(method="first_block", threshold=0.02)},
    "first_block 0.05": {"caching": Caching(method="first_block", threshold=0.05)},
    "first_block 0.10": {"caching": Caching(method="first_block", threshold=0.10)},
    "taylorseer every 2": {"caching": Caching(method="taylorseer", interval=2, first_steps=3)},
    "taylorseer every 3": {"caching": Caching(method="taylorseer", interval=3, first_steps=3)},
    "half the steps": {"steps": 0.5},
    "no guidance": {"guidance_high": 1.0, "guidance_low": 1.0},
    "float8 weights": {"profile_changes": {"linear_fp8": "weights"}},
    "float8 weights and activations": {"profile_changes": {"linear_fp8": "weights_and_activations"}},
    "bfloat16": {"profile_changes": {"dtype": "bfloat16"}},
    "LoRA merged": {"merge_loras": True},
}


@dataclass
class Run:
    """The clips of one setting."""

    clips: list[Any]
    passes: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--profile", default="cpu")
    parser.add_argument("--shots", type=int, default=len(PROMPTS))
    parser.add_argument("--steps", type=int)
    parser.add_argument("--options", nargs="+", choices=list(OPTIONS), default=list(OPTIONS))
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    base: dict[str, Any] = {"weights": str(arguments.weights or embedded()), "profile": arguments.profile}
    steps = arguments.steps or WanBackbone(WanSettings(**base))._manifest().steps
    base["steps"] = steps
    plain = make(base, arguments.shots, None)
    rows: dict[str, dict[str, float]] = {}
    for name in arguments.options:
        changes = dict(OPTIONS[name])
        if "steps" in changes:
            changes["steps"] = max(1, round(steps * changes["steps"]))
        run = make({**base, **changes}, arguments.shots, plain.clips)
        rows[name] = {
            "psnr_db": statistics.mean(psnr(a, b) for a, b in zip(run.clips, plain.clips, strict=True)),
            "passes_share": run.passes / plain.passes,
        }
        print(name, rows[name], flush=True)
    again = make(base, 1, None, seed=1)
    write_result(
        arguments.out,
        {
            **machine(),
            "steps": steps,
            "shots": arguments.shots,
            "psnr_of_another_seed": psnr(again.clips[0], plain.clips[0]),
            "options": rows,
        },
    )


def embedded() -> Path:
    """The weights that come with the package."""
    from storymem_storyworld.tiny.settings import WEIGHTS

    return WEIGHTS


def make(settings: dict[str, Any], shots: int, remembered: list[Any] | None, seed: int = 0) -> Run:
    """Make the shots; memory is the middle frame of each earlier clip of `remembered`, or of the own clips."""
    backbone = WanBackbone(WanSettings(**settings))
    capabilities = backbone.capabilities()
    width, height = capabilities.size
    clips: list[Any] = []
    counter = Passes()
    for number, prompt in enumerate(PROMPTS[:shots]):
        memory = tuple(clip[len(clip) // 2] for clip in (remembered or clips)[:number])
        request = shot_request(prompt, (width, height), capabilities.frames, seed * 1000 + number, memory=memory)
        if number == 0:
            backbone.generate(request, nothing)  # loads and warms up
            counter.count(backbone)
        clips.append(backbone.generate(request, nothing).frames)
    backbone.close()
    return Run(clips, counter.passes)


class Passes:
    """Counts how often the last block of either expert is really computed."""

    def __init__(self) -> None:
        self.passes = 0

    def count(self, backbone: WanBackbone) -> None:
        """Watch a backbone whose pipeline is loaded."""
        loaded = backbone._loaded
        assert loaded is not None
        experts = {id(expert): expert for expert in loaded[1].experts.values()}  # type: ignore[union-attr]
        for expert in experts.values():
            expert.blocks[-1].ffn.register_forward_hook(self._add)

    def _add(self, *_: object) -> None:
        self.passes += 1


def nothing(done: int, total: int) -> None:
    """Nobody watches."""


def psnr(made: Any, wanted: Any) -> float:
    """Peak signal-to-noise ratio in dB of two uint8 clips; 99 for equal ones."""
    error = float(np.square(made.astype(np.float64) - wanted.astype(np.float64)).mean())
    return 99.0 if error == 0 else float(10 * np.log10(255**2 / error))


if __name__ == "__main__":
    main()
