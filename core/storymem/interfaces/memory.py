"""Visual memory: where keyframes are kept, what a shot sees of them, and which are recalled.

Policies decide, stores keep. Neither knows about clips, backbones or run folders.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import NDArray

from storymem.errors import SettingsError
from storymem.interfaces.plugin import Plugin, SettingsT
from storymem.values.keyframe import Keyframe, in_story_order

if TYPE_CHECKING:
    from storymem.interfaces.encoder import ImageTextEncoder
    from storymem.values.storyboard import BoardShot, Storyboard

#: Folder of picture files, below the folder that a store is opened for.
OBJECTS = "objects"


def picture_path(folder: Path, digest: str) -> Path:
    """Return where a store that is open for ``folder`` has the picture file with this digest."""
    return folder / OBJECTS / f"{digest}.png"


class MemoryStore(Plugin[SettingsT]):
    """Keeps keyframes by owner, and embeddings by keyframe.

    An *owner* is the selection that admitted the keyframes (one per take of a shot), or the references. A store keeps
    records and vectors; the picture files are beside it, see :func:`picture_path`, and of a keyframe's file it keeps
    the digest alone, so that a folder can be moved. ``reason`` and ``pixels`` are not kept.
    Every method is atomic; adding the same thing twice changes nothing.
    """

    @abstractmethod
    def open(self, folder: Path, write: bool = True) -> None:
        """Open the store of a run folder or a cast library; closes what it had open before.

        Args:
            folder: The folder.
            write: Create the store where there is none. Without it nothing is created or changed, so that a
                read-only copy can be looked at; a store that is not there is empty then.
        """

    @abstractmethod
    def add(self, owner: str, keyframes: Sequence[Keyframe]) -> None:
        """Keep ``keyframes``, in this order, for ``owner``; replaces what the owner had."""

    @abstractmethod
    def of(self, owner: str) -> tuple[Keyframe, ...]:
        """Return the owner's keyframes in the order they were added; empty if unknown."""

    def view(self, owners: Sequence[str]) -> tuple[Keyframe, ...]:
        """Return the keyframes of these owners, owner by owner. The default asks for one after the other."""
        return tuple(chain.from_iterable(self.of(owner) for owner in owners))

    @abstractmethod
    def owners(self) -> frozenset[str]:
        """Return all owners."""

    def discard_damaged(self) -> Sequence[str]:
        """Remove what is not as it was kept, and say in a few words what each was; it is chosen or computed again.

        The default is for stores that cannot tell, and finds nothing.
        """
        return ()

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

    Attributes:
        board: The story's shots.
        ids: Keyframe ids, in story order.

    Args:
        board: See above.
        keyframes: Visible keyframes; sorted here unless ``ordered`` says that they already are.
        encoder: The run's encoder, if it has one.
        store: Where embeddings are kept.
        ordered: The caller vouches for story order, which spares a sort per shot of a long story.
        ids: Ids of ``keyframes`` in their order, all different, where the caller knows them: ``keyframes`` may then
            read a keyframe when it is looked at.
    """

    def __init__(
        self,
        board: Storyboard,
        keyframes: Sequence[Keyframe],
        encoder: ImageTextEncoder | None = None,
        store: MemoryStore | None = None,
        ordered: bool = False,
        ids: Sequence[str] | None = None,
    ) -> None:
        self.board = board
        if ids is None:
            by_id: dict[str, Keyframe] = {}
            for keyframe in keyframes if ordered else in_story_order(keyframes):
                by_id.setdefault(keyframe.id, keyframe)
            ids, keyframes = tuple(by_id), tuple(by_id.values())
        self.ids = ids
        self._keyframes = keyframes
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
        return tuple(self._keyframes[index]) if isinstance(index, slice) else self._keyframes[index]

    def only(self, keyframes: Collection[Keyframe]) -> MemoryView:
        """Return the view of just these of its keyframes, with the same encoder and store."""
        wanted = {keyframe.id for keyframe in keyframes}
        chosen = [keyframe for keyframe in self if keyframe.id in wanted]
        return MemoryView(self.board, chosen, self._encoder, self._store, ordered=True)

    @property
    def keyframes(self) -> Sequence[Keyframe]:
        """The keyframes as a plain sequence, which reads them when they are looked at; pickled as a tuple."""
        return self._keyframes

    @property
    def encoder(self) -> ImageTextEncoder:
        """The run's image-text encoder.

        Raises:
            SettingsError: The run has none.
        """
        if self._encoder is None:
            raise SettingsError("encoder: this policy compares pictures and needs one; see storymem plugins encoder")
        return self._encoder

    def embeddings(self) -> NDArray[np.float32]:
        """Return unit image embeddings of all keyframes, (n, D), read-only; computes and keeps the missing ones."""
        if self._embeddings is None:
            self._embeddings = self._embed()
            self._embeddings.flags.writeable = False
        return self._embeddings

    def _embed(self) -> NDArray[np.float32]:
        encoder, fingerprint = self.encoder, self.encoder.fingerprint()
        known = self._store.embeddings(fingerprint, self.ids) if self._store else {}
        for index, id_ in enumerate(self.ids):
            if id_ not in known:
                known[id_] = encoder.encode_images(self._keyframes[index].load()[None])[0]
                if self._store:
                    self._store.put_embeddings(fingerprint, {id_: known[id_]})
        if not known:
            return np.zeros((0, encoder.dimension), dtype=np.float32)
        return np.stack([known[id_] for id_ in self.ids])

    def nearest(self, vector: NDArray[np.float32], count: int) -> list[tuple[Keyframe, float]]:
        """Return up to ``count`` keyframes of this view with their cosine to ``vector`` (D,), best first, ties by id.

        Asked of the memory store where there is one; missing embeddings are computed and kept first.
        """
        rows, places = self.embeddings(), {id_: index for index, id_ in enumerate(self.ids)}
        if self._store is not None:
            found = self._store.nearest(self.encoder.fingerprint(), vector, count, places.keys())
        else:
            scored = sorted((-float(row @ vector), id_) for row, id_ in zip(rows, self.ids, strict=True))
            found = [(id_, -score) for score, id_ in scored[:count]]
        return [(self._keyframes[places[id_]], score) for id_, score in found]

    def text_similarity(self, text: str) -> NDArray[np.float32]:
        """Return the cosine of ``text`` with every keyframe, (n,)."""
        vector = self.encoder.encode_texts([text])[0]
        # Not `@`: on a busy machine, threads that share this small product wait a hundred times as long as it takes.
        return np.asarray(np.einsum("ij,j->i", self.embeddings(), vector), dtype=np.float32)


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
        """Choose at most ``budget`` keyframes of ``view``, without repeats, in the order the backbone gets them.

        A policy may say why it chose one, for ``storymem status``: ``keyframe.because("shows Anna")``.
        """

    def admit(self, shot: BoardShot, candidates: Sequence[Keyframe], view: MemoryView) -> Sequence[Keyframe]:
        """Choose which of a finished shot's candidates are remembered. The default is all of them."""
        return candidates

    def notice(self, board: Storyboard) -> str:
        """Return what the user should know of this policy and this story, in one line; empty if nothing.

        Said once, when the run starts: for example that a policy by entities found none.
        """
        return ""
