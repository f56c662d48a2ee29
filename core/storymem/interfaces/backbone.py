"""The video model behind the engine: one request in, one clip out.

A backbone owns its devices and weights. It knows nothing about stories, graphs, memory policies or run
folders: what it needs of them stands in the request.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from storymem.errors import SettingsError
from storymem.interfaces.plugin import Plugin, SettingsT
from storymem.media.clip import Clip, Frames

#: Called as ``progress(step, total)`` between steps; raises :class:`storymem.errors.Cancelled` to stop the work.
Progress = Callable[[int, int], None]


class Mode(StrEnum):
    """How a shot is conditioned (StoryMem, sections 3.2 and 3.4)."""

    T2V = "t2v"  #: text alone
    M2V = "m2v"  #: text and memory keyframes
    MI2V = "mi2v"  #: memory and the last frame of the previous shot
    MM2V = "mm2v"  #: memory and the last several frames of the previous shot


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a backbone can make.

    Attributes:
        modes: Supported modes.
        size: Default (width, height) in pixels.
        size_multiple: Width and height must be multiples of this.
        frames: Default number of frames of a shot.
        frame_step: Frame counts must be ``frame_step * n + 1``.
        fps: Frames per second of every clip.
        max_memory: Most memory keyframes a request may hold.
        max_handover: Most handed-over frames a request may hold.
        concurrent: Whether ``generate`` may run in several threads at once.
    """

    modes: frozenset[Mode]
    size: tuple[int, int]
    size_multiple: int
    frames: int
    frame_step: int
    fps: int
    max_memory: int
    max_handover: int = 5
    concurrent: bool = False

    def check_size(self, width: int, height: int) -> None:
        """Raise :class:`SettingsError`, naming the nearest legal size, unless the size is legal."""
        m = self.size_multiple
        if width < m or height < m or width % m or height % m:
            near = f"{max(m, round(width / m) * m)}x{max(m, round(height / m) * m)}"
            raise SettingsError(
                f"size {width}x{height} is not allowed: width and height must be multiples of {m}; nearest is {near}"
            )

    def check_frames(self, frames: int, where: str) -> None:
        """Raise :class:`SettingsError`, naming the nearest legal count, unless ``frames`` is legal."""
        step = self.frame_step
        if frames < 1 or (frames - 1) % step:
            near = max(1, round((frames - 1) / step) * step + 1)
            raise SettingsError(f"{where}: {frames} frames is not allowed: must be {step}n+1; nearest is {near}")


@dataclass(frozen=True, slots=True)
class Subject:
    """A named thing the shot shows: ``name``, its ``kind`` (character, place, object, style) and its look."""

    name: str
    kind: str
    look: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class GenerationRequest:
    """Everything a backbone may use to make one shot.

    Attributes:
        prompt: The shot's text.
        negative_prompt: What to avoid; None means the backbone's own default.
        width: Pixels.
        height: Pixels.
        frames: Number of frames to return, handed-over frames included.
        seed: 0 .. 2**63 - 1. The same request gives the same clip.
        memory: Recalled keyframes in recall order, each uint8 RGB (H, W, 3) of any size.
        handed_over: The previous shot's last frames, uint8 RGB (K, height, width, 3), or None. The clip
            starts by repeating them; the transition drops them from the film.
        subjects: What the shot shows, for backbones that draw by name.
        options: Per-shot changes of the backbone's settings, already validated.
    """

    prompt: str
    negative_prompt: str | None
    width: int
    height: int
    frames: int
    seed: int
    memory: tuple[Frames, ...] = ()
    handed_over: Frames | None = None
    subjects: tuple[Subject, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def mode(self) -> Mode:
        """The mode that follows from what was handed over and recalled."""
        return mode_of(0 if self.handed_over is None else len(self.handed_over), len(self.memory))


def mode_of(handed_over: int, memory: int) -> Mode:
    """Return the mode for a number of handed-over frames and of memory keyframes."""
    if handed_over > 1:
        return Mode.MM2V
    if handed_over == 1:
        return Mode.MI2V
    return Mode.M2V if memory else Mode.T2V


class Backbone(Plugin[SettingsT]):
    """Makes the clip of one shot."""

    #: Settings fields that a script may change for a single shot (``shot.overrides``).
    shot_options: frozenset[str] = frozenset()

    @abstractmethod
    def capabilities(self) -> Capabilities:
        """Return what this backbone can make, without loading weights."""

    def explain(self, prompt: str, subjects: Sequence[Subject]) -> str:
        """Return in a few words what the backbone makes of a text, for the user; empty if it has nothing to say."""
        return ""

    @abstractmethod
    def generate(self, request: GenerationRequest, progress: Progress) -> Clip:
        """Make the clip.

        Args:
            request: What to make; already checked against :meth:`capabilities`.
            progress: To be called between steps as ``progress(step, total)``; it raises to cancel.

        Returns:
            A clip of exactly ``request.frames`` frames of ``request.height`` x ``request.width``.

        Raises:
            StoryMemError: The shot cannot be made; one line that says why and what to do.
        """
