"""What the run store keeps, as immutable records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from storymem.store.objects import FileRecord
from storymem.values.keyframe import Keyframe
from storymem.values.work import Rejection


@dataclass(frozen=True, slots=True)
class Take:
    """One generated clip of a shot.

    Attributes:
        shot: Shot id.
        number: 1 for the first take of the shot.
        key: Hash of everything that made it.
        clip: Content hash of the clip: of its pixels, and of its sound if it has any.
        master: Digest of the file with all its frames.
        frames: Number of frames, repeated ones included.
        width: Pixels.
        height: Pixels.
        fps: Frames per second.
        request: What made it, readable: prompt, seed, mode, ...
        recalled: The pictures it was shown, in recall order, whatever is remembered of their shots today.
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
    recalled: tuple[Keyframe, ...]
    pinned: bool
    created: str
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return the take as plain data."""
        row = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "recalled"}
        return {**row, "recalled": [{"id": k.id, "name": k.name, "reason": k.reason} for k in self.recalled]}


@dataclass(frozen=True, slots=True)
class Selection:
    """The outcome of choosing keyframes from one clip with given settings and visible memory.

    The keyframes themselves are in the memory store, under ``key`` as their owner; here are their ids.
    """

    key: str
    shot: str
    keyframes: tuple[str, ...]
    rejections: tuple[Rejection, ...]


@dataclass(frozen=True, slots=True)
class CurrentShot:
    """What a shot is at present.

    Attributes:
        shot: Shot id.
        position: Place in the story.
        take: Number of the take in the film.
        view: Digest of its viewing copy.
        tail: Digest of the frames it hands over; empty if the next shot is a cut.
        selection: Key of the selection its keyframes come from.
        first: Number of frames at the start of the take that repeat the previous shot.
    """

    shot: str
    position: int
    take: int
    view: str
    tail: str
    selection: str
    first: int


@dataclass(frozen=True, slots=True)
class ShotCommit:
    """Everything one finished shot adds, written in one transaction.

    Attributes:
        take: New or existing.
        derived: Digests by key of files made from the clip: viewing copy and tail.
        selection: New or existing; None if choosing keyframes failed.
        pictures: File digests of the selection's keyframes by id.
        current: What the shot is now; None if choosing keyframes failed.
        files: Files moved into place for it.
    """

    take: Take
    derived: Mapping[str, str]
    selection: Selection | None
    pictures: Mapping[str, str]
    current: CurrentShot | None
    files: tuple[FileRecord, ...]


@dataclass(frozen=True, slots=True)
class Override:
    """What the user changed for one shot with ``redo``; None leaves the script's."""

    seed: int | None
    prompt: str | None
