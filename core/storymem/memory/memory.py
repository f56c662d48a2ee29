"""What is remembered during a run: which selection each finished shot gave, and views of them for later shots.

The memory store holds the keyframes; here are only their ids, so that a run of thousands of shots does not grow. Knows
no backbone, no take and no file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from storymem.errors import RunStoreError
from storymem.interfaces import ImageTextEncoder, Keyframe, MemoryStore, MemoryView
from storymem.memory.visible import ID, REFERENCES, Visible
from storymem.values.storyboard import Storyboard

#: Shots whose keyframes are kept at hand for policies that look at everything; about 2 kB each.
_AT_HAND = 4096
#: Fewer shots than this are read from the store again: a policy that looks at few then costs no memory.
_FEW = 64


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
        self._given: dict[int, bytes] = {}  # by position: owner and keyframe ids, packed
        self._at_hand: dict[int, tuple[Keyframe, ...]] = {}
        self._start_prefix()

    def add(
        self, owner: str, keyframes: Sequence[Keyframe], embeddings: Mapping[str, NDArray[np.float32]] | None = None
    ) -> None:
        """Keep what a selection admitted, and embeddings (D,) of it by keyframe id."""
        if self._encoder is not None and embeddings:
            self._store.put_embeddings(self._print, embeddings)
        self._store.add(owner, keyframes)

    def forget(self, owners: Collection[str]) -> None:
        """Remove selections."""
        self._store.forget(owners)
        self._at_hand.clear()

    def give(self, position: int, owner: str, ids: Sequence[str]) -> None:
        """Record which selection a finished shot gives to the shots that see it."""
        self._given[position] = bytes.fromhex(owner + "".join(ids))
        self._at_hand.pop(position, None)

    def give_references(self, owner: str, ids: Sequence[str]) -> None:
        """Record the selection of reference images that every shot sees."""
        self.give(REFERENCES, owner, ids)
        self._start_prefix()

    def start_over(self) -> None:
        """Forget which shots are finished; the store keeps everything."""
        self._given.clear()
        self._at_hand.clear()
        self._start_prefix()

    def view(self, positions: Sequence[int]) -> MemoryView:
        """Return what a shot sees: the references and what the shots at ``positions``, ascending, gave."""
        if isinstance(positions, range) and positions == range(len(positions)):
            visible, count = self._prefix, self._prefix_to(len(positions))
        else:
            visible = self._gathered(positions)
            count = len(visible)
        seen = _Seen(self, visible, count)
        return MemoryView(self._board, seen, self._encoder, self._store, ordered=True, ids=visible.ids(count))

    def embeddings(self, view: MemoryView) -> dict[str, NDArray[np.float32]]:
        """Return the embeddings (D,) of a view by keyframe id, computing and keeping those that are missing."""
        if self._encoder is None or not len(view):
            return {}
        return dict(zip(view.ids, view.embeddings(), strict=True))

    def keyframes(self, places: Sequence[tuple[int, int]]) -> tuple[Keyframe, ...]:
        """Return keyframes by (position, index), from the store where they are not at hand."""
        wanted = dict.fromkeys(position for position, _ in places)
        found = self._read([position for position in wanted if position not in self._at_hand])
        if len(wanted) > _FEW and len(self._at_hand) + len(found) <= _AT_HAND:
            self._at_hand.update(found)
        return tuple((found.get(position) or self._at_hand[position])[index] for position, index in places)

    # -- what is visible --------------------------------------------------------------------------------------

    def _start_prefix(self) -> None:
        """Begin the row of what shots that see everything see; it is shared by all of them and only grows."""
        self._prefix = self._gathered(())
        self._prefix_counts = [len(self._prefix)]

    def _prefix_to(self, shots: int) -> int:
        """Extend the row to so many shots; return how many keyframes those gave."""
        while len(self._prefix_counts) <= shots:
            position = len(self._prefix_counts) - 1
            self._prefix.extend(position, self._given[position][ID:])
            self._prefix_counts.append(len(self._prefix))
        return self._prefix_counts[shots]

    def _gathered(self, positions: Iterable[int]) -> Visible:
        visible = Visible()
        for position in ([REFERENCES] if REFERENCES in self._given else []) + list(positions):
            visible.extend(position, self._given[position][ID:])
        return visible

    def _read(self, positions: Sequence[int]) -> dict[int, tuple[Keyframe, ...]]:
        """Ask the store for several selections at once, and separate them by how many keyframes each gave."""
        if not positions:
            return {}
        given = [self._given[position] for position in positions]
        read = iter(self._store.view([packed[:ID].hex() for packed in given]))
        found = {p: tuple(islice(read, len(packed) // ID - 1)) for p, packed in zip(positions, given, strict=True)}
        # A store that lost one selection would shift the keyframes of all that follow.
        if any(
            "".join(k.id for k in found[p]) != packed[ID:].hex() for p, packed in zip(positions, given, strict=True)
        ):
            raise RunStoreError("the memory store has lost keyframes while the run was using it; resume it")
        return found


class _Seen(Sequence[Keyframe]):
    """Visible keyframes, read from the store when a policy looks at them."""

    def __init__(self, memory: Memory, visible: Visible, count: int) -> None:
        self._memory = memory
        self._visible = visible
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __reduce__(self) -> tuple[type[tuple[Keyframe, ...]], tuple[tuple[Keyframe, ...]]]:
        return tuple, (tuple(self),)  # elsewhere there is no store to read from

    def __iter__(self) -> Iterator[Keyframe]:
        return iter(self._memory.keyframes(self._visible.places(0, self._count)))

    @overload
    def __getitem__(self, index: int) -> Keyframe: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Keyframe, ...]: ...

    def __getitem__(self, index: int | slice) -> Keyframe | tuple[Keyframe, ...]:
        if isinstance(index, slice):
            start, stop, step = index.indices(self._count)
            if step > 0:
                return self._memory.keyframes(self._visible.places(start, stop, step))
            return tuple(self[i] for i in range(start, stop, step))
        place = range(self._count)[index]
        return self._memory.keyframes(self._visible.places(place, place + 1))[0]
