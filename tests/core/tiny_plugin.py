"""A local plugin file: a backbone of a few lines, real and quick, whose faults and pauses a test can order.

Its clips depend on everything in the request and on nothing else, so equal requests give equal clips and any
difference in prompt, seed, memory or handed-over frames shows in the pixels.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from storymem.errors import MediaError
from storymem.interfaces import (
    Backbone,
    Capabilities,
    ClipContext,
    FrameFilter,
    FrameGate,
    Keyframe,
    KeyframeSelector,
    Mode,
    NotInFingerprint,
    PluginSettings,
    Progress,
    ShotRequest,
    Verdict,
)
from storymem.plugin import Register, hookimpl
from storymem.values.clip import Clip, Frames

SIZE = (32, 16)
FPS = 8
BLOCK = 4  #: pixels; blocks of one colour survive encoding and pass the default filters

#: Set by a test to release a backbone that hangs in a thread of this process.
LET_GO = threading.Event()


class TinySettings(PluginSettings):
    """Settings of :class:`Tiny`.

    Attributes:
        look: Changes every clip.
        concurrent: Whether shots may be made side by side.
        fault: By prompt, what goes wrong: a key of ``FAULTS``.
        journal: File that gets one line per clip made; its path is no part of the result.
    """

    look: int = 0
    concurrent: Annotated[bool, NotInFingerprint()] = True
    fault: Annotated[dict[str, str], NotInFingerprint()] = Field(default_factory=dict)
    journal: Annotated[str, NotInFingerprint()] = ""


class Tiny(Backbone[TinySettings]):
    """Coloured blocks, drawn from a hash of the request."""

    shot_options = frozenset({"look"})

    def capabilities(self) -> Capabilities:
        return Capabilities(
            modes=frozenset(Mode),
            size=SIZE,
            size_multiple=2,
            frames=5,
            frame_step=4,
            fps=FPS,
            max_memory=8,
            handovers=frozenset(range(1, 9 + 1)),
            anchors=frozenset({0, -1}),
            concurrent=self.settings.concurrent,
        )

    def generate(self, request: ShotRequest, progress: Progress) -> Clip:
        progress(0, 2)
        fault = self.settings.fault.get(request.prompt)
        if fault in BEFORE:
            BEFORE[fault](request, progress)
        frames = draw(request, int(request.options.get("look", self.settings.look)))
        progress(2, 2)
        if self.settings.journal:
            with open(self.settings.journal, "a", encoding="utf-8") as file:  # noqa: PTH123
                file.write(request.prompt + "\n")
        if fault in AFTER:
            return AFTER[fault](frames)
        return Clip(frames, FPS)


def draw(request: ShotRequest, look: int = 0) -> Frames:
    """Return the frames of a request."""
    seen = hashlib.sha256(
        repr((request.prompt, request.negative_prompt, request.seed, request.subjects, look)).encode()
    )
    for picture in request.pictures:
        seen.update(picture.tobytes())
    kept = request.handover_frames if request.handover_frames is not None else np.empty((0, 0, 0, 3), np.uint8)
    seen.update(kept.tobytes())
    random = np.random.default_rng(list(seen.digest()))
    frames = np.empty((request.frames, request.height, request.width, 3), np.uint8)
    frames[: len(kept)] = kept if len(kept) else frames[:0]
    shape = (request.frames - len(kept), -(-request.height // BLOCK), -(-request.width // BLOCK), 3)
    blocks = random.integers(0, 256, shape, dtype=np.uint8).repeat(BLOCK, 1).repeat(BLOCK, 2)
    frames[len(kept) :] = blocks[:, : request.height, : request.width]
    for anchor in request.anchors:
        frames[anchor.frame] = anchor.load()
    return frames


def _raise(request: ShotRequest, progress: Progress) -> None:
    raise ValueError("tensor on the wrong device")


def _refuse(request: ShotRequest, progress: Progress) -> None:
    raise MediaError("weights.bin: cannot be read")


def _hang(request: ShotRequest, progress: Progress) -> None:
    LET_GO.wait()


def _hold(request: ShotRequest, progress: Progress) -> None:
    """Work without end, step by step, until cancelled."""
    never = threading.Event()
    while True:
        progress(1, 2)
        never.wait(0.01)


def _slow(request: ShotRequest, progress: Progress) -> None:
    threading.Event().wait(0.4)


def _die(request: ShotRequest, progress: Progress) -> None:
    os._exit(9)


#: What goes wrong before drawing.
BEFORE = {"raise": _raise, "refuse": _refuse, "hang": _hang, "hold": _hold, "slow": _slow, "die": _die}


def _nan(frames: Frames) -> Clip:
    broken: Any = frames.astype(np.float32) / 255
    broken[1, 2, 3] = np.nan
    return Clip(broken, FPS)


def _as_float(frames: Frames) -> Clip:
    broken: Any = frames.astype(np.float32)
    return Clip(broken, FPS)


def _nothing(frames: Frames) -> Any:
    return frames


#: What is wrong with the clip.
AFTER = {
    "short": lambda frames: Clip(frames[:-1], FPS),
    "long": lambda frames: Clip(np.concatenate([frames, frames[-1:]]), FPS),
    "size": lambda frames: Clip(np.ascontiguousarray(frames[:, :-2]), FPS),
    "fps": lambda frames: Clip(frames, FPS + 1),
    "nan": _nan,
    "dtype": _as_float,
    "array": _nothing,
}


class EverySettings(PluginSettings):
    """Settings of :class:`Every`."""

    step: int = 2
    fault: Annotated[str, NotInFingerprint()] = ""


class Every(KeyframeSelector[EverySettings]):
    """Every ``step``-th new frame, whatever the filters say; ``fault`` breaks it."""

    def select(self, context: ClipContext, gate: FrameGate) -> Sequence[Keyframe]:
        if self.settings.fault == "raise":
            raise RuntimeError("selector out of memory")
        if self.settings.fault == "range":
            return [Keyframe("0" * 64, "1.1", 0, len(context.clip))]
        if self.settings.fault == "order":
            return [context.keyframe(3), context.keyframe(2)]
        return [context.keyframe(index) for index in range(context.first, len(context.clip), self.settings.step)]


class BrightSettings(PluginSettings):
    """Settings of :class:`Bright`."""

    least: float = 0.5


class Bright(FrameFilter[BrightSettings]):
    """Keeps frames whose mean, 0..1, is at least ``least``: to a backbone of random blocks, a matter of luck."""

    def judge(self, indices: Sequence[int], context: ClipContext) -> Sequence[Verdict]:
        means = [float(context.clip.frames[index].mean()) / 255 for index in indices]
        least = self.settings.least
        return [Verdict(m >= least, m, least, "" if m >= least else "dark") for m in means]


@hookimpl
def storymem_frame_filters(register: Register) -> None:
    register("bright", Bright)


@hookimpl
def storymem_backbones(register: Register) -> None:
    register("blocks", Tiny)


@hookimpl
def storymem_keyframe_selectors(register: Register) -> None:
    register("every", Every)
