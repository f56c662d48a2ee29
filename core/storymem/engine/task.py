"""What a worker is asked to do for one shot, and what it answers. Both are plain and picklable.

A task holds no pixels: pictures and clips are named by file and digest, and read where the work is done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storymem.interfaces.backbone import Subject
from storymem.interfaces.memory import Keyframe
from storymem.interfaces.selection import Rejection
from storymem.store.objects import NewFile


@dataclass(frozen=True, slots=True)
class FileRef:
    """A stored file and the digest its bytes must have."""

    path: Path
    digest: str


@dataclass(frozen=True, slots=True)
class ClipRef:
    """A stored master: its file, the pixel hash of its frames, and its frame rate."""

    file: FileRef
    clip: str
    fps: int


@dataclass(frozen=True, slots=True)
class GenerateStep:
    """Make the clip.

    Attributes:
        prompt: Text, style included.
        negative_prompt: None for the backbone's default.
        width: Pixels.
        height: Pixels.
        frames: Number of frames.
        seed: Resolved seed.
        memory: Recalled keyframes, in recall order.
        handover: How many of the previous clip's last frames to hand over.
        previous: That clip; None if nothing is handed over.
        subjects: What the shot shows.
        options: Per-shot backbone settings.
    """

    prompt: str
    negative_prompt: str | None
    width: int
    height: int
    frames: int
    seed: int
    memory: tuple[Keyframe, ...] = ()
    handover: int = 0
    previous: ClipRef | None = None
    subjects: tuple[Subject, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ShotTask:
    """The work on one shot; parts that are done already are left out.

    Attributes:
        shot: Shot id.
        folder: Where to write files, see :meth:`file`.
        generate: Make the clip; if None, ``source`` is its master.
        source: The existing master.
        first: Frames at the start that repeat the previous shot.
        master: How to keep the clip, ``lossless`` or ``small``.
        crf: Quality of the viewing copy; None if there is one.
        select: Whether to choose keyframes.
        accepted: Whether an existing clip passed the accept gate; only then is any of it remembered.
        visible: Keyframes the selection may compare with.
    """

    shot: str
    folder: Path
    generate: GenerateStep | None
    source: ClipRef | None
    first: int
    master: str
    crf: int | None
    select: bool
    visible: tuple[Keyframe, ...] = ()
    accepted: bool = True

    def file(self, name: str) -> Path:
        """Return where this task writes a file; tasks share the folder, not the names."""
        return self.folder / f"{self.shot}-{name}"


@dataclass(frozen=True, slots=True)
class MadeClip:
    """A clip that was made.

    Attributes:
        master: File with all its frames.
        clip: Pixel hash.
        frames: Number of frames.
        width: Pixels.
        height: Pixels.
        fps: Frames per second.
        seconds: Time the backbone took, over all attempts.
        seed: Of the attempt that was kept.
        attempts: How many clips were made to get it.
        accepted: Whether it passed the accept gate; True without one.
    """

    master: NewFile
    clip: str
    frames: int
    width: int
    height: int
    fps: int
    seconds: float
    seed: int
    attempts: int = 1
    accepted: bool = True


@dataclass(frozen=True, slots=True)
class MadeKeyframe:
    """A proposed keyframe: its picture file, pixel hash, frame index, scores, and embedding if there is one."""

    file: NewFile
    id: str
    frame: int
    scores: Mapping[str, float]
    embedding: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class ShotOutcome:
    """What came of a task.

    Attributes:
        shot: Shot id.
        made: The new clip, if one was made.
        view: The new viewing copy, if one was made.
        candidates: Proposed keyframes; None if none were to be chosen, or choosing failed.
        rejections: What the filters refused.
        error: Why choosing keyframes failed; the clip is good and is kept.
    """

    shot: str
    made: MadeClip | None = None
    view: NewFile | None = None
    candidates: tuple[MadeKeyframe, ...] | None = None
    rejections: tuple[Rejection, ...] = ()
    error: str | None = None
