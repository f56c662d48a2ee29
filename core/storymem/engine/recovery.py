"""Running again around damage: the one place where a file that lost its content is dropped and made again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TypeVar

from storymem.errors import DamagedFile, RunStoreError
from storymem.memory.memory import Memory
from storymem.store.runstore import RunStore
from storymem.store.upkeep import remove_damaged
from storymem.values.events import DamageFound, Event

#: How often one file may turn out damaged before the disk is blamed.
_MOST = 2

ResultT = TypeVar("ResultT")


def with_recovery(
    work: Callable[[], ResultT], store: RunStore, memory: Memory, emit: Callable[[Event], None]
) -> ResultT:
    """Return what ``work`` returns, starting it over whenever a stored file turns out to be damaged.

    ``work`` finds what is finished by its hash, so starting over makes only what depended on the damaged file.

    Raises:
        RunStoreError: The same file was damaged again and again, or is a take that the user pinned.
    """
    seen: Counter[str] = Counter()
    while True:
        try:
            return work()
        except DamagedFile as error:
            path = f"objects/{error.digest}"
            seen[error.digest] += 1
            if seen[error.digest] > _MOST:
                raise RunStoreError(f"{path}: is damaged again after being made again; check the disk") from error
            removed = remove_damaged(store, error.digest)
            memory.forget(removed.owners)
            memory.start_over()
            emit(DamageFound(path=path, shots=removed.shots))
