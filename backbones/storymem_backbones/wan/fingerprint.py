"""Which settings, weights and LoRAs change the picture: the text that a take's key is made of."""

import json
from pathlib import Path
from typing import Any

from storymem_backbones.diffusion.card import diffusers_version
from storymem_backbones.diffusion.digest import file_digest, weights_identity
from storymem_backbones.diffusion.errors import WeightsError
from storymem_backbones.wan.errors import LoraError
from storymem_backbones.wan.manifest import Manifest
from storymem_backbones.wan.settings import ExpertFiles, LoraChoice, TextToVideo, WanSettings
from storymem_backbones.wan.shot import Sampling


def picture_fingerprint(
    settings: WanSettings, manifest: Manifest, sampling: Sampling, loras: tuple[LoraChoice, ...]
) -> str:
    """Canonical JSON of everything that changes the picture, and of nothing that does not.

    Offloading, compilation, exact attention kernels, batched guidance and the number of GPUs are left out.

    Args:
        settings: Of the backbone.
        manifest: Of the model folder.
        sampling: Resolved from both.
        loras: As stacked.

    Raises:
        LoraError: If a LoRA file does not exist.
        WeightsError: If an expert's file does not exist.
    """
    content: dict[str, Any] = {
        "weights": weights_identity(settings.weights, settings.revision),
        "diffusers": diffusers_version(),
        "expert_files": settings.expert_files and _expert_files(settings.expert_files),
        "loras": [_lora(lora) for lora in loras],
        "merged": settings.merge_loras and bool(loras),
        "memory_shift": settings.memory_shift or manifest.memory_shift,
        "text_tokens": manifest.text_tokens,
        "sampling": {
            "steps": sampling.steps,
            "flow_shift": sampling.flow_shift,
            "boundary": sampling.boundary,
            "guidance": [sampling.guidance_high, sampling.guidance_low],
            "memory_guidance": sampling.memory_guidance,
        },
        "negative_prompt": settings.negative_prompt,
        "caching": settings.caching and settings.caching.model_dump(mode="json"),
        "profile": settings.resolved_profile().picture(),
        "text_to_video": settings.text_to_video and _text_to_video(settings.text_to_video),
    }
    if sampling.opening_guidance is not None:  # takes from before there was this setting stay good
        content["sampling"]["opening_guidance"] = sampling.opening_guidance
    if sampling.match_handover:  # likewise
        content["match_handover"] = True
    return json.dumps(content, sort_keys=True)


def _lora(lora: LoraChoice) -> dict[str, Any]:
    content = lora.model_dump(mode="json", exclude={"name", "every_layer", "high", "low"})
    return {**content, **{side: _file(lora, side) for side in ("high", "low")}}


def _file(lora: LoraChoice, side: str) -> str | None:
    path: Path | None = getattr(lora, side)
    if path is None:
        return None
    if not path.is_file():
        raise LoraError(f"loras.{lora.name}.{side}: {path} does not exist")
    return file_digest(path)


def _expert_files(files: ExpertFiles) -> list[str | None]:
    for path in (files.high, files.low):
        if path is not None and not path.is_file():
            raise WeightsError(f"expert_files: {path} does not exist")
    return [None if path is None else file_digest(path) for path in (files.high, files.low)]


def _text_to_video(model: TextToVideo) -> dict[str, Any]:
    identity = weights_identity(model.weights, model.revision)
    return {"weights": identity, "flow_shift": model.flow_shift, "boundary": model.boundary}
