"""One object per key and process, made on first use, dropped when its last user lets go. Knows no model."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass
class _Entry(Generic[T]):
    value: T
    users: int


class Shared(Generic[T]):
    """Counts the users of costly objects. Thread-safe; two threads never make the same object twice."""

    def __init__(self) -> None:
        self._entries: dict[Hashable, _Entry[T]] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def acquire(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the object for ``key``, making it if nobody holds it; pair with one :meth:`release`."""
        with self._lock:
            if key not in self._entries:
                self._entries[key] = _Entry(make(), 0)
            entry = self._entries[key]
            entry.users += 1
            return entry.value

    def release(self, key: Hashable) -> None:
        """Give up one use of the object for ``key``; the last one drops it."""
        with self._lock:
            entry = self._entries[key]
            entry.users -= 1
            if not entry.users:
                del self._entries[key]
