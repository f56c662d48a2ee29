"""Settings of the exporters."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from storymem.interfaces import PluginSettings


class RateSettings(PluginSettings):
    """Settings of forms that are edited at one frame rate.

    Attributes:
        rate: Frames per second to write; None for the film's own, or what comes nearest to it without moving a cut.
    """

    rate: Annotated[int, Field(ge=1, le=240)] | None = None
