"""What a model folder says of itself in ``storymem.json``; a subclass adds what its model has beside size and length.

Plain data, no torch.
"""

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from storymem.validation import describe
from storymem_backbones.diffusion.errors import WeightsError

FILE = "storymem.json"


class NativeFacts(BaseModel):
    """Native properties of a model, used where the settings leave them open.

    Attributes:
        width: Pixels.
        height: Pixels.
        frames: Of a shot.
        fps: Frames per second.
        text_tokens: Length that prompts are padded to.
        max_memory: Memory keyframes the model takes.
        steps: Denoising steps.
        guidance: Classifier-free guidance.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: int = Field(832, ge=16)
    height: int = Field(480, ge=16)
    frames: int = Field(81, ge=1)
    fps: int = Field(16, ge=1)
    text_tokens: int = Field(512, ge=1)
    max_memory: int = Field(0, ge=0)
    steps: int = Field(50, ge=1)
    guidance: float = Field(5.0, ge=1)


FactsT = TypeVar("FactsT", bound=NativeFacts)


def read_facts(folder: Path, published: FactsT) -> FactsT:
    """The facts of a model folder: its file's over those of the published model.

    Raises:
        WeightsError: If the file is there but wrong.
    """
    path = folder / FILE
    if not path.is_file():
        return published
    try:
        stored = type(published).model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise WeightsError(f"{path}: {describe(error)}") from error
    return published.model_copy(update={name: getattr(stored, name) for name in stored.model_fields_set})


def write_facts(folder: Path, facts: NativeFacts) -> None:
    """Write them beside ``model_index.json``."""
    (folder / FILE).write_text(facts.model_dump_json(indent=2, exclude_defaults=True) + "\n", encoding="utf-8")
