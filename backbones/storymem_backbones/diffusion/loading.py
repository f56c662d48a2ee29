"""From a model folder to a pipeline in memory."""

from pathlib import Path
from typing import Any

import torch

from storymem_backbones.diffusion.errors import WeightsError
from storymem_backbones.diffusion.profiles import Profile
from storymem_backbones.diffusion.quiet import quiet_libraries


def load_pipeline(pipeline_class: Any, folder: Path, profile: Profile, **given: Any) -> Any:
    """Load a folder in the profile's number formats.

    Args:
        pipeline_class: Of diffusers.
        folder: In diffusers format.
        profile: Says the number formats.
        given: Components that are loaded already.

    Raises:
        WeightsError: If the folder cannot be loaded.
    """
    dtypes = {"default": getattr(torch, profile.dtype), "vae": getattr(torch, profile.vae_dtype)}
    try:
        with quiet_libraries():
            pipeline = pipeline_class.from_pretrained(folder, dtype=dtypes, local_files_only=True, **given)
    except (OSError, ValueError, RuntimeError) as error:
        raise WeightsError(f"{folder}: cannot be loaded: {' '.join(str(error).split())[:300]}") from error
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
