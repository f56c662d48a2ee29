"""What one shot asks of a backbone: one record from the plan to the model.

The plan fills in what the script and the settings decide; preparing a shot adds what it recalls and what the previous
shot hands over, by file; the worker adds the pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from storymem.errors import MediaError
from storymem.values.clip import Frames
from storymem.values.files import FileRef
from storymem.values.keyframe import Keyframe


class Mode(StrEnum):
    """How a shot is conditioned (StoryMem, sections 3.2 and 3.4)."""

    T2V = "t2v"  #: text alone
    M2V = "m2v"  #: text and memory keyframes
    MI2V = "mi2v"  #: memory and the last frame of the previous shot
    MM2V = "mm2v"  #: memory and the last several frames of the previous shot


@dataclass(frozen=True, slots=True)
class Subject:
    """A named thing the shot shows: ``name``, its ``kind`` (character, place, object, style) and its look."""

    name: str
    kind: str
    look: str = ""


@dataclass(frozen=True, slots=True)
class Handover:
    """The last frames of the previous shot, with which a shot that is no cut begins.

    Attributes:
        count: How many frames.
        clip: Content hash of the whole clip whose end they are.
        file: The frames alone, lossless; None where they are in memory only.
        frames: uint8 RGB (count, H, W, 3), where they are in memory already.
    """

    count: int
    clip: str = ""
    file: FileRef | None = None
    frames: Frames | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class AnchorFrame:
    """A picture that the clip shows at one of its frames.

    Attributes:
        frame: Index within the clip, 0 first.
        source: What picture it is: its pixel hash, or the pixel hash of a whole clip and which of its frames.
        file: The picture, or the clip; None where the pixels are in memory only.
        clip_frame: Which frame of ``file``, where that is a clip; None where it is a picture.
        pixels: uint8 RGB (H, W, 3), of the request's size, where they are in memory already.
    """

    frame: int
    source: str
    file: FileRef | None = None
    clip_frame: int | None = None
    pixels: Frames | None = field(default=None, compare=False, repr=False)

    def load(self) -> Frames:
        """Return the pixels, uint8 RGB (H, W, 3) of the request's size; a backbone always has them.

        Raises:
            MediaError: They are not in memory.
        """
        if self.pixels is None:
            raise MediaError(f"anchor at frame {self.frame}: its pixels are not in memory")
        return self.pixels


@dataclass(frozen=True, slots=True)
class ShotRequest:
    """Everything a backbone may use to make one shot.

    Attributes:
        shot: Shot id, for messages and for engines that keep jobs by name.
        prompt: The shot's text, style included.
        negative_prompt: What to avoid; None means the backbone's own default.
        width: Pixels.
        height: Pixels.
        frames: Number of frames to return, handed-over frames included.
        seed: 0 .. 2**64 - 1. The same request gives the same clip.
        subjects: What the shot shows, for backbones that draw by name.
        options: Per-shot changes of the backbone's settings, already validated.
        memory: Recalled keyframes in recall order, of any size; each names the entities it shows. A backbone gets
            them with pixels in memory and reads them by ``keyframe.load()``.
        handover: The previous shot's last frames, or None for a cut. The clip starts by repeating them; the
            transition drops them from the film.
        jobs: A folder, not made yet, that outlives the process: a backbone whose work is done by a server notes its
            jobs there, to find them again after a crash. None where nothing can be kept. Changes no result.
        anchors: Pictures that the clip shows at chosen frames, by frame; none that is handed over.
    """

    shot: str
    prompt: str
    negative_prompt: str | None
    width: int
    height: int
    frames: int
    seed: int
    subjects: tuple[Subject, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    memory: tuple[Keyframe, ...] = ()
    handover: Handover | None = None
    jobs: Path | None = field(default=None, compare=False)
    anchors: tuple[AnchorFrame, ...] = ()

    @property
    def mode(self) -> Mode:
        """The mode that follows from what is handed over and recalled."""
        return mode_of(handover=self.handover.count if self.handover else 0, memory=len(self.memory))

    def readable(self) -> dict[str, Any]:
        """Return the part of the request that a person reads, as plain data; keys are made of it, too."""
        return {
            "prompt": self.prompt,
            "negative_prompt": self.negative_prompt,
            "size": [self.width, self.height],
            "frames": self.frames,
            "seed": self.seed,
            "subjects": [[s.name, s.kind, s.look] for s in self.subjects],
            "options": dict(self.options),
        }

    @property
    def pictures(self) -> tuple[Frames, ...]:
        """The pixels of ``memory``, in recall order, each uint8 RGB (H, W, 3)."""
        return tuple(keyframe.load() for keyframe in self.memory)

    @property
    def handover_frames(self) -> Frames | None:
        """The handed-over frames, uint8 RGB (K, height, width, 3), or None for a cut."""
        return self.handover.frames if self.handover else None


def mode_of(*, handover: int, memory: int) -> Mode:
    """Return the mode for a number of handed-over frames and a number of memory keyframes."""
    if handover > 1:
        return Mode.MM2V
    if handover == 1:
        return Mode.MI2V
    return Mode.M2V if memory else Mode.T2V
