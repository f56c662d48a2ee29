"""GroundingDINO: boxes of what a phrase names (arXiv 2303.05499); a model of the transformers library."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import AutoTokenizer, GroundingDinoForObjectDetection

from storymem.errors import PluginError
from storymem.interfaces import Box, Detector
from storymem.values.clip import Frames, check_frames
from storymem_plugins.extractors.hugging_face import read_model
from storymem_plugins.extractors.loading import TorchModel, folder_files
from storymem_plugins.extractors.pictures import IMAGENET_MEAN, IMAGENET_STD, normalised
from storymem_plugins.extractors.settings import FolderSettings

SHORTER, LONGEST = 800, 1333


def detection_size(height: int, width: int, side: int = SHORTER, most: int = LONGEST) -> tuple[int, int]:
    """Return (height, width) with the shorter side ``side``, or the longer ``most`` where that is less."""
    shorter, longer = min(height, width), max(height, width)
    if longer / shorter * side > most:
        side = round(most * shorter / longer)
    return (side, int(side * width / height)) if height <= width else (int(side * height / width), side)


def published_sides(folder: Path) -> tuple[int, int]:
    """Return the shorter and the longest side a model folder asks for; GroundingDINO's own where it says nothing."""
    file = folder / "preprocessor_config.json"
    if not file.is_file():
        return SHORTER, LONGEST
    try:
        size = json.loads(file.read_text("utf-8"))["size"]
        return int(size["shortest_edge"]), int(size["longest_edge"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PluginError(
            f"grounding_dino: {file}: names no shortest_edge and longest_edge; download it again"
        ) from error


def caption_of(phrase: str) -> str:
    """Return a phrase as the model was trained to read it: lower case, with a full stop."""
    plain = phrase.lower().strip()
    return plain if plain.endswith(".") else f"{plain}."


class GroundingDino(TorchModel[FolderSettings], Detector[FolderSettings]):
    """GroundingDINO with its publisher's preprocessing; a box's confidence is that of its most likely word."""

    name = "grounding_dino"

    def files(self) -> list[Path]:
        """See :meth:`TorchModel.files`."""
        return folder_files(self.name, self.settings.model)

    def load(self) -> Any:
        """See :meth:`TorchModel.load`."""
        folder = self.settings.model
        model = read_model(self.name, folder, GroundingDinoForObjectDetection, "grounding-dino")
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except Exception as error:  # the library raises many kinds for a damaged or missing tokenizer
            raise PluginError(f"{self.name}: {folder}: has no usable tokenizer ({type(error).__name__})") from error
        return _Loaded(model, tokenizer, published_sides(folder))

    def detect(self, frame: Frames, phrase: str, threshold: float) -> list[Box]:
        """See :meth:`Detector.detect`."""
        check_frames(frame, 3, "picture to search")
        loaded, device = self.model(), self.device
        height, width = frame.shape[:2]
        size = detection_size(height, width, *loaded.sides)
        small = Image.fromarray(frame).resize(size[::-1], Image.Resampling.BILINEAR)
        pixels = torch.from_numpy(np.array(small)).to(device).permute(2, 0, 1)[None].float() / 255
        words = loaded.tokenizer(
            [caption_of(phrase)], truncation=True, max_length=loaded.model.config.max_text_len, return_tensors="pt"
        ).to(device)
        with torch.inference_mode():
            found = loaded.model(pixel_values=normalised(pixels, IMAGENET_MEAN, IMAGENET_STD), **words)
        confidence = found.logits[0].sigmoid().amax(dim=1)
        boxes = found.pred_boxes[0].float() * torch.tensor([width, height, width, height], device=device)
        kept = [(float(c), b.tolist()) for c, b in zip(confidence, boxes, strict=True) if float(c) > threshold]
        return [_box(*one) for one in sorted(kept, key=lambda one: -one[0])]


def _box(confidence: float, middle_and_size: list[float]) -> Box:
    x, y, width, height = middle_and_size
    return Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2, confidence)


class _Loaded:
    """A loaded model with its tokenizer."""

    def __init__(self, model: Any, tokenizer: Any, sides: tuple[int, int]) -> None:
        self.model, self.tokenizer, self.sides = model, tokenizer, sides

    def to(self, device: torch.device) -> _Loaded:
        """Move the model."""
        self.model.to(device)
        return self
