"""Encode a data folder once: clips to latents and captions to embeddings, one file a clip.

The frozen parts of the model (VAE, text encoder) are needed here only, so training later holds the transformer
alone. An existing file is kept if clip, caption, size and model are those it was made from. Knows nothing about
batches.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from storymem_backbones.training.story_folder import TrainingStory, load_clip
from storymem_backbones.wan.conditioning import encode_condition, encode_memory
from storymem_backbones.wan.pipeline import WanMemoryPipeline

_log = logging.getLogger(__name__)
CONSTANTS = "constants.safetensors"


class StoryEncoder:
    """Encodes clips with a pipeline's VAE and text encoder (its transformers may be absent).

    Args:
        pipeline: On the device to encode on, `text_tokens` set.
        size: Frames, height, width of a training clip.
        keyframes: K frames of each clip, evenly spread, kept as memory candidates.
        model: What the pipeline is, for the files' keys.
    """

    def __init__(self, pipeline: WanMemoryPipeline, size: tuple[int, int, int], keyframes: int, model: str) -> None:
        self._pipeline, self._size, self._keyframes, self._model = pipeline, size, keyframes, model

    def encode_stories(self, stories: Mapping[Path, TrainingStory], cache: Path) -> list[Path]:
        """Encode what is not there yet; returns the clips' files in story order."""
        cache.mkdir(parents=True, exist_ok=True)
        self._write_constants(cache)
        files = []
        for folder, story in stories.items():
            for index, clip in enumerate(story.clips):
                target = cache / f"{folder.name}-{index:04}.safetensors"
                self._encode_clip(folder / clip.file, clip.caption, target)
                files.append(target)
        return files

    @torch.no_grad()
    def _encode_clip(self, video: Path, caption: str, target: Path) -> None:
        key = self._key(video, caption)
        if _stored_key(target) == key:
            return
        pixels = load_clip(video, *self._size)[None]
        _log.info("encoding %s", video)
        tensors = {
            "video": self._pipeline.encode_video(pixels)[0],
            "first": self._condition(pixels, 1),
            "motion": self._condition(pixels, 5),
            "keyframes": self._memory(pixels),
            "text": self._text(caption),
        }
        _save(tensors, target, key)

    def _condition(self, pixels: torch.Tensor, frames: int) -> torch.Tensor:
        given = pixels[:, :, :frames].transpose(1, 2)
        return encode_condition(self._pipeline.encode_video, given, *self._size)[0]

    def _memory(self, pixels: torch.Tensor) -> torch.Tensor:
        """(K, 16, h, w)."""
        index = torch.linspace(0, self._size[0] - 1, self._keyframes).round().long()
        pictures = pixels[:, :, index].transpose(1, 2)
        return encode_memory(self._pipeline.encode_video, pictures, *self._size[1:])[0].transpose(0, 1)

    def _text(self, caption: str) -> torch.Tensor:
        length = self._pipeline.text_tokens
        embedding: torch.Tensor = self._pipeline.encode_prompt(
            caption, do_classifier_free_guidance=False, max_sequence_length=length
        )[0][0]
        return embedding

    def _write_constants(self, cache: Path) -> None:
        with torch.no_grad():
            empty = torch.zeros(1, 3, *self._size)
            tensors = {"no_condition": self._pipeline.encode_video(empty)[0], "no_text": self._text("")}
        _save(tensors, cache / CONSTANTS, self._model)

    def _key(self, video: Path, caption: str) -> str:
        state = video.stat()
        parts = (self._model, self._size, self._keyframes, caption, state.st_size, state.st_mtime_ns)
        return hashlib.sha256(repr(parts).encode()).hexdigest()


def _save(tensors: dict[str, torch.Tensor], target: Path, key: str) -> None:
    halves = {name: value.bfloat16().contiguous().cpu() for name, value in tensors.items()}
    partial = target.with_suffix(".partial")
    save_file(halves, partial, metadata={"key": key})
    partial.replace(target)


def _stored_key(path: Path) -> str | None:
    if not path.is_file():
        return None
    with safe_open(path, framework="pt") as file:
        metadata: dict[str, Any] = file.metadata() or {}
    return metadata.get("key")
