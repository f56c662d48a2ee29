"""Validation clips: what a freshly trained LoRA makes of stories it was, or was not, trained on.

Each story's second clip is generated from its caption and keyframes of the first, so memory at work can be looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field

from storymem.media.video import SMALL, iter_frames, write_clip
from storymem.values.clip import Clip
from storymem.values.request import ShotRequest
from storymem_backbones.diffusion.quiet import quiet_libraries
from storymem_backbones.training.story_folder import TrainingStory
from storymem_backbones.wan.lora import load_m2v_lora
from storymem_backbones.wan.manifest import Manifest, read_manifest
from storymem_backbones.wan.pipeline import WanMemoryPipeline
from storymem_backbones.wan.shot import Picture, Sampling, clip_request


class ValidationSettings(BaseModel):
    """How many stories to make a clip of (0: none), how many keyframes it remembers, and how it is sampled."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stories: int = Field(1, ge=0)
    memory: int = Field(3, ge=1)
    steps: int | None = Field(None, ge=1)
    seed: int = 0


def write_validation_clips(
    checkpoint: Path,
    loras: Mapping[str, Path],
    stories: Mapping[Path, TrainingStory],
    settings: ValidationSettings,
    folder: Path,
) -> tuple[Path, ...]:
    """Generate and write one clip for each of the first stories.

    Args:
        checkpoint: The model that was fine-tuned.
        loras: The new LoRA of each component ("transformer", "transformer_2").
        stories: By their folder.
        settings: How many, and how.
        folder: Where the clips go.
    """
    manifest = read_manifest(checkpoint)
    pipeline = _pipeline(checkpoint, loras, manifest)
    sampling = Sampling(
        settings.steps or manifest.steps, manifest.flow_shift, manifest.boundary, manifest.guidance, manifest.guidance
    )
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for path, story in islice(stories.items(), settings.stories):
        shot = _second_shot(path, story, manifest, settings)
        target = folder / f"{path.name}{SMALL.suffix}"
        write_clip(target, Clip(pipeline(shot, sampling), manifest.fps), SMALL)
        written.append(target)
    return tuple(written)


def _pipeline(checkpoint: Path, loras: Mapping[str, Path], manifest: Manifest) -> WanMemoryPipeline:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    with quiet_libraries():
        pipeline: WanMemoryPipeline = WanMemoryPipeline.from_pretrained(checkpoint, dtype=dtype)
    pipeline.text_tokens = manifest.text_tokens
    for component, path in loras.items():
        load_m2v_lora(getattr(pipeline, component), path)
    pipeline.set_memory_shift(manifest.memory_shift)
    if device == "cuda":
        pipeline.enable_model_cpu_offload()
    return pipeline


def _second_shot(folder: Path, story: TrainingStory, manifest: Manifest, settings: ValidationSettings) -> ShotRequest:
    first = list(iter_frames(folder / story.clips[0].file))
    chosen = np.linspace(0, len(first) - 1, settings.memory).round().astype(int)
    memory: tuple[Picture, ...] = tuple(first[i] for i in chosen)
    return clip_request(
        story.clips[1].caption, "", manifest.width, manifest.height, manifest.frames, settings.seed, memory
    )
