"""Settings of the encoders. Light: neither torch nor a model library is imported here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from storymem.interfaces import NotInFingerprint, PluginSettings

Fit = Literal["squash", "crop", "aliased_crop"]


class EncoderSettings(PluginSettings):
    """What every encoder on torch lets one choose."""

    device: Annotated[str, NotInFingerprint()] = Field(
        "auto", description="torch device such as cpu or cuda:1; auto takes cuda where there is one"
    )
    dtype: Literal["float32", "float16", "bfloat16"] = Field("float32", description="precision of the weights")
    batch_size: Annotated[int, NotInFingerprint()] = Field(32, ge=1, description="pictures or texts at once")
    fit: Fit = Field(
        "squash",
        description="squash shows the model the whole frame, as StoryMem does; crop only its middle square; "
        "aliased_crop the same without antialiasing, as VBench does",
    )


class ClipSettings(EncoderSettings):
    """Settings of the ``clip`` encoder."""

    model: str = Field(
        "openai/clip-vit-base-patch32", min_length=1, description="folder or Hugging Face id of a CLIP or SigLIP model"
    )
    revision: str | None = Field(None, description="branch, tag or commit of a Hugging Face id")
    long_text: Literal["windows", "cut"] = Field(
        "windows", description="texts over the model's context are read in windows and averaged, or cut off"
    )


class OpenClipSettings(EncoderSettings):
    """Settings of the ``open_clip`` encoder."""

    model: str = Field("ViT-B-32", min_length=1, description="open_clip model name, or the custom config's")
    pretrained: str = Field(
        "laion2b_s34b_b79k", min_length=1, description="one of the model's pretrained tags, or a weights file"
    )
    config: Path | None = Field(None, description="custom model config (.json); its file name is the model name")
    mean: tuple[float, float, float] | None = Field(
        None, description="subtracted from RGB in 0..1; a custom config cannot say, and gets CLIP's"
    )
    std: tuple[float, float, float] | None = Field(None, description="what RGB is divided by after that")
    interpolation: Literal["bicubic", "bilinear"] | None = Field(
        None, description="of resizing; the model's own if not set"
    )
