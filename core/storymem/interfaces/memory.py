"""Visual memory: keyframes, what a shot sees of them, where they are kept, and which are recalled.

Policies decide, stores keep. Neither knows about clips, backbones or run folders.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import NDArray

from storymem.errors import DamagedFile, MediaError, SettingsError
from storymem.interfaces.plugin import Plugin, SettingsT
from storymem.media.clip import Frames, pixel_hash
from storymem.media.images import read_png

if TYPE_CHECKING:
    from storymem.interfaces.encoder import ImageTextEncoder
    from storymem.storyboard import BoardShot, Storyboard

#: The position of reference images: before every shot.
REFERENCE_POSITION = -1

#: Names of scores that say how good a keyframe is, the best judge first.
QUALITY_SCORES = ("hpsv3", "aesthetic", "sharpness")


@dataclass(frozen=True, slots=True)
class Keyframe:
    """One remembered picture, without its pixels.

    Attributes:
        id: Pixel hash (SHA-256, hex). Equal pictures have equal ids.
        shot: Id of the shot it was taken from, or ``ref:<entity>`` for a reference image.
        position: Place of that shot in the story, 0 first; -1 for reference images.
        frame: Index of the frame within its clip, or running number of the reference image.
        entities: Ids of the entities its shot is said to show.
        scores: Scores by name, as the filters and the selector gave them.
        path: Lossless picture file.
    """

    id: str
    shot: str
    position: int
    frame: int
    path: Path
    entities: tuple[str, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict)

    def quality(self, by: Sequence[str] = QUALITY_SCORES) -> float:
        """Return the first score named in ``by`` that the keyframe has, 0.0 if it has none of them."""
        return next((self.scores[name] for name in by if name in self.scores), 0.0)

    @property
    def is_reference(self) -> bool:
        """Whether this is a reference image of an entity, not a frame of a shot."""
        return self.position == REFERENCE_POSITION

    def load(self) -> Frames:
        """Read the pixels: uint8 RGB (H, W, 3).

        Raises:
            DamagedFile: The file is gone or holds another picture.
        """
        try:
            frame = read_png(self.path)
        except MediaError as error:
            raise DamagedFile(str(error), self.path.stem) from error
        if pixel_hash(frame) != self.id:
            raise DamagedFile(f"{self.path}: does not hold its recorded picture", self.path.stem)
        return frame


class MemoryStore(Plugin[SettingsT]):
    """Keeps keyframes by owner, and embeddings by keyframe.

    An *owner* is the selection that admitted the keyframes (one per take of a shot), or the references.
    Every method is atomic; adding the same thing twice changes nothing.
    """

    @abstractmethod
    def open(self, folder: Path) -> None:
        """Open or create the store for a run folder."""

    @abstractmethod
    def add(self, owner: str, keyframes: Sequence[Keyframe]) -> None:
        """Keep ``keyframes``, in this order, for ``owner``; replaces what the owner had."""

    @abstractmethod
    def of(self, owner: str) -> tuple[Keyframe, ...]:
        """Return the owner's keyframes in the order they were added; empty if unknown."""

    @abstractmethod
    def owners(self) -> frozenset[str]:
        """Return all owners."""

    @abstractmethod
    def forget(self, owners: Collection[str]) -> None:
        """Remove owners, and embeddings that no owner's keyframe needs any more."""

    @abstractmethod
    def put_embeddings(self, encoder: str, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        """Keep embeddings by keyframe id, for the encoder with this fingerprint. Shape (D,) each.

        Raises:
            SettingsError: The dimension differs from what is stored for this encoder.
        """

    @abstractmethod
    def embeddings(self, encoder: str, ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Return the stored embeddings among ``ids``; a missing one is left out."""

    @abstractmethod
    def nearest(
        self, encoder: str, vector: NDArray[np.float32], count: int, within: Collection[str] | None = None
    ) -> list[tuple[str, float]]:
        """Return up to ``count`` (keyframe id, cosine), best first, ties by id; only among ``within`` if given."""


class MemoryView(Sequence[Keyframe]):
    """What one shot may remember: visible keyframes in story order, no picture twice.

    References come first, then keyframes by position and frame. The order in which shots finished or
    were stored never shows.

    Args:
        board: The story's shots.
        keyframes: Visible keyframes; sorted here unless ``ordered`` says that they already are.
        encoder: The run's encoder, if it has one.
        store: Where embeddings are kept.
        ordered: The caller vouches for story order, which spares a sort per shot of a long story.
    """

    def __init__(
        self,
        board: Storyboard,
        keyframes: Sequence[Keyframe],
        encoder: ImageTextEncoder | None = None,
        store: MemoryStore | None = None,
        ordered: bool = False,
    ) -> None:
        self.board = board
        by_id: dict[str, Keyframe] = {}
        for keyframe in keyframes if ordered else in_story_order(keyframes):
            by_id.setdefault(keyframe.id, keyframe)
        self._keyframes = tuple(by_id.values())
        self._encoder = encoder
        self._store = store
        self._embeddings: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self._keyframes)

    def __iter__(self) -> Iterator[Keyframe]:
        return iter(self._keyframes)

    @overload
    def __getitem__(self, index: int) -> Keyframe: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Keyframe, ...]: ...

    def __getitem__(self, index: int | slice) -> Keyframe | tuple[Keyframe, ...]:
        return self._keyframes[index]

    def only(self, keyframes: Collection[Keyframe]) -> MemoryView:
        """Return the view of just these of its keyframes, with the same encoder and store."""
        wanted = {keyframe.id for keyframe in keyframes}
        chosen = [keyframe for keyframe in self if keyframe.id in wanted]
        return MemoryView(self.board, chosen, self._encoder, self._store, ordered=True)

    @property
    def encoder(self) -> ImageTextEncoder:
        """The run's image-text encoder.

        Raises:
            SettingsError: The run has none.
        """
        if self._encoder is None:
            raise SettingsError("encoder: this policy compares pictures and needs one; set encoder, e.g. encoder=clip")
        return self._encoder

    def embeddings(self) -> NDArray[np.float32]:
        """Return unit image embeddings of all keyframes, (n, D), read-only; computes and keeps the missing ones."""
        if self._embeddings is None:
            self._embeddings = self._embed()
            self._embeddings.flags.writeable = False
        return self._embeddings

    def _embed(self) -> NDArray[np.float32]:
        encoder, fingerprint = self.encoder, self.encoder.fingerprint()
        known = self._store.embeddings(fingerprint, [k.id for k in self]) if self._store else {}
        for keyframe in self:
            if keyframe.id not in known:
                known[keyframe.id] = encoder.encode_images(keyframe.load()[None])[0]
                if self._store:
                    self._store.put_embeddings(fingerprint, {keyframe.id: known[keyframe.id]})
        if not known:
            return np.zeros((0, encoder.dimension), dtype=np.float32)
        return np.stack([known[k.id] for k in self])

    def text_similarity(self, text: str) -> NDArray[np.float32]:
        """Return the cosine of ``text`` with every keyframe, (n,)."""
        vector = self.encoder.encode_texts([text])[0]
        # Not `@`: on a busy machine, threads that share this small product wait a hundred times as long as it takes.
        return np.asarray(np.einsum("ij,j->i", self.embeddings(), vector), dtype=np.float32)


def in_story_order(keyframes: Iterable[Keyframe]) -> list[Keyframe]:
    """Return keyframes by position, frame, id and shot: independent of how they were stored."""
    return sorted(keyframes, key=attrgetter("position", "frame", "id", "shot"))


class MemoryPolicy(Plugin[SettingsT]):
    """Decides what is remembered. Pure: the same arguments give the same answer.

    ``sees`` shapes the shot graph, and so which shots may be made side by side.
    """

    #: Whether ``recall`` or ``admit`` uses ``view.embeddings`` or ``view.text_similarity``.
    needs_encoder: bool = False

    def sees(self, board: Storyboard, shot: BoardShot) -> Sequence[int]:
        """Return the positions of the earlier shots this shot may remember, ascending.

        The default is all of them, ``range(shot.position)``. Ranges are kept as ranges.
        """
        return range(shot.position)

    @abstractmethod
    def recall(self, shot: BoardShot, view: MemoryView, budget: int) -> Sequence[Keyframe]:
        """Choose at most ``budget`` keyframes of ``view``, without repeats, in the order the backbone gets them."""

    def admit(self, shot: BoardShot, candidates: Sequence[Keyframe], view: MemoryView) -> Sequence[Keyframe]:
        """Choose which of a finished shot's candidates are remembered. The default is all of them."""
        return candidates
