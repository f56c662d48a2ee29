"""Registers selectors, filters and encoders. Imports none of their heavy parts."""

from __future__ import annotations

from storymem.plugin import Register, hookimpl
from storymem_plugins.encoders.settings import ClipSettings, OpenClipSettings
from storymem_plugins.selection.aesthetic import AestheticFilter
from storymem_plugins.selection.brisque import BrisqueFilter
from storymem_plugins.selection.diverse import DiverseSelector
from storymem_plugins.selection.duplicate import DuplicateFilter
from storymem_plugins.selection.exposure import ExposureFilter
from storymem_plugins.selection.hpsv3 import HpsFilter
from storymem_plugins.selection.scene_change import SceneChangeSelector
from storymem_plugins.selection.semantic import SemanticSelector
from storymem_plugins.selection.sharpness import SharpnessFilter
from storymem_plugins.selection.uniform import UniformSelector


@hookimpl
def storymem_keyframe_selectors(register: Register) -> None:
    """Register the built-in selectors."""
    register("diverse", DiverseSelector)
    register("scene_change", SceneChangeSelector)
    register("semantic", SemanticSelector)
    register("uniform", UniformSelector, default_for=("selector",))


@hookimpl
def storymem_frame_filters(register: Register) -> None:
    """Register the built-in filters."""
    register("aesthetic", AestheticFilter)
    register("brisque", BrisqueFilter)
    register("duplicate", DuplicateFilter)
    register("exposure", ExposureFilter, default_for=("filters", "accept.filters"))
    register("hpsv3", HpsFilter)
    register("sharpness", SharpnessFilter, default_for=("filters",))


@hookimpl
def storymem_encoders(register: Register) -> None:
    """Register the built-in encoders; their modules need torch and are imported when one is used."""
    register(
        "clip",
        "storymem_plugins.encoders.clip:ClipEncoder",
        settings=ClipSettings,
        requires=("torch", "transformers"),
        install="storymem[wan]",
        summary="A CLIP or SigLIP model of the transformers library; needs no torchvision.",
    )
    register(
        "open_clip",
        "storymem_plugins.encoders.openclip:OpenClipEncoder",
        settings=OpenClipSettings,
        requires=("torch", "open_clip"),
        install="storymem[open-clip]",
        summary="Any model of the open_clip library; needs a torchvision that matches torch.",
    )
