"""From settings to a pipeline that is ready to run: weights, LoRAs, number formats, kernels, placement.

The order matters and is kept in one place: LoRAs before quantization, quantization before compilation,
    placement last.
"""

import logging
from functools import partial
from pathlib import Path
from typing import Any

import torch

from storymem.errors import SettingsError
from storymem_backbones.diffusion.loading import load_pipeline
from storymem_backbones.diffusion.placement import optimise, place, require_device
from storymem_backbones.diffusion.profiles import Profile
from storymem_backbones.wan.experts import load_expert
from storymem_backbones.wan.lora import known_part, load_m2v_lora, merge_loras
from storymem_backbones.wan.lora_file import read_lora
from storymem_backbones.wan.lora_keys import Expert
from storymem_backbones.wan.manifest import Manifest
from storymem_backbones.wan.parallel import ParallelPipeline, parallelise
from storymem_backbones.wan.pipeline import WanMemoryPipeline
from storymem_backbones.wan.settings import ExpertFiles, LoraChoice, WanSettings
from storymem_backbones.wan.torchrun import GroupPipeline, ranks, started_by_torchrun
from storymem_backbones.wan.weights import inspect_weights

_log = logging.getLogger(__name__)


def stacked_loras(settings: WanSettings, manifest: Manifest, folder: Path) -> tuple[LoraChoice, ...]:
    """The LoRAs to apply: the model folder's own M2V LoRA first, unless the settings bring one of that name."""
    if manifest.lora is None or any(lora.name == "m2v" for lora in settings.loras):
        return settings.loras
    low = manifest.lora_low and folder / manifest.lora_low
    return (LoraChoice(name="m2v", high=folder / manifest.lora, low=low or None), *settings.loras)


def start_pipeline(
    folder: Path, settings: WanSettings, manifest: Manifest, *, text_to_video: bool = False
) -> WanMemoryPipeline | ParallelPipeline | GroupPipeline:
    """A pipeline in this process, or one on several GPUs if the profile says so; see `build_pipeline` for errors."""
    profile = settings.resolved_profile()
    if started_by_torchrun():
        settings = settings.model_copy(update={"profile_changes": {**settings.profile_changes, "gpus": ranks()}})
    build = partial(build_pipeline, folder, settings, manifest, text_to_video=text_to_video)
    if started_by_torchrun():
        return GroupPipeline(build)
    if profile.gpus == 1:
        return build()
    require_device(profile, settings.profile)
    return ParallelPipeline(build, profile.gpus, profile.device)


def build_pipeline(
    folder: Path,
    settings: WanSettings,
    manifest: Manifest,
    *,
    text_to_video: bool = False,
) -> WanMemoryPipeline:
    """Load a model folder and make it ready.

    Args:
        folder: In diffusers format.
        settings: Which LoRAs, which profile.
        manifest: Of the folder.
        text_to_video: It is the separate T2V model: without LoRAs.

    Raises:
        SettingsError: If the profile asks for what this machine does not have.
        WeightsError: If the weights are not as needed.
        LoraError: If a LoRA does not fit.
    """
    profile = settings.resolved_profile()
    require_device(profile, settings.profile)
    info = inspect_weights(folder, text_to_video=text_to_video)
    files = None if text_to_video else settings.expert_files
    given = _single_files(folder, files, info.experts, profile)
    pipeline: WanMemoryPipeline = load_pipeline(WanMemoryPipeline, folder, profile, **given)
    pipeline.text_tokens = manifest.text_tokens
    pipeline.caching = settings.caching
    if not text_to_video:
        _apply_loras(pipeline, stacked_loras(settings, manifest, folder), len(info.experts), settings.merge_loras)
    pipeline.set_memory_shift(settings.memory_shift or manifest.memory_shift)
    if profile.gpus > 1:
        parallelise(pipeline, profile.gpus, profile.device)
    optimise(pipeline, profile)
    place(pipeline, profile)
    return pipeline


def _single_files(
    folder: Path, files: ExpertFiles | None, experts: tuple[str, ...], profile: Profile
) -> dict[str, Any]:
    """The experts that come from files of their own, by component."""
    if files is None:
        return {}
    paths = [path for path in (files.high, files.low) if path is not None]
    if len(paths) != len(experts):
        raise SettingsError(f"expert_files: this model has {len(experts)} expert(s), {len(paths)} file(s) were given")
    dtype = getattr(torch, profile.dtype)
    return {name: load_expert(path, folder, name, dtype) for name, path in zip(experts, paths, strict=True)}


def _apply_loras(pipeline: WanMemoryPipeline, loras: tuple[LoraChoice, ...], experts: int, merge: bool) -> None:
    for lora in loras:
        if experts == 2 and (lora.high is None) != (lora.low is None) and lora.every_layer:
            absent = "high" if lora.high is None else "low"
            raise SettingsError(
                f"loras.{lora.name}.{absent}: missing; this model has two experts, give a file for each"
            )
        sides: tuple[tuple[Any, Path | None, float, Expert], ...] = (
            (pipeline.transformer, lora.high, lora.weight_high, "high"),
            (pipeline.transformer_2, lora.low, lora.weight_low, "low"),
        )
        for transformer, path, weight, expert in sides:
            if path is None:
                continue
            if transformer is None:
                raise SettingsError(f"loras.{lora.name}.{expert}: this model has no {expert}-noise expert")
            weights = read_lora(path, expert=expert, alpha=lora.alpha, rslora=lora.rslora)
            if lora.skip_unknown:
                weights = known_part(transformer, weights)
            report = load_m2v_lora(transformer, weights, adapter=lora.name, weight=weight, every_layer=lora.every_layer)
            _log.info("%s: %d layers of the %s-noise expert, scale %.4g", path, report.layers, expert, report.scale)
    if merge:
        for transformer in filter(None, (pipeline.transformer, pipeline.transformer_2)):
            if getattr(transformer, "peft_config", None):
                merge_loras(transformer)
