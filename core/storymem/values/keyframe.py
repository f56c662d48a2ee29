"""One remembered picture: the same record from the selector that proposes it to the backbone that is shown it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter

from storymem.errors import DamagedFile, MediaError
from storymem.values.clip import Frames, check_frames, pixel_hash
from storymem.values.files import FileRef
from storymem.values.picture import read_png

#: The position of reference images: before every shot.
REFERENCE_POSITION = -1

#: Names of scores that say how good a keyframe is, the best judge first.
QUALITY_SCORES = ("hpsv3", "aesthetic", "sharpness")


@dataclass(frozen=True, slots=True)
class Keyframe:
    """One picture that may be remembered.

    Attributes:
        id: Pixel hash (SHA-256, hex). Equal pictures have equal ids.
        shot: Id of the shot it was taken from, or ``ref:<entity>`` for a reference image.
        position: Place of that shot in the story, 0 first; -1 for reference images.
        frame: Index of the frame within its clip, or running number of the reference image.
        entities: Ids of the entities its shot is said to show.
        scores: Scores by name, as the filters and the selector gave them.
        file: Its lossless picture file; None until one is written.
        reason: Why a policy recalled it, in a few words; empty elsewhere.
        pixels: uint8 RGB (H, W, 3), where they are in memory already.
    """

    id: str
    shot: str
    position: int
    frame: int
    entities: tuple[str, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict)
    file: FileRef | None = None
    reason: str = field(default="", compare=False)
    pixels: Frames | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of_picture(
        cls,
        pixels: Frames,
        shot: str = "ref:picture",
        position: int = REFERENCE_POSITION,
        frame: int = 0,
        entities: tuple[str, ...] = (),
    ) -> Keyframe:
        """Return a keyframe of pixels in memory, uint8 RGB (H, W, 3), without a file."""
        check_frames(pixels, 3, "keyframe")
        return cls(pixel_hash(pixels), shot, position, frame, entities, pixels=pixels)

    @property
    def is_reference(self) -> bool:
        """Whether this is a reference image of an entity, not a frame of a shot."""
        return self.position == REFERENCE_POSITION

    @property
    def name(self) -> str:
        """``shot:frame``, as people read it."""
        return f"{self.shot}:{self.frame}"

    def quality(self, by: Sequence[str] = QUALITY_SCORES) -> float:
        """Return the first score named in ``by`` that the keyframe has, 0.0 if it has none of them."""
        return next((self.scores[name] for name in by if name in self.scores), 0.0)

    def because(self, reason: str) -> Keyframe:
        """Return the same keyframe with the reason why it is recalled, a few words for the user."""
        return replace(self, reason=reason)

    def load(self) -> Frames:
        """Return the pixels, uint8 RGB (H, W, 3): those in memory, else those of its file.

        Raises:
            DamagedFile: The file is gone or holds another picture.
            MediaError: The keyframe has neither pixels nor a file.
        """
        if self.pixels is not None:
            return self.pixels
        if self.file is None:
            raise MediaError(f"keyframe {self.name}: has neither pixels nor a file")
        try:
            pixels = read_png(self.file.path)
        except MediaError as error:
            raise DamagedFile(str(error), self.file.digest) from error
        if pixel_hash(pixels) != self.id:
            raise DamagedFile(f"{self.file.path}: does not hold its recorded picture", self.file.digest)
        return pixels

    def loaded(self) -> Keyframe:
        """Return the same keyframe with its pixels in memory; raises what :meth:`load` raises."""
        return replace(self, pixels=self.load())


def in_story_order(keyframes: Iterable[Keyframe]) -> list[Keyframe]:
    """Return keyframes by position, frame, id and shot: independent of how they were stored."""
    return sorted(keyframes, key=attrgetter("position", "frame", "id", "shot"))
