"""What a Wan model folder says of itself in ``storymem.json``; without that file it is taken for Wan2.2-A14B."""

from pathlib import Path

from pydantic import Field

from storymem_backbones.diffusion.manifest import NativeFacts, read_facts, write_facts


class Manifest(NativeFacts):
    """Native properties of a Wan M2V model, used where the settings leave them open.

    Attributes:
        max_memory: Memory keyframes it was trained with.
        steps: Denoising steps.
        guidance: Classifier-free guidance of both experts.
        flow_shift: Of the sigma grid.
        boundary: Share of timesteps at and above which the high-noise expert works.
        memory_guidance: See `shot.Sampling`.
        match_handover: See `colours`.
        memory_shift: S of the temporal positions.
        lora: M2V LoRA file of the high-noise (or only) expert, relative to the folder; none if it is merged
            or separate.
        lora_low: Of the low-noise expert.
    """

    max_memory: int = Field(10, ge=0)
    steps: int = Field(40, ge=1)
    guidance: float = Field(3.5, ge=1)
    flow_shift: float = Field(4.0, gt=0)
    boundary: float = Field(0.9, ge=0, le=1)
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
    return read_facts(folder, Manifest())


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write it beside ``model_index.json``."""
    write_facts(folder, manifest)
