"""Which finished copies the film of a run is made of at present; the files themselves are derived files like others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from storymem.store.records import CurrentShot
from storymem.store.runstore import RunStore

#: The note that holds the keys by shot. Also read by queries of ``store.upkeep``.
NOTE = "finished"


@dataclass(frozen=True, slots=True)
class FinishedCopy:
    """The finished copy of a shot.

    Attributes:
        plain: Digest of the viewing copy that the shot had then; with another one, this is no copy of it any more.
        keys: Of its finished files: the viewing copy first, and in films that blend its pixels as well.
    """

    plain: str
    keys: tuple[str, ...]


def record_finished(store: RunStore, copies: Mapping[str, FinishedCopy]) -> None:
    """Record the finished copies of all shots by id; none for a film without finishers."""
    if finished_copies(store) != copies:
        store.set_meta({NOTE: json.dumps({shot: [copy.plain, *copy.keys] for shot, copy in copies.items()})})


def finished_copies(store: RunStore) -> dict[str, FinishedCopy]:
    """Return what :func:`record_finished` recorded."""
    recorded = json.loads(store.meta(NOTE) or "{}")
    return {shot: FinishedCopy(plain, tuple(keys)) for shot, (plain, *keys) in recorded.items()}


def finished_view(store: RunStore, shot: CurrentShot) -> str | None:
    """Return the digest of a shot's finished viewing copy, if there is one of what it is at present."""
    copy = finished_copies(store).get(shot.shot)
    return store.derived(copy.keys[0]) if copy and copy.plain == shot.view else None
