"""Runs of the tiny backbone with the filters, encoder and metric of ``gate_plugin.py``."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from core_support import PLUGIN, Stage, tiny_module

from storymem.api import Storyteller
from storymem.engine.accept import attempt_seed
from storymem.keys import derived_seed
from storymem.plugin import Kind, PluginHost
from storymem.testing import shot_request
from storymem.values.clip import Clip

GATE = Path(__file__).with_name("gate_plugin.py")


class GateStage(Stage):
    """A stage whose runs know the plugins of ``gate_plugin.py``."""

    def teller(self, run: str = "run", **settings: Any) -> Storyteller:
        backbone = {"name": "blocks", "journal": str(self.journal), **settings.pop("tiny", {})}
        return Storyteller(self.root / run, plugins=[PLUGIN, GATE], backbone=backbone, **settings)


def gate_module() -> ModuleType:
    """Return the plugin's module as plugin hosts of this process have it."""
    return sys.modules[PluginHost([GATE]).find(Kind.METRIC, "looks").load().__module__]


@dataclass(frozen=True)
class Attempt:
    """What one attempt at a shot comes to: its seed, the hash and the luck of its five frames."""

    seed: int
    clip: str
    lucks: tuple[float, ...]

    def share(self, threshold: float) -> float:
        return sum(luck >= threshold for luck in self.lucks) / len(self.lucks)


def attempts_at(shot: str, prompt: str, count: int, story_seed: int = 0) -> list[Attempt]:
    """Work out the attempts at a shot that recalls nothing, without the engine."""
    first = derived_seed(story_seed, shot)
    return [_attempt(prompt, attempt_seed(first, number)) for number in range(count)]


def _attempt(prompt: str, seed: int) -> Attempt:
    tiny = tiny_module()
    request = shot_request(prompt, tiny.SIZE, 5, seed)
    frames = tiny.draw(request)
    return Attempt(seed, Clip(frames, tiny.FPS).content_hash(), tuple(map(gate_module().luck, frames)))
