"""The Wan Memory-to-Video (M2V) backbone on diffusers (StoryMem, arXiv 2512.19539, section 3).

Names are loaded on first use, so importing this package imports neither torch nor diffusers. It knows nothing
about
stories: it makes one clip from one prompt, memory images and handed-over frames.
"""

from importlib import import_module
from typing import Any

_PUBLIC = {
    "MemoryRotaryPosEmbed": "positions",
    "install_memory_rope": "positions",
    "temporal_positions": "positions",
    "WanMemoryPipeline": "pipeline",
    "legal_frames": "geometry",
    "legal_size": "geometry",
    "m2v_size": "geometry",
    "build_conditioning": "conditioning",
    "conditioning_mask": "conditioning",
    "encode_memory": "conditioning",
    "resize_frames": "conditioning",
    "m2v_scheduler": "sampler",
    "m2v_sigmas": "sampler",
    "add_m2v_lora": "lora",
    "load_m2v_lora": "lora",
    "merge_loras": "lora",
    "save_m2v_lora": "lora",
    "set_lora_weights": "lora",
}

__all__ = [
    "MemoryRotaryPosEmbed",
    "WanMemoryPipeline",
    "add_m2v_lora",
    "build_conditioning",
    "conditioning_mask",
    "encode_memory",
    "install_memory_rope",
    "legal_frames",
    "legal_size",
    "load_m2v_lora",
    "m2v_scheduler",
    "m2v_sigmas",
    "m2v_size",
    "merge_loras",
    "resize_frames",
    "save_m2v_lora",
    "set_lora_weights",
    "temporal_positions",
]


def __getattr__(name: str) -> Any:
    """Import the module that defines a public name, on first use."""
    module = _PUBLIC.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{module}"), name)


def __dir__() -> list[str]:
    return __all__
