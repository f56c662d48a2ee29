"""Settings of the Wan backbone. Plain data: importing this module imports no torch."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from storymem_backbones.diffusion.settings import Caching, DiffusionSettings
from storymem_backbones.wan.weights import DEFAULT_WEIGHTS


class LoraChoice(BaseModel):
    """One LoRA of the stack, a file per expert (or one file that holds both).

    Attributes:
        name: Unique in the stack.
        high: File for the high-noise (or only) expert, or none.
        low: File for the low-noise expert, or none.
        weight_high: Strength on the high-noise expert.
        weight_low: Strength on the low-noise expert.
        alpha: Wins over what the file says.
        rslora: Wins over what the file says.
        every_layer: Refuse files that adapt only some of M2V's layers; turn off for distilled and style
            LoRAs.
        skip_unknown: Leave out layers that the model lacks and tensors that are not understood, instead of
            refusing the file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field("m2v", pattern=r"^[A-Za-z0-9_-]+$")
    high: Path | None = None
    low: Path | None = None
    weight_high: float = 1.0
    weight_low: float = 1.0
    alpha: float | None = Field(None, gt=0)
    rslora: bool | None = None
    every_layer: bool = True
    skip_unknown: bool = False


class ExpertFiles(BaseModel):
    """Single files that replace the experts of the model folder.

    Attributes:
        high: ``.gguf`` or ``.safetensors`` of the high-noise (or only) expert.
        low: Of the low-noise expert.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    high: Path
    low: Path | None = None


class TextToVideo(BaseModel):
    """A separate text-to-video model for shots without memory and hand-over, as the paper's first shot.

    Attributes:
        weights: Folder or Hugging Face repository.
        revision: Commit of the repository.
        flow_shift: Of its sigma grid.
        boundary: Between its experts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights: str = "Wan-AI/Wan2.2-T2V-A14B-Diffusers"
    revision: str | None = None
    flow_shift: float = Field(12.0, gt=0)
    boundary: float = Field(0.875, ge=0, le=1)


class WanSettings(DiffusionSettings):
    """Settings of the Wan backbone; what is None is taken from the model folder (its own values, else Wan2.2-A14B's).

    Attributes:
        weights: Model folder in diffusers format or the original Wan layout, or a Hugging Face repository.
        revision: 40-character commit of the repository; required for a repository.
        expert_files: Quantized or other single files used instead of the folder's experts.
        loras: LoRAs in the order they are stacked; StoryMem's M2V LoRA among them.
        text_to_video: A separate model for shots made from text alone; by default the image-to-video model
            makes them.
        memory_shift: S of the negative position shift (5 in the paper), or "contiguous" (the first public
            release).
        steps: Denoising steps.
        flow_shift: Of the sigma grid.
        boundary: Share of timesteps at and above which the high-noise expert works.
        guidance_high: Classifier-free guidance of the high-noise expert; 1 switches it off.
        guidance_low: Of the low-noise expert.
        memory_guidance: How much memory counts beyond what the model makes of it; 1 leaves it as it is (the paper),
            more takes a second pass without memory.
        opening_guidance: Classifier-free guidance of both experts in shots that remember nothing, if it is to differ.
        match_handover: Keep the colours of the frames that a shot without a cut was given, see `colours`.
        negative_prompt: Used where a shot has none.
        caching: Skip work between similar steps.
        merge_loras: Add LoRAs to the weights: a little faster, less exact in bfloat16.
        profile: 141gb, 80gb, 48gb, 24gb, cpu, or a TOML file.
        profile_changes: Fields of the profile to change.
    """

    weights: str = DEFAULT_WEIGHTS
    expert_files: ExpertFiles | None = None
    loras: tuple[LoraChoice, ...] = ()
    text_to_video: TextToVideo | None = None
    memory_shift: Annotated[int, Field(ge=1)] | Literal["contiguous"] | None = None
    flow_shift: float | None = Field(None, gt=0)
    boundary: float | None = Field(None, ge=0, le=1)
    guidance_high: float | None = Field(None, ge=1)
    guidance_low: float | None = Field(None, ge=1)
    memory_guidance: float | None = Field(None, ge=1)
    opening_guidance: float | None = Field(None, ge=1)
    match_handover: bool | None = None
    caching: Caching | None = None
    merge_loras: bool = False

    @field_validator("loras")
    @classmethod
    def _unique_names(cls, loras: tuple[LoraChoice, ...]) -> tuple[LoraChoice, ...]:
        names = [lora.name for lora in loras]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two LoRAs are called {', '.join(twice)}; give each its own name")
        return loras
