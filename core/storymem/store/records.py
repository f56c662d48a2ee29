"""What the run store keeps, as immutable records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from storymem.interfaces.selection import Rejection
from storymem.store.objects import FileRecord


@dataclass(frozen=True, slots=True)
class Take:
    """One generated clip of a shot.

    Attributes:
        shot: Shot id.
        number: 1 for the first take of the shot.
        key: Hash of everything that made it.
        clip: Pixel hash of its frames.
        master: Digest of the file with all its frames.
        frames: Number of frames, repeated ones included.
        width: Pixels.
        height: Pixels.
        fps: Frames per second.
        request: What made it, readable: prompt, seed, mode, recalled keyframes, ...
        pinned: Whether the user fixed this take.
        created: UTC, ISO 8601.
        seconds: Time the backbone took.
    """

    shot: str
    number: int
    key: str
    clip: str
    master: str
    frames: int
    width: int
    height: int
    fps: int
    request: Mapping[str, Any]
    pinned: bool
    created: str
    seconds: float


@dataclass(frozen=True, slots=True)
class StoredKeyframe:
    """A keyframe admitted by a selection: pixel hash, frame index, file digest and scores."""

    id: str
    frame: int
    digest: str
    scores: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Selection:
    """The outcome of choosing keyframes from one clip with given settings and visible memory."""

    key: str
    shot: str
    keyframes: tuple[StoredKeyframe, ...]
    rejections: tuple[Rejection, ...]


@dataclass(frozen=True, slots=True)
class ShotCommit:
    """Everything one finished shot adds, written in one transaction.

    Attributes:
        take: New or existing.
        view_key: Key of the viewing copy.
        view: Its digest.
        selection: New or existing; None if choosing keyframes failed.
        first: Number of frames at the start that repeat the previous shot.
        position: Place in the story.
        files: Files moved into place for it.
    """

    take: Take
    view_key: str
    view: str
    selection: Selection | None
    first: int
    position: int
    files: tuple[FileRecord, ...]


@dataclass(frozen=True, slots=True)
class CurrentShot:
    """What a shot is at present.

    Attributes:
        shot: Shot id.
        position: Place in the story.
        take: Number of the take in the film.
        view: Digest of its viewing copy.
        selection: Key of the selection its keyframes come from.
        first: Number of frames at the start of the take that repeat the previous shot.
    """

    shot: str
    position: int
    take: int
    view: str
    selection: str
    first: int


@dataclass(frozen=True, slots=True)
class Override:
    """What the user changed for one shot with ``redo``; None leaves the script's."""

    seed: int | None
    prompt: str | None
