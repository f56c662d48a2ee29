"""One training step of the M2V LoRA on one full-size expert with random weights: peak memory and seconds a step.

    python benchmarks/wan_train_step.py --out benchmarks/results/wan_train_step.json
    python benchmarks/wan_train_step.py --tiny          # smoke test on a CPU

The published recipe on one GPU: rank 128, bfloat16, gradient checkpointing, one clip of 81 frames at 832x480 with eight
memory frames. Latents and text are random; encoding them happens once, before training, and is not part of a step.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import torch
from wan_common import Size, machine, peak_gib, random_expert, size_of, synchronise, write_result

from storymem_backbones.training.clips import ClipTensors
from storymem_backbones.training.draw import Draw, SampleSettings, StoryDraws
from storymem_backbones.training.flow import SigmaRange
from storymem_backbones.training.lora_loop import LoopSettings, LoraJob, LoraSettings, LoraTrainer
from storymem_backbones.wan.geometry import latent_frames

CLIPS, KEYFRAMES = 4, 3


class LastClip(StoryDraws):
    """Always the last clip of the story with the most memory it can have, half of the time with its first frame."""

    def __init__(self, memory: int, seed: int) -> None:
        super().__init__([CLIPS], KEYFRAMES, SampleSettings(max_memory=memory), seed)
        self._memory = memory

    def __call__(self, step: int, rank: int, batch_size: int) -> Draw:
        """See `StoryDraws`; M is the same in every step."""
        slots = torch.arange(self._memory).expand(batch_size, -1)
        target = torch.full((batch_size,), CLIPS - 1)
        known = torch.full((batch_size,), step % 2)
        return Draw(target, slots // KEYFRAMES, slots % KEYFRAMES, known, torch.zeros(batch_size, dtype=torch.bool))


def main() -> None:
    arguments = parse()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    size = size_of(arguments.tiny, arguments.memory)
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    lora = LoraSettings(rank=arguments.rank, alpha=arguments.rank, warmup_steps=0)
    loop = LoopSettings(
        steps=arguments.steps,
        precision="bf16" if device.type == "cuda" else "no",
        log_every=1,
        compile=arguments.compile,
        gradient_checkpointing=not arguments.no_checkpointing,
    )
    with tempfile.TemporaryDirectory() as folder:
        job = LoraJob(SigmaRange(5.0, 0.9, 1.0), lora, loop, Path(folder), "backbone_high_noise")
        model = random_expert(size.config, device, dtype)
        trainer = LoraTrainer(model, LastClip(size.memory, 0), random_clips(size, device), job)
        times = [time.perf_counter()]
        losses: list[float] = []

        def on_step(_: int, loss: float) -> None:
            synchronise(device)
            times.append(time.perf_counter())
            losses.append(loss)

        trainer.train(on_step)
    took = [end - start for start, end in pairwise(times)]
    write_result(
        arguments.out,
        {
            **machine(),
            "size": f"{size.width}x{size.height}x{size.frames}, M={size.memory}",
            "rank": arguments.rank,
            "gradient_checkpointing": loop.gradient_checkpointing,
            "compile": loop.compile,
            "seconds": [round(seconds, 3) for seconds in took],
            "seconds_a_step": min(took[1:] or took),
            "forward_tflop": size.flops / 1e12,
            "losses": losses,
            "peak_gib": peak_gib(device),
            "reserved_gib": torch.cuda.max_memory_reserved() / 2**30 if device.type == "cuda" else 0.0,
        },
    )


def random_clips(size: Size, device: torch.device) -> ClipTensors:
    """One story of random latents in the size of a shot."""
    generator = torch.Generator().manual_seed(0)
    frames, rows, columns = latent_frames(size.frames), size.height // 8, size.width // 8

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator).bfloat16().to(device)

    clip = (16, frames, rows, columns)
    text = normal(CLIPS, 512, size.config["text_dim"])
    return ClipTensors(
        video=normal(CLIPS, *clip),
        first=normal(CLIPS, *clip),
        motion=normal(CLIPS, *clip),
        keyframes=normal(CLIPS, KEYFRAMES, 16, rows, columns),
        text=text,
        no_condition=normal(*clip),
        no_text=text[0],
    )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--memory", type=int, default=8)
    parser.add_argument("--rank", type=int, default=128)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--no-checkpointing", action="store_true")
    parser.add_argument("--tiny", action="store_true", help="toy size, for a smoke test")
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
