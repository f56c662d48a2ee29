"""Settings of the storyworld's plugins. Light: no model library is imported here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from storymem.interfaces import NotInFingerprint, PluginSettings


class EpisodeSettings(PluginSettings):
    """Settings of the ``storyworld`` planner."""

    tier: Literal["easy", "medium", "hard"] | None = Field(
        None, description="how many characters and places recur; None lets the number of shots decide"
    )
    split: Literal["train", "test"] = Field("test", description="stories for training and for tests never meet")
    language: Literal["plain", "varied"] = Field("plain", description="plain sentences, or many phrasings")


class ReadoutSettings(PluginSettings):
    """Settings of the ``storyworld`` metric."""

    readout: Path | None = Field(None, description="folder of a trained read-out; None takes the one shipped")
    device: Annotated[str, NotInFingerprint()] = Field("cpu", description="torch device that reads the clips")
