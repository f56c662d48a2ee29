"""Which keyframes later shots see, as packed ids: 40 bytes a keyframe, so that a long run does not grow.

Knows ids and places only; the keyframes are read from the memory store by whoever looks at them.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import overload

#: Bytes of a keyframe id or an owner, a SHA-256.
ID = 32
#: In place of a position: the reference images.
REFERENCES = -1


class PackedIds(Sequence[str]):
    """Keyframe ids in one piece of memory; as texts they would take four times as much."""

    def __init__(self, packed: bytes) -> None:
        self._packed = packed

    def __len__(self) -> int:
        return len(self._packed) // ID

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[str, ...]: ...

    def __getitem__(self, index: int | slice) -> str | tuple[str, ...]:
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(len(self))))
        if index < 0:
            index += len(self)
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self._packed[index * ID : (index + 1) * ID].hex()

    def __contains__(self, id_: object) -> bool:
        wanted, at = bytes.fromhex(str(id_)), -1
        while (at := self._packed.find(wanted, at + 1)) >= 0:
            if at % ID == 0:  # else the bytes span two ids
                return True
        return False

    def joined(self) -> str:
        """Return all ids in one text, as ``"".join(ids)`` does, without making one text each."""
        return self._packed.hex()


class Visible:
    """Distinct keyframes in story order, each with its place: the position of its shot, and its index there."""

    def __init__(self) -> None:
        self._ids = bytearray()
        self._positions = array("i")
        self._indices = array("H")
        self._known: set[int] = set()

    def __len__(self) -> int:
        return len(self._positions)

    def extend(self, position: int, packed: bytes) -> None:
        """Add the keyframes of a shot; a picture that is there already stays where it is."""
        for index in range(len(packed) // ID):
            id_ = packed[index * ID : (index + 1) * ID]
            short = int.from_bytes(id_[:8], "big")  # 64 bits of a SHA-256 tell the pictures of any film apart
            if short not in self._known:
                self._known.add(short)
                self._ids += id_
                self._positions.append(position)
                self._indices.append(index)

    def ids(self, count: int) -> PackedIds:
        """Return the first ``count`` ids."""
        return PackedIds(bytes(self._ids[: count * ID]))

    def places(self, start: int, stop: int, step: int = 1) -> list[tuple[int, int]]:
        """Return (position, index) of the keyframes from ``start`` to ``stop``."""
        return list(zip(self._positions[start:stop:step], self._indices[start:stop:step], strict=True))
