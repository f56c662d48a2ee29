"""What a model folder says of itself in ``storymem.json``: native size, length, text length and sampling.

Folders without that file are taken for Wan2.2-A14B. Plain data, no torch.
"""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from storymem.validation import describe
from storymem_backbones.wan.errors import WeightsError

FILE = "storymem.json"


class Manifest(BaseModel):
    """Native properties of a model, used where the settings leave them open.

    Attributes:
        width: Pixels.
        height: Pixels.
        frames: Of a shot, 4n+1.
        fps: Frames per second.
        text_tokens: Length that prompts are zero-padded to.
        max_memory: Memory keyframes it was trained with.
        steps: Denoising steps.
        flow_shift: Of the sigma grid.
        boundary: Share of timesteps at and above which the high-noise expert works.
        guidance: Classifier-free guidance of both experts.
        memory_guidance: See `shot.Sampling`.
        match_handover: See `colours`.
        memory_shift: S of the temporal positions.
        lora: M2V LoRA file of the high-noise (or only) expert, relative to the folder; none if it is merged
            or separate.
        lora_low: Of the low-noise expert.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: int = Field(832, ge=16)
    height: int = Field(480, ge=16)
    frames: int = Field(81, ge=1)
    fps: int = Field(16, ge=1)
    text_tokens: int = Field(512, ge=1)
    max_memory: int = Field(10, ge=0)
    steps: int = Field(40, ge=1)
    flow_shift: float = Field(4.0, gt=0)
    boundary: float = Field(0.9, ge=0, le=1)
    guidance: float = Field(3.5, ge=1)
    memory_guidance: float = Field(1.0, ge=1)
    match_handover: bool = False
    memory_shift: int = Field(5, ge=1)
    lora: str | None = None
    lora_low: str | None = None


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a model folder, or that of Wan2.2-A14B if it has none.

    Raises:
        WeightsError: If the file is there but wrong.
    """
    path = folder / FILE
    if not path.is_file():
        return Manifest()
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise WeightsError(f"{path}: {describe(error)}") from error


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write it beside ``model_index.json``."""
    (folder / FILE).write_text(manifest.model_dump_json(indent=2, exclude_defaults=True) + "\n", encoding="utf-8")
