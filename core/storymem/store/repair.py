"""Rebuilding a run whose database is lost, damaged or an older copy, from the notes beside its files.

What is there already is never overwritten: an unusable database goes to the quarantine. Knows the run store's files
only; the memory store's are chosen again by the next render.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import astuple, dataclass
from pathlib import Path

from storymem.errors import DamagedDatabase, RunStoreError
from storymem.media.files import writing
from storymem.store.database import Database
from storymem.store.folder import DATABASE, OBJECTS, QUARANTINE, TEMPORARY, RunFolder, refuse_links
from storymem.store.objects import FileRecord, ObjectStore, file_digest, move_aside, reading, sync_folder
from storymem.store.runstore import RunStore
from storymem.store.schema import columns
from storymem.store.sidecars import FOLDER as TAKES
from storymem.store.sidecars import RUN, Sidecar, Sidecars

_LOST = "SELECT shot, number FROM takes WHERE master NOT IN (SELECT digest FROM objects) ORDER BY shot, number"
#: The new database, until it is complete.
_NEW = ".run.sqlite.new"
#: Folders of a run that hold no readable names.
_OURS = frozenset({OBJECTS, QUARANTINE, TEMPORARY, TAKES})
#: What SQLite may have beside a database.
_BESIDE = ("", "-wal", "-shm", "-journal")


@dataclass(frozen=True, slots=True)
class Repaired:
    """What was done.

    Attributes:
        why: What was wrong with the database; empty if nothing was and nothing was done.
        takes: How many takes are in the new database.
        lost: Takes that are not, as ``shot 1.2 take 1``, because their file is gone or has other content.
        damaged: Notes that could not be used, by file name in the run folder.
        found: Files that came back from the quarantine.
    """

    why: str = ""
    takes: int = 0
    lost: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()
    found: int = 0


def repair(folder: Path) -> Repaired:
    """Rebuild the database of a run from its sidecars, unless it is in order.

    Raises:
        RunStoreError: The folder has no sidecars, is in use, or cannot be read or written now.
    """
    if not folder.is_dir():
        raise RunStoreError(f"{folder}: is no folder")
    refuse_links(folder)
    if why := _trouble(folder):
        return _rebuild(folder, why)
    return Repaired()


def _trouble(folder: Path) -> str:
    """Return what is wrong with the database; empty if nothing is.

    Raises:
        RunStoreError: It cannot be read now, which says nothing about its content, or is of another version.
    """
    path = folder / DATABASE
    if not path.is_file() or path.stat().st_size == 0:
        return f"{path}: is gone or empty"
    try:
        RunStore(folder, write=False).close()
    except DamagedDatabase as error:
        return str(error)
    return ""


def _rebuild(folder: Path, why: str) -> Repaired:
    sidecars = Sidecars(folder)
    notes = list(sidecars.read_all())
    if not any(note.name == RUN for note in notes):
        raise RunStoreError(f"{folder}: cannot be rebuilt: takes/ has no intact notes of the run ({why})")
    damaged = sorted(set(sidecars.names()) - {note.name for note in notes})
    locked = RunFolder(folder, repairing=True)
    try:
        objects = ObjectStore(folder / OBJECTS, folder / QUARANTINE)
        objects.prepare(expected=any("objects" in note.rows for note in notes))
        files, found = _files(objects, notes)
        shown = _shown(folder, objects.stems())
        new = folder / _NEW
        for path in _files_of(new):
            path.unlink()  # of a repair that was stopped
        with closing(Database(new, write=True, create=True)) as db:
            with db.transaction():
                _fill(db, notes, files)
                db.change_many("INSERT INTO published VALUES (?, ?)", shown)
                lost = [f"shot {shot} take {number}" for shot, number in db.rows(_LOST)]
                _drop_without_files(db)
            ((takes,),) = db.rows("SELECT count(*) FROM takes")
            sidecars.write(db, sidecars.differing(db))
            db.fold_log()
        # Last: a repair that is stopped before leaves a database that is refused, and the notes to begin again.
        for path in _files_of(folder / DATABASE):
            move_aside(path, folder / QUARANTINE, f"replaced by storymem repair: {why}")
        with writing(folder / DATABASE):
            new.replace(folder / DATABASE)
            sync_folder(folder)
    finally:
        locked.close()
    return Repaired(why, takes, tuple(lost), tuple(f"takes/{name}.json" for name in damaged), found)


def _files_of(path: Path) -> list[Path]:
    """Return what there is of a database: its file and what SQLite has beside it."""
    return [found for suffix in _BESIDE if (found := path.with_name(path.name + suffix)).exists()]


def _files(objects: ObjectStore, notes: Iterable[Sidecar]) -> tuple[list[FileRecord], int]:
    """Return the noted files that are there with the right content, and how many of them came from the quarantine."""
    noted = {(row["digest"], row["suffix"]): int(row["size"]) for note in notes for row in note.rows.get("objects", ())}
    there, found = [], 0
    for (digest, suffix), size in noted.items():
        if not objects.has_content(FileRecord(digest, suffix, size, 0)):
            if not objects.take_back(digest, suffix):
                continue
            found += 1
        path = objects.path(digest, suffix)
        with reading(path):
            stat = path.stat()
        there.append(FileRecord(digest, suffix, stat.st_size, stat.st_mtime_ns))
    return there, found


def _fill(db: Database, notes: Iterable[Sidecar], files: Iterable[FileRecord]) -> None:
    """Enter what the notes say, the later of two winning, and the files that are there."""
    for note in notes:
        for table, rows in note.rows.items():
            if table not in columns():
                raise RunStoreError(f"takes/{note.name}.json: has a table {table!r}, which this version does not know")
            if table != "objects":
                names = columns()[table]
                marks = ", ".join("?" * len(names))
                values = [tuple(row.get(name) for name in names) for row in rows]
                db.change_many(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", values)
    db.change_many("INSERT INTO objects VALUES (?, ?, ?, ?)", [astuple(file) for file in files])


def _shown(folder: Path, known: set[str]) -> list[tuple[str, str]]:
    """Return the readable names that the run had given: of files that are, byte for byte, stored ones."""
    with reading(folder):
        return list(_stored_names(folder, known))


def _stored_names(folder: Path, known: set[str]) -> Iterator[tuple[str, str]]:
    folders = [path for path in folder.iterdir() if path.is_dir() and not path.is_symlink() and path.name not in _OURS]
    files = sorted(path for inner in folders for path in inner.iterdir() if path.is_file() and not path.is_symlink())
    digests = ((path, file_digest(path)) for path in files)
    yield from ((path.relative_to(folder).as_posix(), digest) for path, digest in digests if digest in known)


def _drop_without_files(db: Database) -> None:
    """Remove what refers to files that are not there; the next render makes it again."""
    db.change("DELETE FROM takes WHERE master NOT IN (SELECT digest FROM objects)")
    db.change("DELETE FROM recalls WHERE (shot, number) NOT IN (SELECT shot, number FROM takes)")
    db.change("DELETE FROM derived WHERE digest NOT IN (SELECT digest FROM objects)")
    db.change("DELETE FROM pictures WHERE digest NOT IN (SELECT digest FROM objects)")
    lost = "SELECT selection FROM keyframes WHERE id NOT IN (SELECT id FROM pictures)"
    db.change(f"DELETE FROM selections WHERE key IN ({lost})")
    db.change("DELETE FROM keyframes WHERE selection NOT IN (SELECT key FROM selections)")
