"""The run store: one folder, one story, every take.

    film.mp4  shots/  keyframes/     what people look at (links into objects/)
    objects/                         every file, named by its content
    run.sqlite                       the truth of takes; names keyframes by id
    takes/  generation.json          the same once more, shot by shot: what a lost run.sqlite is rebuilt from
    memory.sqlite                    the memory store: the keyframes themselves
    quarantine/                      damaged files and strays, each with its reason
    jobs/                            jobs at servers, to be found again after a crash; small
    tmp/                             files being written; emptied when a run starts

Only one process writes at a time. A shot is committed in one transaction after its files are in place, so a
process killed at any moment leaves either the whole shot or nothing of it.

Nothing that the user could miss is deleted but by ``storymem prune``: damaged files and strays are set aside, and
strays only when the database has proved that it is whole and no older than the files beside it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from storymem.errors import DamagedDatabase, RunStoreError
from storymem.store.database import Database
from storymem.store.folder import DATABASE, OBJECTS, QUARANTINE, TEMPORARY, RunFolder, refuse_links
from storymem.store.objects import FileRecord, ObjectStore, reading
from storymem.store.records import CurrentShot, Override, Selection, ShotCommit, Take
from storymem.store.rows import (
    RECALL_COLUMNS,
    TAKE_COLUMNS,
    override_of,
    override_row,
    recall_row,
    recalled_of,
    rejections_of,
    take_of,
    take_row,
)
from storymem.store.sidecars import RUN, Sidecars
from storymem.values.files import FileRef
from storymem.values.keyframe import Keyframe

#: In place of a shot id where the selection holds the story's reference images.
REFERENCES = "references"
#: For :meth:`RunStore.changing`: whichever shots it turns out to be.
ANY = "*"


class RunStore:
    """A run folder.

    Args:
        folder: The folder; made if it does not exist and ``write`` is true.
        write: Take the folder's lock and allow changes; without it, only look.

    Raises:
        RunStoreError: No such run, in use, not writable, damaged, or of another version.
    """

    def __init__(self, folder: Path, write: bool) -> None:
        self.folder = folder
        self.objects = ObjectStore(folder / OBJECTS, folder / QUARANTINE)
        self.temporary = folder / TEMPORARY
        self._sidecars = Sidecars(folder)
        if not write:
            require_database(folder)
        self._locked = RunFolder(folder) if write else None
        try:
            noted = self._sidecars.noted()  # before the database: another process may be writing to both
            last = noted or self._sidecars.newest()
            # An empty database beside files is not theirs: it would call all of them strays.
            self.db = Database(folder / DATABASE, write, create=write and last is None and not self.objects.any())
            self._require_newest(last)
            if self._locked is not None:
                self._start(self._locked, noted)
        except BaseException:
            self._release()
            raise

    def _require_newest(self, last: tuple[str, int] | None) -> None:
        """Raise if the database is not the one that the files beside it were written with, or an older copy of it."""
        if last is None or (last[0] == self.db.run and last[1] <= self.db.generation):
            return
        what = "an older copy" if last[0] == self.db.run else "of another run"
        raise DamagedDatabase(
            f"{self.db.path}: is {what}, or has lost its end (copied without {DATABASE}-wal?); nothing was changed: "
            f"put the right one there, or storymem repair {self.folder} rebuilds it from the files beside it"
        )

    def _start(self, locked: RunFolder, noted: tuple[str, int] | None) -> None:
        self.temporary = locked.new_temporary()
        if noted != (self.db.run, self.db.generation):  # new, or killed between a transaction and its notes
            self._sidecars.write(self.db, self._sidecars.differing(self.db))
        known = set(self.files())
        self.objects.prepare(expected=bool(known))
        if noted is not None or not known:  # else nothing beside it says that this database is the newest
            reason = "finished, but not committed: its run was stopped before"
            self.objects.set_aside(self.objects.strays(known), reason)

    @contextmanager
    def changing(self, *names: str) -> Iterator[None]:
        """Commit everything inside, or nothing of it, and note it beside the objects.

        Args:
            names: Shots whose rows change, ``RUN`` for notes about the run, ``ANY`` where it may be any of them; none
                where only readable names and failures change.
        """
        with self.db.transaction():
            yield
        self._sidecars.write(self.db, self._sidecars.differing(self.db) if ANY in names else names)

    def refresh_sidecars(self) -> list[Path]:
        """Write the sidecars that do not say what the database says; return their files."""
        names = self._sidecars.differing(self.db)
        self._sidecars.write(self.db, names)
        return [self._sidecars.path(name) for name in names]

    def close(self) -> None:
        """Close the database and release the lock."""
        if self._locked is not None:
            shutil.rmtree(self.temporary, ignore_errors=True)  # a backbone that hung may still write there
        self._release()

    def _release(self) -> None:
        if hasattr(self, "db"):
            self.db.close()
        if self._locked is not None:
            self._locked.close()
            self._locked = None

    def __enter__(self) -> RunStore:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # -- meta ---------------------------------------------------------------------------------------------

    def meta(self, key: str) -> str | None:
        """Return a note about the run, or None."""
        row = self.db.row("SELECT value FROM meta WHERE key = ?", (key,))
        return str(row[0]) if row else None

    def set_meta(self, values: Mapping[str, str]) -> None:
        """Keep notes about the run; what is noted already is not written again."""
        noted = dict(self.db.rows("SELECT key, value FROM meta"))
        if values.items() <= noted.items():
            return
        with self.changing(RUN):
            self.db.change_many("INSERT OR REPLACE INTO meta VALUES (?, ?)", values.items())

    # -- takes and what belongs to them ---------------------------------------------------------------------

    def takes(self, shot: str | None = None) -> list[Take]:
        """Return all takes, or a shot's, oldest first."""
        where, parameters = ("WHERE shot = ?", (shot,)) if shot else ("", ())
        rows = self.db.rows(f"SELECT {TAKE_COLUMNS} FROM takes {where} ORDER BY shot, number", parameters)
        return [take_of(row, self._recalled(row[0], row[1])) for row in rows]

    def take(self, shot: str, number: int) -> Take | None:
        """Return one take of a shot."""
        return self._one_take("shot = ? AND number = ?", (shot, number))

    def require_take(self, shot: str, number: int) -> Take:
        """Return one take of a shot; raises :class:`RunStoreError` naming the ones there are."""
        take = self.take(shot, number)
        if take is None:
            has = ", ".join(str(take.number) for take in self.takes(shot)) or "none"
            raise RunStoreError(f"shot {shot}: has no take {number}; its takes are: {has}")
        return take

    def usable_take(self, shot: str, key: str) -> Take | None:
        """Return the take of a shot that the user fixed, else the one of this key."""
        return self._one_take("shot = ? AND (pinned OR key = ?) ORDER BY pinned DESC", (shot, key))

    def take_of_key(self, shot: str, key: str) -> Take | None:
        """Return the take of a shot of this key, whichever one the user fixed."""
        return self._one_take("shot = ? AND key = ?", (shot, key))

    def last_number(self, shot: str) -> int:
        """Return the number of a shot's newest take, 0 if it has none."""
        row = self.db.row("SELECT max(number) FROM takes WHERE shot = ?", (shot,))
        return int(row[0] or 0) if row else 0

    def derived(self, key: str) -> str | None:
        """Return the digest of a viewing copy, plain or finished, or of a tail by its key."""
        row = self.db.row("SELECT digest FROM derived WHERE key = ?", (key,))
        return str(row[0]) if row else None

    def add_derived(self, files: Mapping[str, FileRef]) -> None:
        """Move new derived files into place and record them by their keys, in one transaction."""
        records = self.objects.adopt(list({file.digest: file for file in files.values()}.values()))
        with self.db.transaction():
            self._add_files(records)
            rows = [(key, file.digest) for key, file in files.items()]
            self.db.change_many("INSERT OR REPLACE INTO derived VALUES (?, ?)", rows)

    def selection(self, key: str) -> Selection | None:
        """Return a selection."""
        row = self.db.row("SELECT shot, rejections FROM selections WHERE key = ?", (key,))
        if row is None:
            return None
        return Selection(key, row[0], self._keyframe_ids(key), rejections_of(row[1], row[0]))

    def selections(self) -> dict[str, tuple[str, ...]]:
        """Return the keyframe ids of every selection, by its key."""
        found: dict[str, list[str]] = {key: [] for (key,) in self.db.rows("SELECT key FROM selections")}
        for key, id_ in self.db.rows("SELECT selection, id FROM keyframes ORDER BY selection, ordinal"):
            found[key].append(id_)
        return {key: tuple(ids) for key, ids in found.items()}

    def references(self) -> Selection | None:
        """Return the selection that holds the story's reference images, if there are any."""
        row = self.db.row("SELECT key FROM selections WHERE shot = ?", (REFERENCES,))
        return self.selection(row[0]) if row else None

    def current(self, shot: str | None = None) -> list[CurrentShot]:
        """Return what each finished shot, or one of them, is at present, in story order."""
        where, parameters = ("WHERE shot = ?", (shot,)) if shot else ("", ())
        rows = self.db.rows(
            f"SELECT shot, position, take, view, tail, selection, first FROM current {where} ORDER BY position, shot",
            parameters,
        )
        return [CurrentShot(*row) for row in rows]

    def is_current(self, shot: CurrentShot) -> bool:
        """Whether a shot is recorded as exactly this, and as not failed."""
        failed = self.db.row("SELECT 1 FROM failures WHERE shot = ?", (shot.shot,))
        return failed is None and self.current(shot.shot) == [shot]

    def finished(self) -> list[CurrentShot]:
        """Return the current shots of which nothing was lost to damage, in story order."""
        takes = set(self.db.rows("SELECT shot, number FROM takes"))
        selections = {key for (key,) in self.db.rows("SELECT key FROM selections")}
        derived = {digest for (digest,) in self.db.rows("SELECT digest FROM derived")} | {""}
        return [
            shot
            for shot in self.current()
            if (shot.shot, shot.take) in takes and shot.selection in selections and {shot.view, shot.tail} <= derived
        ]

    def _one_take(self, where: str, parameters: tuple[object, ...]) -> Take | None:
        row = self.db.row(f"SELECT {TAKE_COLUMNS} FROM takes WHERE {where} LIMIT 1", parameters)
        return take_of(row, self._recalled(row[0], row[1])) if row else None

    def _recalled(self, shot: str, number: int) -> tuple[Keyframe, ...]:
        query = (
            f"SELECT {RECALL_COLUMNS}, digest FROM recalls LEFT JOIN pictures USING (id) "
            "WHERE shot = ? AND number = ? ORDER BY ordinal"
        )
        rows = self.db.rows(query, (shot, number))
        return tuple(recalled_of(row[:-1], self._png(row[-1])) for row in rows)

    def _keyframe_ids(self, selection: str) -> tuple[str, ...]:
        rows = self.db.rows("SELECT id FROM keyframes WHERE selection = ? ORDER BY ordinal", (selection,))
        return tuple(id_ for (id_,) in rows)

    # -- files ----------------------------------------------------------------------------------------------

    def files(self) -> dict[str, FileRecord]:
        """Return all stored files by digest."""
        rows = self.db.rows("SELECT digest, suffix, size, mtime_ns FROM objects")
        return {row[0]: FileRecord(*row) for row in rows}

    def file(self, digest: str) -> FileRecord:
        """Return the record of one stored file.

        Raises:
            RunStoreError: The database refers to a file it does not list, and so is damaged.
        """
        return self.records([digest])[0]

    def file_ref(self, digest: str) -> FileRef:
        """Return where a stored file is."""
        return FileRef(self.objects.path(digest, self.file(digest).suffix), digest)

    def is_intact(self, digest: str) -> bool:
        """Whether the bytes of a stored file are what was recorded; raises :class:`RunStoreError` as reading does."""
        return bool(digest) and self.objects.has_content(self.file(digest))

    def picture(self, keyframe: str) -> FileRef | None:
        """Return the file of a keyframe by its id; None if it was pruned or lost."""
        row = self.db.row("SELECT digest FROM pictures WHERE id = ?", (keyframe,))
        return self._png(row[0]) if row else None

    def records(self, digests: Sequence[str]) -> list[FileRecord]:
        """Return the records of stored files, in one query.

        Raises:
            RunStoreError: The database refers to a file it does not list, and so is damaged.
        """
        query = "SELECT digest, suffix, size, mtime_ns FROM objects WHERE digest IN (SELECT value FROM json_each(?))"
        found = {row[0]: FileRecord(*row) for row in self.db.rows(query, (json.dumps(list(digests)),))}
        if missing := [digest for digest in digests if digest not in found]:
            raise RunStoreError(f"{self.db.path}: refers to a file {missing[0][:12]}... that it does not list")
        return [found[digest] for digest in digests]

    def keyframe_files(self, selection: str) -> list[str]:
        """Return the file digests of a selection's keyframes.

        Raises:
            RunStoreError: The database has no file for one, and so is damaged.
        """
        query = "SELECT id, digest FROM keyframes LEFT JOIN pictures USING (id) WHERE selection = ?"
        rows = self.db.rows(query, (selection,))
        if lost := [id_ for id_, digest in rows if digest is None]:
            raise RunStoreError(f"{self.db.path}: has no picture for keyframe {lost[0][:12]}...")
        return [digest for _, digest in rows]

    def _png(self, digest: str | None) -> FileRef | None:
        return FileRef(self.objects.path(digest, ".png"), digest) if digest else None

    # -- writing --------------------------------------------------------------------------------------------

    def commit(self, done: ShotCommit) -> None:
        """Write a finished shot in one transaction."""
        with self.changing(done.take.shot):
            self._add_files(done.files)
            self._insert_take(done.take)
            self.db.change_many("INSERT OR REPLACE INTO derived VALUES (?, ?)", done.derived.items())
            if done.selection is not None:
                self._insert_selection(done.selection, done.pictures)
            if done.current is not None:
                self._set_current(done.current)

    def set_references(self, selection: Selection, pictures: Mapping[str, str], files: Iterable[FileRecord]) -> None:
        """Keep the story's reference images, a selection that belongs to no take, in place of the ones before."""
        added = list(files)
        if not added and self.references() == (selection if selection.keyframes else None):
            return
        with self.changing(REFERENCES):
            self._add_files(added)
            self.db.change("DELETE FROM selections WHERE shot = ? AND key != ?", (REFERENCES, selection.key))
            self.db.change("DELETE FROM keyframes WHERE selection NOT IN (SELECT key FROM selections)")
            if selection.keyframes:
                self._insert_selection(selection, pictures)

    def set_current(self, shot: CurrentShot) -> None:
        """Record what a shot is at present, and that it did not fail."""
        with self.changing(shot.shot):
            self._set_current(shot)

    def keep_only(self, shots: Iterable[str]) -> None:
        """Forget what shots that are not in the script any more are at present; their takes stay."""
        kept = set(shots)
        names = json.dumps(sorted(kept))
        known = "SELECT shot FROM current UNION SELECT shot FROM failures"
        gone = [name for (name,) in self.db.rows(known) if name not in kept]
        if not gone:
            return
        with self.changing(*gone):
            for table in ("current", "failures"):
                self.db.change(f"DELETE FROM {table} WHERE shot NOT IN (SELECT value FROM json_each(?))", (names,))

    def fail(self, shot: str, error: str, details: str, created: str) -> None:
        """Record why a shot could not be made: one line, and the traceback of a bug."""
        with self.changing():
            self.db.change("INSERT OR REPLACE INTO failures VALUES (?, ?, ?, ?)", (shot, error, details, created))

    def failures(self) -> dict[str, str]:
        """Return the errors of shots that could not be made."""
        return dict(self.db.rows("SELECT shot, error FROM failures ORDER BY shot"))

    def _add_files(self, files: Iterable[FileRecord]) -> None:
        rows = [(f.digest, f.suffix, f.size, f.mtime_ns) for f in files]
        self.db.change_many("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?)", rows)

    def _insert_take(self, take: Take) -> None:
        row = take_row(take)
        marks = ", ".join("?" * len(row))
        self.db.change(f"INSERT OR IGNORE INTO takes ({TAKE_COLUMNS}) VALUES ({marks})", row)
        rows = [recall_row(take, i, keyframe) for i, keyframe in enumerate(take.recalled)]
        columns = f"shot, number, ordinal, {RECALL_COLUMNS}"
        self.db.change_many(f"INSERT OR IGNORE INTO recalls ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def _insert_selection(self, selection: Selection, pictures: Mapping[str, str]) -> None:
        rejections = json.dumps([asdict(r) for r in selection.rejections])
        row = (selection.key, selection.shot, rejections)
        self.db.change("INSERT OR REPLACE INTO selections VALUES (?, ?, ?)", row)
        self.db.change("DELETE FROM keyframes WHERE selection = ?", (selection.key,))
        ids = [(selection.key, i, id_) for i, id_ in enumerate(selection.keyframes)]
        self.db.change_many("INSERT INTO keyframes VALUES (?, ?, ?)", ids)
        self.db.change_many("INSERT OR REPLACE INTO pictures VALUES (?, ?)", pictures.items())

    def _set_current(self, shot: CurrentShot) -> None:
        row = (shot.shot, shot.position, shot.take, shot.view, shot.tail, shot.selection, shot.first)
        self.db.change("INSERT OR REPLACE INTO current VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        self.db.change("DELETE FROM failures WHERE shot = ?", (shot.shot,))

    # -- what the user changed --------------------------------------------------------------------------------

    def overrides(self) -> dict[str, Override]:
        """Return what the user changed, by shot."""
        rows = self.db.rows("SELECT shot, seed, prompt FROM overrides")
        return {shot: override_of(seed, prompt) for shot, seed, prompt in rows}

    def redo(self, shot: str, override: Override | None) -> None:
        """Change a shot for all later renders of this run and free it; None goes back to the script, pins kept."""
        with self.changing(shot):
            self.db.change("DELETE FROM overrides WHERE shot = ?", (shot,))
            if override is not None:
                self.db.change("INSERT INTO overrides VALUES (?, ?, ?)", override_row(shot, override))
                self.db.change("UPDATE takes SET pinned = 0 WHERE shot = ?", (shot,))

    def pin(self, shot: str, number: int | None) -> None:
        """Fix a shot to one of its takes; None frees it.

        Raises:
            RunStoreError: The shot has no such take.
        """
        if number is not None:
            self.require_take(shot, number)
        with self.changing(shot):
            self.db.change("UPDATE takes SET pinned = (number IS ?) WHERE shot = ?", (number, shot))

    # -- readable names -----------------------------------------------------------------------------------------

    def published(self) -> dict[str, str]:
        """Return the digests of files under readable names."""
        return dict(self.db.rows("SELECT name, digest FROM published"))

    def published_among(self, names: Iterable[str]) -> dict[str, str]:
        """Return the digests of files under these readable names; a missing one is left out."""
        query = "SELECT name, digest FROM published WHERE name IN (SELECT value FROM json_each(?))"
        return dict(self.db.rows(query, (json.dumps(list(names)),)))

    def add_published(self, names: Mapping[str, str]) -> None:
        """Record further readable names."""
        with self.changing():
            self.db.change_many("INSERT OR REPLACE INTO published VALUES (?, ?)", names.items())

    def remove_published(self, names: Iterable[str]) -> None:
        """Record that these readable names are gone."""
        with self.changing():
            self.db.change_many("DELETE FROM published WHERE name = ?", [(name,) for name in names])


def require_database(folder: Path) -> None:
    """Raise :class:`RunStoreError` unless a folder has a run database, and no links."""
    refuse_links(folder)
    path = folder / DATABASE
    with reading(path):
        there = path.is_file() and path.stat().st_size > 0
    if not there:
        lost = f"; storymem repair {folder} rebuilds it" if Sidecars(folder).names() else "; render into it first"
        raise RunStoreError(f"{folder}: is not a run folder (no {DATABASE}){lost}")
