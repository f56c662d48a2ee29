"""A local plugin file: a backbone that takes steps until a file appears, and then makes what the fake one makes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

from storymem.interfaces import Backbone, Capabilities, NotInFingerprint, PluginSettings, Progress, ShotRequest
from storymem.plugin import Register, hookimpl
from storymem.testing.fakes import FakeBackbone
from storymem.values.clip import Clip


class WaitingSettings(PluginSettings):
    """Which prompt waits, and for which file."""

    prompt: Annotated[str, NotInFingerprint()] = ""
    gate: Annotated[str, NotInFingerprint()] = ""


class Waiting(Backbone[WaitingSettings]):
    """Waits for a gate to open."""

    def capabilities(self) -> Capabilities:
        return FakeBackbone().capabilities()

    def generate(self, request: ShotRequest, progress: Progress) -> Clip:
        while request.prompt == self.settings.prompt and not Path(self.settings.gate).exists():
            progress(1, 2)
            time.sleep(0.02)
        return FakeBackbone().generate(request, progress)


@hookimpl
def storymem_backbones(register: Register) -> None:
    register("waiting", Waiting)
