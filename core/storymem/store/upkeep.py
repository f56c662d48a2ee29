"""Taking takes away: damaged ones into the quarantine, unwanted ones for good; always from both stores.

What is removed from the run database here is removed from the memory store by the caller, who holds both: every
function returns the owners that memory must forget.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from storymem.errors import RunStoreError
from storymem.store.finished import NOTE
from storymem.store.objects import FileRecord
from storymem.store.runstore import ANY, REFERENCES, RunStore
from storymem.store.schema import REFERRED

#: Keys of the finished copies that the film is made of, by shot; see ``store.finished``.
_FINISHED_SHOTS = (
    "SELECT shots.key AS shot, keys.value AS key FROM "
    f"json_each((SELECT value FROM meta WHERE key = '{NOTE}')) AS shots, json_each(shots.value) AS keys"
)
_FINISHED = f"SELECT key FROM ({_FINISHED_SHOTS})"


@dataclass(frozen=True, slots=True)
class Removed:
    """What was removed.

    Attributes:
        shots: Shots of which something is to be made again, sorted.
        owners: Selections that are gone.
        files: Files that were deleted or set aside.
    """

    shots: tuple[str, ...] = ()
    owners: frozenset[str] = frozenset()
    files: tuple[Path, ...] = ()


def remove_takes(store: RunStore, takes: Iterable[tuple[str, int]]) -> Removed:
    """Delete takes as ``(shot, number)``, what was selected from nothing else, and every file nothing refers to.

    The one place where stored files are deleted. What a remaining take was shown stays.
    """
    db, before = store.db, set(store.selections())
    chosen = list(takes)
    with store.changing(ANY):
        for table in ("takes", "recalls"):
            db.change_many(f"DELETE FROM {table} WHERE shot = ? AND number = ?", chosen)
        unused = "DELETE FROM selections WHERE shot != ? AND key NOT IN (SELECT selection FROM current)"
        db.change(unused, (REFERENCES,))
        db.change("DELETE FROM keyframes WHERE selection NOT IN (SELECT key FROM selections)")
        used = "SELECT view FROM current UNION SELECT tail FROM current"
        db.change(f"DELETE FROM derived WHERE digest NOT IN ({used}) AND key NOT IN ({_FINISHED})")
        db.change("DELETE FROM pictures WHERE id NOT IN (SELECT id FROM keyframes UNION SELECT id FROM recalls)")
        db.change(f"DELETE FROM objects WHERE digest NOT IN ({REFERRED})")
    files = tuple(store.objects.strays(set(store.files())))
    store.objects.delete(files)
    return Removed((), frozenset(before - set(store.selections())), files)


def remove_damaged(store: RunStore, digest: str) -> Removed:
    """Forget a file whose content is wrong, and what was made of it; the file goes to the quarantine.

    Raises:
        RunStoreError: It is a take that the user pinned; nothing is changed, because only the user can choose another.
    """
    _require_unpinned(store, digest)
    db, parameters = store.db, {"d": digest}
    ids = "SELECT id FROM pictures WHERE digest = :d"
    keys = f"SELECT selection FROM keyframes WHERE id IN ({ids})"
    owners = frozenset(key for (key,) in db.rows(keys, parameters))
    shots = _shots(
        store,
        parameters,
        "SELECT shot FROM takes WHERE master = :d",
        f"SELECT shot FROM selections WHERE key IN ({keys})",
        "SELECT shot FROM current WHERE view = :d OR tail = :d",
        f"SELECT shot FROM ({_FINISHED_SHOTS}) WHERE key IN (SELECT key FROM derived WHERE digest = :d)",
    )
    showing = _shots(store, parameters, f"SELECT shot FROM recalls WHERE id IN ({ids})")
    with store.changing(*sorted(shots | showing)):
        gone = "DELETE FROM recalls WHERE (shot, number) IN (SELECT shot, number FROM takes WHERE master = :d)"
        db.change(gone, parameters)
        db.change("DELETE FROM takes WHERE master = :d", parameters)
        db.change("DELETE FROM derived WHERE digest = :d", parameters)
        db.change(f"DELETE FROM selections WHERE key IN ({keys})", parameters)
        db.change("DELETE FROM keyframes WHERE selection NOT IN (SELECT key FROM selections)")
        db.change("DELETE FROM pictures WHERE digest = :d", parameters)
        db.change("DELETE FROM objects WHERE digest = :d", parameters)
    files = tuple(store.objects.named(digest))
    what = f"; it belonged to shot {', '.join(sorted(shots))}" if shots else ""
    store.objects.set_aside(files, f"does not have its recorded content {digest}{what}")
    return Removed(tuple(sorted(shots)), owners, files)


def is_pinned(store: RunStore, digest: str) -> bool:
    """Whether a file is the master of a take that the user pinned."""
    return bool(store.db.rows("SELECT 1 FROM takes WHERE master = ? AND pinned", (digest,)))


def _require_unpinned(store: RunStore, digest: str) -> None:
    query = "SELECT shot, number FROM takes WHERE master = ? AND pinned ORDER BY shot"
    for shot, number in store.db.rows(query, (digest,)):
        file = store.objects.path(digest, store.file(digest).suffix)
        raise RunStoreError(
            f"shot {shot}: the file of its pinned take {number} is damaged or gone; nothing was changed: put a good "
            f"copy at {file}, or free the shot with storymem pin {store.folder} {shot}"
        )


def _shots(store: RunStore, parameters: dict[str, str], *queries: str) -> set[str]:
    return {shot for query in queries for (shot,) in store.db.rows(query, parameters)}


def remove_selections(store: RunStore, keys: Iterable[str]) -> None:
    """Forget selections whose keyframes the memory store has lost; they are chosen again by the next render."""
    chosen = [(key,) for key in keys]
    shots = {shot for key in chosen for (shot,) in store.db.rows("SELECT shot FROM selections WHERE key = ?", key)}
    with store.changing(*sorted(shots)):
        store.db.change_many("DELETE FROM selections WHERE key = ?", chosen)
        store.db.change("DELETE FROM keyframes WHERE selection NOT IN (SELECT key FROM selections)")


def damaged_files(store: RunStore) -> list[FileRecord]:
    """Read every stored file and return those that are gone or have other content, by name.

    Raises:
        RunStoreError: A file cannot be read now, or all are gone, as when a disk is not mounted: neither says anything
            about their content.
    """
    files = store.files()
    if files and not store.objects.any():
        raise RunStoreError(f"{store.objects.folder}: has none of the run's {len(files)} files; nothing was changed")
    bad = [record for record in files.values() if not store.objects.has_content(record)]
    return sorted(bad, key=lambda record: record.digest)
