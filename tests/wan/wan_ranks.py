"""What the ranks of test_parallel.py build; a module of its own because other processes import it."""

import os
from pathlib import Path

import numpy as np


def real(folder: Path):
    """The tiny pipeline: the first expert attends through diffusers, the second through the own exchange."""
    from storymem_backbones.diffusion.attention import KernelProcessor, sdpa
    from storymem_backbones.wan.build import build_pipeline
    from storymem_backbones.wan.manifest import Manifest
    from storymem_backbones.wan.settings import WanSettings

    settings = WanSettings(weights=str(folder), profile="cpu", profile_changes={"gpus": 2})
    pipeline = build_pipeline(folder, settings, Manifest(text_tokens=32))
    for block in pipeline.transformer_2.blocks:
        for layer in (block.attn1, block.attn2):
            processor = KernelProcessor(sdpa)
            processor._parallel_config = layer.processor._parallel_config
            layer.set_processor(processor)
    return pipeline


def fake(how: str):
    """A pipeline whose second rank fails, in the way asked for."""
    if how == "cannot build" and os.environ["RANK"] == "1":
        from storymem_backbones.diffusion.errors import WeightsError

        raise WeightsError("model: folder vae is missing")

    def make(shot, sampling, progress):
        progress(0, 1)
        if os.environ["RANK"] == "1":
            if how == "dies":
                os._exit(3)
            if how == "out of memory":
                import torch

                raise torch.OutOfMemoryError("CUDA out of memory")
            raise RuntimeError("no more electricity")
        return np.zeros((1, 1, 1, 3), np.uint8)

    return make
