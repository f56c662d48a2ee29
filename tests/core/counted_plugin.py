"""A local plugin file whose plugins note that they were built and closed, and a policy with something to say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from storymem.interfaces import Keyframe, MemoryPolicy, MemoryView, NoSettings
from storymem.plugin import Register, hookimpl
from storymem.testing import FakeBackbone, FakeBackboneSettings
from storymem.values.storyboard import BoardShot, Storyboard

#: ``built NAME`` and ``closed NAME``, in order; emptied by a test.
LOG: list[str] = []


class Counted(FakeBackbone):
    """A backbone that notes its life."""

    def __init__(self, settings: FakeBackboneSettings | None = None) -> None:
        super().__init__(settings)
        LOG.append("built backbone")

    def close(self) -> None:
        LOG.append("closed backbone")


class Talking(MemoryPolicy):
    """Recalls the newest keyframes, and has a remark on every story."""

    def __init__(self, settings: NoSettings | None = None) -> None:
        super().__init__(settings)
        LOG.append("built policy")

    def recall(self, shot: BoardShot, view: MemoryView, budget: int) -> Sequence[Keyframe]:
        return [k.because("is new") for k in view[max(0, len(view) - budget) :]]

    def notice(self, board: Storyboard) -> str:
        return f"a remark on {board.script.title}"

    def close(self) -> None:
        LOG.append("closed policy")


@hookimpl
def storymem_backbones(register: Register) -> None:
    register("counted", Counted)


@hookimpl
def storymem_memory_policies(register: Register) -> None:
    register("talking", Talking)


def emptied() -> list[Any]:
    """Return the log, empty."""
    LOG.clear()
    return LOG
