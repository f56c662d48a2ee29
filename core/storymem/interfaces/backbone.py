"""The video model behind the engine: one request in, one clip out.

A backbone owns its devices and weights. It knows nothing about stories, graphs, memory policies or run
folders: what it needs of them is in the request.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from storymem.errors import SettingsError
from storymem.interfaces.plugin import Plugin, SettingsT
from storymem.values.clip import Clip
from storymem.values.request import Mode, ShotRequest, Subject

#: Called as ``progress(step, total)`` between steps; raises :class:`storymem.errors.Cancelled` to stop the work.
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a backbone can make.

    Attributes:
        modes: Supported modes.
        size: Default (width, height) in pixels.
        size_multiple: Width and height must be multiples of this.
        frames: Default number of frames of a shot.
        frame_step: Frame counts must be ``frame_step * n + frame_offset``.
        fps: Frames per second of every clip.
        max_memory: Most memory keyframes a request may hold.
        frame_offset: See ``frame_step``; 1 for models that keep the first frame apart (4n+1, 8n+1), 5 for 17n+5.
        least_frames: Fewest frames of a clip.
        most_frames: Most frames of a clip; None for no limit of the model's own.
        handovers: Numbers of frames that a previous shot may hand over, besides none at all.
        anchors: Frames at which a clip can be made to show a given picture; negative ones count from the end.
        concurrent: Whether ``generate`` may run in several threads at once.
        sound: Whether every clip has sound, see :class:`storymem.values.clip.Clip`; False for clips that have none.
    """

    modes: frozenset[Mode]
    size: tuple[int, int]
    size_multiple: int
    frames: int
    frame_step: int
    fps: int
    max_memory: int
    frame_offset: int = 1
    least_frames: int = 1
    most_frames: int | None = None
    handovers: frozenset[int] = frozenset({1, 2, 3, 4, 5})
    anchors: frozenset[int] = frozenset()
    concurrent: bool = False
    sound: bool = False

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
        nearest = self.nearest_frames(frames)
        if frames == nearest:
            return
        most = "" if self.most_frames is None else f" to {self.most_frames}"
        raise SettingsError(
            f"{where}: {frames} frames is not allowed: must be {self.frame_step}n+{self.frame_offset}, from "
            f"{self.nearest_frames(0)}{most}; nearest is {nearest}"
        )

    def nearest_frames(self, frames: int) -> int:
        """Return the legal frame count nearest to ``frames``."""
        step, offset = self.frame_step, self.frame_offset
        least = -(-max(0, self.least_frames - offset) // step)
        count = max(least, round((frames - offset) / step))
        if self.most_frames is not None:
            count = min(count, (self.most_frames - offset) // step)
        return count * step + offset

    def check_handover(self, count: int, where: str) -> None:
        """Raise :class:`SettingsError`, naming the counts there are, unless ``count`` frames may be handed over."""
        if count and count not in self.handovers:
            allowed = ", ".join(map(str, sorted(self.handovers))) or "none"
            raise SettingsError(f"{where} hands over {count} frames; the backbone takes {allowed}")

    def check_anchor(self, frame: int, frames: int, where: str) -> None:
        """Raise :class:`SettingsError` unless a clip of ``frames`` frames can show a given picture at ``frame``."""
        held = {position % frames for position in self.anchors if -frames <= position < frames}
        if frame in held:
            return
        allowed = ", ".join(str(position) for position in sorted(self.anchors, key=lambda p: (p < 0, p)))
        what = f"it holds frames {allowed}" if allowed else "it holds none; drop the anchor"
        raise SettingsError(f"{where}: the backbone cannot hold a picture at frame {frame}; {what}")


@dataclass(frozen=True, slots=True)
class Requirements:
    """What one worker needs of its machine.

    Attributes:
        gpus: GPUs that it uses for itself.
        memory: Host memory that loading takes, in bytes; 0 where it does not matter.
    """

    gpus: int = 0
    memory: int = 0


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

    @classmethod
    def spread(cls, settings: Mapping[str, Any], gpus: int) -> Mapping[str, Any]:
        """Return settings under which ``gpus`` GPUs make one shot together (setting ``gpus_per_shot``).

        Raises:
            SettingsError: It cannot.
        """
        raise SettingsError(
            f"gpus_per_shot: {gpus}; backbone {cls.__name__} does not spread a shot over GPUs; unset it"
        )

    def requirements(self) -> Requirements:
        """Return what a worker with this backbone needs, without loading weights; nothing by default."""
        return Requirements()

    def load(self) -> None:
        """Load the weights ahead of the first shot. Does nothing by default: ``generate`` loads what it needs."""

    @abstractmethod
    def generate(self, request: ShotRequest, progress: Progress) -> Clip:
        """Make the clip.

        Args:
            request: What to make; already checked against :meth:`capabilities`, its pictures in memory.
            progress: To be called between steps as ``progress(step, total)``; it raises to cancel.

        Returns:
            A clip of exactly ``request.frames`` frames of ``request.height`` x ``request.width``, with sound exactly
            if the capabilities say so.

        Raises:
            StoryMemError: The shot cannot be made; one line that says why and what to do.
        """
