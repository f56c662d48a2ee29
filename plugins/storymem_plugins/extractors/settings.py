"""Settings of the extractors. Light: no model library is imported here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from storymem.interfaces import NotInFingerprint, PluginSettings


class HeadSettings(PluginSettings):
    """Settings of ``laion_head``."""

    head: Annotated[Path, NotInFingerprint()] = Field(description="head file (.pth or .safetensors)")


class ModelSettings(PluginSettings):
    """What every extractor on torch lets one choose."""

    device: Annotated[str, NotInFingerprint()] = Field(
        "auto", description="torch device such as cpu or cuda:1; auto takes cuda where there is one"
    )
    batch_size: Annotated[int, NotInFingerprint()] = Field(16, ge=1, description="pictures at once")


class FileSettings(ModelSettings):
    """Settings of extractors that are read from one file."""

    weights: Annotated[Path, NotInFingerprint()] = Field(description="checkpoint file")


class FolderSettings(ModelSettings):
    """Settings of extractors of the transformers library."""

    model: Annotated[Path, NotInFingerprint()] = Field(description="model folder in the Hugging Face format")


class RaftSettings(FileSettings):
    """Settings of ``raft``."""

    iterations: int = Field(20, ge=1, description="steps of refinement; VBench takes 20")


class ViclipSettings(FileSettings):
    """Settings of ``viclip``."""

    vocabulary: Annotated[Path, NotInFingerprint()] = Field(description="OpenAI CLIP's bpe_simple_vocab_16e6.txt.gz")
