"""A data folder of stories to fine-tune on.

    DATA/NAME/story.json     {"clips": [{"file": "01.mp4", "caption": "..."}, {"file": "02.mp4", "caption": "..."}]}
    DATA/NAME/01.mp4 ...     the clips in story order, any size and frame rate

Every story needs at least two clips. Knows nothing about models or latents.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from storymem.errors import MediaError
from storymem.media.video import iter_frames
from storymem.validation import describe
from storymem.values.clip import Frames
from storymem_backbones.diffusion.frames import to_pixels
from storymem_backbones.training.errors import TrainingDataError

STORY_FILE = "story.json"


class StoryClip(BaseModel):
    """One clip of a story: its video file, relative to the story's folder, and what it shows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: Path
    caption: str = Field(min_length=1)


class TrainingStory(BaseModel):
    """A story's clips in order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    clips: tuple[StoryClip, ...] = Field(min_length=2)


def read_stories(data: Path) -> dict[Path, TrainingStory]:
    """All stories of a data folder by their folder, in alphabetical order.

    Raises:
        TrainingDataError: If there is none, a description is wrong, or a clip's file is missing.
    """
    files = sorted(data.glob(f"*/{STORY_FILE}"))
    if not files:
        raise TrainingDataError(f"{data}: no */{STORY_FILE}; give a folder with one folder for each story")
    return {file.parent: _read_story(file) for file in files}


def _read_story(file: Path) -> TrainingStory:
    try:
        story = TrainingStory.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise TrainingDataError(f"{file}: {describe(error)}") from error
    missing = [clip.file for clip in story.clips if not (file.parent / clip.file).is_file()]
    if missing:
        raise TrainingDataError(f"{file}: no such file {missing[0]}; clip files are relative to the story's folder")
    return story


def load_clip(path: Path, frames: int, height: int, width: int) -> torch.Tensor:
    """A clip's frames spread evenly over its length, cropped to the aspect and resized: (3, frames, H, W) in [-1, 1].

    Raises:
        TrainingDataError: If the file cannot be read or has fewer frames than needed.
    """
    try:
        pictures = list(iter_frames(path))
    except MediaError as error:
        raise TrainingDataError(str(error)) from error
    if len(pictures) < frames:
        raise TrainingDataError(f"{path}: has {len(pictures)} frames; clips need at least {frames}")
    chosen = np.linspace(0, len(pictures) - 1, frames).round().astype(int)
    return _fitted(np.stack([pictures[i] for i in chosen]), height, width).transpose(0, 1)


def _fitted(frames: Frames, height: int, width: int) -> torch.Tensor:
    """Centre crop to the aspect of (height, width), then an antialiased resize: (F, 3, height, width)."""
    pixels = to_pixels(frames)
    scale = max(height / pixels.shape[2], width / pixels.shape[3])
    crop = (round(height / scale), round(width / scale))
    top, left = (pixels.shape[2] - crop[0]) // 2, (pixels.shape[3] - crop[1]) // 2
    pixels = pixels[:, :, top : top + crop[0], left : left + crop[1]]
    if crop == (height, width):
        return pixels
    resized = F.interpolate(pixels, size=(height, width), mode="bicubic", align_corners=False, antialias=True)
    return resized.clamp(-1, 1)
