"""Which finished copies the film of a run is made of at present; the files themselves are derived files like others."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from storymem.store.runstore import RunStore

#: The note that holds the keys, by shot: of the viewing copy first. Also read by queries of ``store.upkeep``.
NOTE = "finished"


def set_finished_keys(store: RunStore, keys: Mapping[str, Sequence[str]]) -> None:
    """Record the keys of every shot's finished copies, the viewing copy's first."""
    if finished_keys(store) != {shot: tuple(own) for shot, own in keys.items()}:
        store.set_meta({NOTE: json.dumps(keys)})


def finished_keys(store: RunStore) -> dict[str, tuple[str, ...]]:
    """Return what :func:`set_finished_keys` recorded; nothing for a film without finishers."""
    return {shot: tuple(keys) for shot, keys in json.loads(store.meta(NOTE) or "{}").items()}


def finished_view(store: RunStore, shot: str) -> str | None:
    """Return the digest of a shot's finished viewing copy, if there is one."""
    keys = finished_keys(store).get(shot)
    return store.derived(keys[0]) if keys else None
