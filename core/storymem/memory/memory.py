"""What is remembered during a run: which selection each finished shot gave, and views of them for later shots.

The memory store holds the keyframes; here are only their ids, so that a run of thousands of shots does not grow. Knows
no backbone, no take and no file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from storymem.errors import RunStoreError
from storymem.interfaces import ImageTextEncoder, Keyframe, MemoryStore, MemoryView
from storymem.values.storyboard import Storyboard

#: Selections whose keyframes are kept at hand: about 2 kB each, and only those that a policy has looked at.
_AT_HAND = 4096


class Memory:
    """The keyframes of one run, by shot.

    Args:
        board: The story's shots.
        store: An open memory store.
        encoder: The run's encoder, if it has one.
    """

    def __init__(
        self, board: Storyboard, store: MemoryStore[Any], encoder: ImageTextEncoder[Any] | None = None
    ) -> None:
        self._board = board
        self._store = store
        self._encoder = encoder
        self._print = encoder.fingerprint() if encoder is not None else ""
        self._references: tuple[str, bytes] | None = None
        self._given: dict[int, tuple[str, bytes]] = {}
        self._at_hand: dict[str, tuple[Keyframe, ...]] = {}

    def add(
        self, owner: str, keyframes: Sequence[Keyframe], embeddings: Mapping[str, NDArray[np.float32]] | None = None
    ) -> None:
        """Keep what a selection admitted, and embeddings (D,) of it by keyframe id."""
        if self._encoder is not None and embeddings:
            self._store.put_embeddings(self._print, embeddings)
        self._store.add(owner, keyframes)
        self._at_hand.pop(owner, None)

    def forget(self, owners: Collection[str]) -> None:
        """Remove selections."""
        self._store.forget(owners)
        for owner in owners:
            self._at_hand.pop(owner, None)

    def give(self, position: int, owner: str, ids: Sequence[str]) -> None:
        """Record which selection a finished shot gives to the shots that see it."""
        self._given[position] = (owner, _packed(ids))

    def give_references(self, owner: str, ids: Sequence[str]) -> None:
        """Record the selection of reference images that every shot sees."""
        self._references = (owner, _packed(ids))

    def start_over(self) -> None:
        """Forget which shots are finished; the store keeps everything."""
        self._given.clear()

    def view(self, positions: Sequence[int]) -> MemoryView:
        """Return what a shot sees: the references and what the shots at ``positions``, ascending, gave."""
        places: dict[bytes, tuple[str, int]] = {}
        sources = [self._given[position] for position in positions]
        for owner, packed in ([self._references] if self._references else []) + sources:
            for index in range(len(packed) // _ID):
                places.setdefault(packed[index * _ID : (index + 1) * _ID], (owner, index))
        seen = _Seen(self, list(places.values()))
        ids = tuple(map(bytes.hex, places))
        return MemoryView(self._board, seen, self._encoder, self._store, ordered=True, ids=ids)

    def embeddings(self, view: MemoryView) -> dict[str, NDArray[np.float32]]:
        """Return the embeddings (D,) of a view by keyframe id, computing and keeping those that are missing."""
        if self._encoder is None or not len(view):
            return {}
        return dict(zip(view.ids, view.embeddings(), strict=True))

    def keyframes(self, owners: Sequence[str]) -> Mapping[str, tuple[Keyframe, ...]]:
        """Return the keyframes of selections by owner, from the store where they are not at hand."""
        missing = [owner for owner in dict.fromkeys(owners) if owner not in self._at_hand]
        if len(self._at_hand) + len(missing) > _AT_HAND:
            self._at_hand.clear()
            missing = list(dict.fromkeys(owners))
        for owner in missing:
            self._at_hand[owner] = self._store.of(owner)
        return self._at_hand


#: Bytes of a keyframe id, a SHA-256. Packed, the ids of 1,000 shots are 100 kB; as texts, four times as much.
_ID = 32


def _packed(ids: Sequence[str]) -> bytes:
    return bytes.fromhex("".join(ids))


class _Seen(Sequence[Keyframe]):
    """Keyframes by their place in the store, read when a policy looks at them."""

    def __init__(self, memory: Memory, places: Sequence[tuple[str, int]]) -> None:
        self._memory = memory
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[Keyframe]:
        return iter(self._read(self._places))

    @overload
    def __getitem__(self, index: int) -> Keyframe: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Keyframe, ...]: ...

    def __getitem__(self, index: int | slice) -> Keyframe | tuple[Keyframe, ...]:
        if isinstance(index, slice):
            return self._read(self._places[index])
        return self._read([self._places[index]])[0]

    def _read(self, places: Sequence[tuple[str, int]]) -> tuple[Keyframe, ...]:
        found = self._memory.keyframes([owner for owner, _ in places])
        try:
            return tuple(found[owner][index] for owner, index in places)
        except IndexError as error:
            raise RunStoreError("the memory store has lost keyframes while the run was using it; resume it") from error
