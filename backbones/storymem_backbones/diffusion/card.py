"""What is said of a model before anything of it is loaded. Plain data, no torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from storymem_backbones.diffusion.manifest import NativeFacts
from storymem_backbones.diffusion.weights import Published


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One model.

    Attributes:
        name: How messages call it.
        pipeline: Its diffusers class, ``module:Class``.
        licence: Of the weights, a line that ``storymem doctor`` shows.
        published: Where the weights are.
        components: Classes that a folder must have, by component.
        blocks: Names of the lists of blocks of its transformers, which are quantized and streamed one by one.
        facts: Native size, length and sampling of the published model.
    """

    name: str
    pipeline: str
    licence: str
    published: Published
    components: Mapping[str, str]
    blocks: tuple[str, ...] = ("blocks",)
    facts: NativeFacts = field(default_factory=NativeFacts)

    def pipeline_class(self) -> Any:
        """The diffusers class; imports torch and diffusers."""
        module, _, name = self.pipeline.partition(":")
        return getattr(import_module(module), name)


def diffusers_version() -> str:
    """The installed diffusers: part of a fingerprint, because pipelines change between releases without a notice."""
    try:
        return version("diffusers")
    except PackageNotFoundError:  # doctor and dry runs work without it
        return "none"
