"""The work on one shot and what comes of it, as plain picklable records.

Neither holds the pixels of a clip: pictures and clips are named by file and digest, and read where the work is done.
Both list their files and can be moved, so that a worker may sit on another machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from storymem.values.files import FileRef
from storymem.values.keyframe import Keyframe
from storymem.values.request import ShotRequest

#: Returns where a file is for the receiver; the digest stays the same.
Move = Callable[[FileRef], FileRef]


@dataclass(frozen=True, slots=True)
class Rejection:
    """One frame refused by one filter."""

    frame: int
    filter: str
    score: float
    threshold: float
    reason: str


@dataclass(frozen=True, slots=True)
class ShotRef:
    """A shot as its keyframes name it: id, place in the story (0 first), ids of the entities it is said to show."""

    id: str
    position: int
    entities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClipFile:
    """A stored clip: its master file, its content hash, and its frame rate."""

    file: FileRef
    clip: str
    fps: int


@dataclass(frozen=True, slots=True)
class ShotTask:
    """The work on one shot; parts that are done already are left out.

    Attributes:
        request: What to make.
        ref: The shot, as its keyframes will name it.
        folder: Where to write files, see :meth:`path`.
        source: The existing clip; None if it is to be made.
        first: Frames at the start that repeat the previous shot.
        master: How to keep the clip, ``lossless`` or ``small``.
        crf: Quality of the viewing copy; None if there is one.
        tail: How many last frames to write to a file of their own, for the next shot; 0 for none.
        select: Whether to choose keyframes.
        accepted: Whether an existing clip passed the accept gate; only then is any of it remembered.
        visible: Keyframes the selection may compare with.
        visible_ids: Their ids, in the same order.
        embeddings: What the memory store knows of them by id, (D,) each, so that no picture is embedded twice.
    """

    request: ShotRequest
    ref: ShotRef
    folder: Path
    source: ClipFile | None
    first: int
    master: str
    crf: int | None
    tail: int
    select: bool
    accepted: bool = True
    visible: Sequence[Keyframe] = ()
    visible_ids: Sequence[str] = ()
    embeddings: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)

    @property
    def shot(self) -> str:
        """Shot id."""
        return self.request.shot

    def path(self, name: str) -> Path:
        """Return where this task writes a file; tasks share the folder, not the names."""
        return self.folder / f"{self.shot}-{name}"

    def inputs(self) -> Iterator[FileRef]:
        """Yield the files the work may read."""
        if self.source is not None:
            yield self.source.file
        else:
            yield from _files(self.request.memory)
            yield from (anchor.file for anchor in self.request.anchors if anchor.file is not None)
            if self.request.handover is not None and self.request.handover.file is not None:
                yield self.request.handover.file
        if self.select:
            yield from _files(self.visible)

    def moved(self, move: Move, folder: Path) -> ShotTask:
        """Return the same task with its inputs where ``move`` says, writing to ``folder``."""
        handover = self.request.handover
        if handover is not None and handover.file is not None:
            handover = replace(handover, file=move(handover.file))
        anchors = tuple(replace(a, file=move(a.file)) if a.file else a for a in self.request.anchors)
        memory = _moved(self.request.memory, move)
        # Notes of jobs stay with the run: on another machine the folder would be somebody else's.
        request = replace(self.request, memory=memory, handover=handover, anchors=anchors, jobs=None)
        source = replace(self.source, file=move(self.source.file)) if self.source else None
        return replace(self, request=request, folder=folder, source=source, visible=_moved(self.visible, move))


@dataclass(frozen=True, slots=True)
class MadeClip:
    """A clip that was made.

    Attributes:
        master: File with all its frames.
        clip: Content hash: of the pixels, and of the sound if there is any.
        frames: Number of frames.
        width: Pixels.
        height: Pixels.
        fps: Frames per second.
        seconds: Time the backbone took, over all attempts.
        seed: Of the attempt that was kept.
        attempts: How many clips were made to get it.
        accepted: Whether it passed the accept gate; True without one.
        sound: Whether the clip has sound, which is in its master.
        notes: What the backbone recorded of how it was made; see :class:`storymem.values.clip.Clip`.
        advice: What the accept gate added to the prompt of the attempt that was kept.
    """

    master: FileRef
    clip: str
    frames: int
    width: int
    height: int
    fps: int
    seconds: float
    seed: int
    attempts: int = 1
    accepted: bool = True
    sound: bool = False
    notes: Mapping[str, str | float | bool] = field(default_factory=dict)
    advice: str = ""


@dataclass(frozen=True, slots=True)
class ShotOutcome:
    """What came of a task.

    Attributes:
        shot: Shot id.
        made: The new clip, if one was made.
        view: The new viewing copy, if one was made.
        tail: The new file of its last frames, if one was made.
        candidates: Proposed keyframes, with their files; None if none were to be chosen, or choosing failed.
        embeddings: Embeddings of candidates by id, (D,) each, where the selection computed them.
        rejections: What the filters refused.
        error: Why choosing keyframes failed; the clip is good and is kept.
        details: The traceback of that failure, if it was a plugin's bug.
    """

    shot: str
    made: MadeClip | None = None
    view: FileRef | None = None
    tail: FileRef | None = None
    candidates: tuple[Keyframe, ...] | None = None
    embeddings: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    rejections: tuple[Rejection, ...] = ()
    error: str | None = None
    details: str = ""

    def files(self) -> Iterator[FileRef]:
        """Yield the new files."""
        if self.made is not None:
            yield self.made.master
        for file in (self.view, self.tail):
            if file is not None:
                yield file
        yield from _files(self.candidates or ())

    def moved(self, move: Move) -> ShotOutcome:
        """Return the same outcome with its files where ``move`` says."""
        made = replace(self.made, master=move(self.made.master)) if self.made else None
        view, tail = (move(file) if file else None for file in (self.view, self.tail))
        candidates = None if self.candidates is None else _moved(self.candidates, move)
        return replace(self, made=made, view=view, tail=tail, candidates=candidates)


def _files(keyframes: Sequence[Keyframe]) -> Iterator[FileRef]:
    return (keyframe.file for keyframe in keyframes if keyframe.file is not None)


def _moved(keyframes: Sequence[Keyframe], move: Move) -> tuple[Keyframe, ...]:
    return tuple(replace(k, file=move(k.file)) if k.file else k for k in keyframes)
