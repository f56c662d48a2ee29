"""``storymem train m2v``: fine-tune M2V LoRAs of any Wan image-to-video checkpoint on a folder of stories.

The recipe is the published one (see `LoraSettings`, `SampleSettings`): one target clip and up to eight keyframes of
earlier clips, the flow of the target latents as the loss, each expert on its own noise range (StoryMem section 3.4).
Runs on one GPU as it is, on several under ``accelerate launch``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field

from storymem_backbones.diffusion.quiet import quiet_libraries
from storymem_backbones.training.clips import ClipFiles
from storymem_backbones.training.draw import SampleSettings, StoryDraws
from storymem_backbones.training.encode import CONSTANTS, StoryEncoder
from storymem_backbones.training.errors import TrainingError
from storymem_backbones.training.flow import SigmaRange
from storymem_backbones.training.lora_loop import (
    LoopResult,
    LoopSettings,
    LoraJob,
    LoraSettings,
    LoraTrainer,
    start_accelerator,
)
from storymem_backbones.training.story_folder import TrainingStory, read_stories
from storymem_backbones.training.validate import ValidationSettings, write_validation_clips
from storymem_backbones.wan.geometry import legal_frames, legal_size
from storymem_backbones.wan.manifest import Manifest, read_manifest
from storymem_backbones.wan.pipeline import WanMemoryPipeline
from storymem_backbones.wan.weights import WeightsInfo, inspect_weights

_log = logging.getLogger(__name__)
Expert = Literal["high", "low", "single"]
_COMPONENT = {"high": "transformer", "low": "transformer_2", "single": "transformer"}
_LORA_NAME = {"high": "backbone_high_noise", "low": "backbone_low_noise", "single": "backbone"}


class TrainM2VConfig(BaseModel):
    """What to train on what.

    Attributes:
        checkpoint: Folder of a Wan image-to-video model in diffusers format, one expert or two.
        stories: Data folder, see `story_folder`.
        output: Where LoRAs, curves, checkpoints, encoded clips and validation clips go.
        experts: Which to train, one after the other; a model with one expert has only "both".
        size: Width and height of training clips; the model's own if not given.
        frames: Frames of a training clip, 4n + 1; the model's own if not given.
        keyframes: Frames of each clip that may be remembered.
        flow_shift: Of the noise levels (5 in the published recipe).
        resume: Go on from the checkpoints in `output`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    checkpoint: Path
    stories: Path
    output: Path
    experts: Literal["both", "high", "low"] = "both"
    size: tuple[int, int] | None = None
    frames: int | None = None
    keyframes: int = Field(3, ge=1)
    flow_shift: float = Field(5.0, gt=0)
    resume: bool = False
    samples: SampleSettings = SampleSettings()
    lora: LoraSettings = LoraSettings()
    loop: LoopSettings = LoopSettings()
    validation: ValidationSettings = ValidationSettings()


@dataclass(frozen=True)
class TrainResult:
    """What was trained.

    Attributes:
        experts: Result of each expert by name: "high", "low", or "single" for a model with one.
        validation: Clips made with the new LoRAs.
    """

    experts: dict[str, LoopResult]
    validation: tuple[Path, ...] = ()


OnStep = Callable[[str, int, float], None]
"""Called with (expert, step, loss) at log points, on the main rank."""


def train_m2v(config: TrainM2VConfig, on_step: OnStep | None = None) -> TrainResult:
    """Encode the stories, train the experts' LoRAs, and make validation clips with them.

    Raises:
        TrainingDataError: If the data folder is wrong.
        TrainingError: If the settings do not suit the checkpoint.
        WeightsError: If the checkpoint is not a Wan image-to-video model.
        GeometryError: If size or frames are not legal.
    """
    info = inspect_weights(config.checkpoint)
    names = _experts(config, info)
    stories = read_stories(config.stories)
    accelerator = start_accelerator(config.loop, config.output)
    manifest = read_manifest(config.checkpoint)
    files = _encode(config, manifest, stories, accelerator)
    store = ClipFiles(files, files[0].parent / CONSTANTS)
    clips = [len(story.clips) for story in stories.values()]
    draws = StoryDraws(clips, config.keyframes, config.samples, config.loop.seed)
    results: dict[str, LoopResult] = {}
    for name in names:
        job = LoraJob(_sigmas(config, manifest, name), config.lora, config.loop, config.output, _LORA_NAME[name])
        trainer = LoraTrainer(_load_expert(config, name), draws, store, job, accelerator)
        if config.resume and trainer.resume():
            _log.info("%s: resumed", name)
        results[name] = trainer.train(None if on_step is None else _named(on_step, name))
        del trainer
        accelerator.free_memory()  # it holds on to whatever it has prepared
    made: tuple[Path, ...] = ()
    if config.validation.stories and accelerator.is_main_process:
        loras = {_COMPONENT[name]: results[name].lora for name in names}
        made = write_validation_clips(
            config.checkpoint, loras, stories, config.validation, config.output / "validation"
        )
    accelerator.wait_for_everyone()
    return TrainResult(results, made)


def _experts(config: TrainM2VConfig, info: WeightsInfo) -> tuple[Expert, ...]:
    if len(info.experts) == 1:
        if config.experts != "both":
            raise TrainingError(f"experts = {config.experts}: {config.checkpoint} has one expert; leave experts = both")
        return ("single",)
    return ("high", "low") if config.experts == "both" else (config.experts,)


def _sigmas(config: TrainM2VConfig, manifest: Manifest, name: Expert) -> SigmaRange:
    low, high = {"high": (manifest.boundary, 1.0), "low": (0.0, manifest.boundary), "single": (0.0, 1.0)}[name]
    return SigmaRange(config.flow_shift, low, high)


def _size(config: TrainM2VConfig, manifest: Manifest) -> tuple[int, int, int]:
    """Frames, height, width."""
    width, height = config.size or (manifest.width, manifest.height)
    return legal_frames(config.frames or manifest.frames), *legal_size(height, width)


def _encode(
    config: TrainM2VConfig, manifest: Manifest, stories: dict[Path, TrainingStory], accelerator: Any
) -> list[Path]:
    """Encode on the main rank; the others wait for its files."""
    size, cache = _size(config, manifest), config.output / "encoded"
    with accelerator.main_process_first(), quiet_libraries():
        pipeline = WanMemoryPipeline.from_pretrained(
            config.checkpoint, transformer=None, transformer_2=None, dtype=_dtype(config)
        ).to(accelerator.device)
        pipeline.text_tokens = manifest.text_tokens
        files = StoryEncoder(pipeline, size, config.keyframes, str(config.checkpoint)).encode_stories(stories, cache)
    del pipeline
    accelerator.free_memory()
    return files


def _load_expert(config: TrainM2VConfig, name: Expert) -> Any:
    from diffusers import WanTransformer3DModel

    with quiet_libraries():
        return WanTransformer3DModel.from_pretrained(
            config.checkpoint, subfolder=_COMPONENT[name], dtype=_dtype(config)
        )


def _dtype(config: TrainM2VConfig) -> torch.dtype:
    return torch.bfloat16 if config.loop.precision == "bf16" else torch.float32


def _named(on_step: OnStep, name: str) -> Callable[[int, float], None]:
    return lambda step, loss: on_step(name, step, loss)
