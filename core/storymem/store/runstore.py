"""The run store: one folder, one story, every take.

    film.mp4  shots/  keyframes/     what people look at (links into objects/)
    objects/                         every file, named by its content
    run.sqlite  memory.sqlite        what they are
    tmp/                             files being written; emptied when a run starts

Only one process writes at a time. A shot is committed in one transaction after its files are in place, so a
process killed at any moment leaves either the whole shot or nothing of it.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from storymem.errors import RunStoreError
from storymem.interfaces.selection import Rejection
from storymem.store.objects import FileRecord, ObjectStore, file_digest_or_none
from storymem.store.records import CurrentShot, Override, Selection, ShotCommit, StoredKeyframe, Take
from storymem.store.schema import connect

DATABASE = "run.sqlite"
#: Stands for a shot id where the selection holds the story's reference images.
REFERENCES = "references"


class RunStore:
    """A run folder.

    Args:
        folder: The folder; made if it does not exist and ``write`` is true.
        write: Take the folder's lock and allow changes; without it, only look.

    Raises:
        RunStoreError: No such run, in use by another process, not writable, damaged, or of a newer version.
    """

    def __init__(self, folder: Path, write: bool) -> None:
        self.folder = folder
        self.objects = ObjectStore(folder / "objects")
        self.temporary = folder / "tmp"
        self._lock: FileLock | None = None
        if write:
            self._prepare()
        elif not (folder / DATABASE).is_file():
            raise RunStoreError(f"{folder}: is not a run folder (no {DATABASE}); render into it first")
        try:
            self._db = connect(folder / DATABASE, create=write)
            if write:
                self._clean()
        except BaseException:
            if hasattr(self, "_db"):
                self._db.close()
            self._unlock()
            raise

    def close(self) -> None:
        """Close the database and release the lock."""
        self._db.close()
        if self._lock is not None:
            shutil.rmtree(self.temporary, ignore_errors=True)  # a backbone that hung may still write there
        self._unlock()

    def __enter__(self) -> RunStore:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # -- meta ---------------------------------------------------------------------------------------------

    def meta(self, key: str) -> str | None:
        """Return a note about the run, or None."""
        rows = self._rows("SELECT value FROM meta WHERE key = ?", (key,))
        return str(rows[0][0]) if rows else None

    def set_meta(self, values: Mapping[str, str]) -> None:
        """Keep notes about the run."""
        with self._transaction():
            self._db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", list(values.items()))

    # -- shots --------------------------------------------------------------------------------------------

    def takes(self, shot: str | None = None) -> list[Take]:
        """Return all takes, or a shot's, oldest first."""
        where, args = ("WHERE shot = ?", (shot,)) if shot else ("", ())
        rows = self._rows(f"SELECT * FROM takes {where} ORDER BY shot, number", args)
        return [_take(row) for row in rows]

    def views(self) -> dict[str, str]:
        """Return the digests of viewing copies by key."""
        return dict(self._rows("SELECT key, digest FROM views"))

    def selections(self) -> dict[str, Selection]:
        """Return all selections by key."""
        keyframes: dict[str, list[StoredKeyframe]] = {}
        rows = self._rows("SELECT selection, id, frame, digest, scores FROM keyframes ORDER BY selection, ordinal")
        for selection, id_, frame, digest, scores in rows:
            keyframes.setdefault(selection, []).append(StoredKeyframe(id_, frame, digest, json.loads(scores)))
        return {
            key: Selection(
                key,
                shot,
                tuple(keyframes.get(key, ())),
                tuple(Rejection(**r) for r in json.loads(rejections)),
            )
            for key, shot, rejections in self._rows("SELECT key, shot, rejections FROM selections")
        }

    def current(self) -> list[CurrentShot]:
        """Return what each finished shot is at present, in story order."""
        rows = self._rows("SELECT shot, position, take, view, selection, first FROM current ORDER BY position, shot")
        return [CurrentShot(*row) for row in rows]

    def finished(self) -> list[CurrentShot]:
        """Return the current shots of which nothing was lost to damage, in story order."""
        takes = {(take.shot, take.number) for take in self.takes()}
        selections, views = set(self.selections()), set(self.views().values())
        return [
            shot
            for shot in self.current()
            if (shot.shot, shot.take) in takes and shot.selection in selections and shot.view in views
        ]

    def files(self) -> dict[str, FileRecord]:
        """Return all stored files by digest."""
        rows = self._rows("SELECT digest, suffix, size, mtime_ns FROM objects")
        return {row[0]: FileRecord(*row) for row in rows}

    def commit(self, done: ShotCommit) -> None:
        """Write a finished shot in one transaction."""
        with self._transaction():
            self._add_files(done.files)
            self._insert_take(done.take)
            self._db.execute("INSERT OR REPLACE INTO views VALUES (?, ?)", (done.view_key, done.view))
            if done.selection is not None:
                self._insert_selection(done.selection)
                self._db.execute("DELETE FROM failures WHERE shot = ?", (done.take.shot,))
                take, key = done.take, done.selection.key
                self._set_current(CurrentShot(take.shot, done.position, take.number, done.view, key, done.first))

    def set_references(self, selection: Selection, files: Iterable[FileRecord]) -> None:
        """Keep the story's reference images, a selection that belongs to no take, in place of the ones before."""
        with self._transaction():
            self._add_files(files)
            self._db.execute("DELETE FROM selections WHERE shot = ?", (REFERENCES,))
            self._db.execute("DELETE FROM keyframes WHERE selection NOT IN (SELECT key FROM selections)")
            if selection.keyframes:
                self._insert_selection(selection)

    def set_current(self, shots: Iterable[CurrentShot]) -> None:
        """Record what these shots are at present, and that they did not fail."""
        with self._transaction():
            for shot in shots:
                self._set_current(shot)
                self._db.execute("DELETE FROM failures WHERE shot = ?", (shot.shot,))

    def keep_only(self, shots: Iterable[str]) -> None:
        """Forget what shots that are not in the script any more are at present; their takes stay."""
        names = json.dumps(list(shots))
        with self._transaction():
            for table in ("current", "failures"):
                self._db.execute(f"DELETE FROM {table} WHERE shot NOT IN (SELECT value FROM json_each(?))", (names,))

    def fail(self, shot: str, error: str, created: str) -> None:
        """Record why a shot could not be made."""
        with self._transaction():
            self._db.execute("INSERT OR REPLACE INTO failures VALUES (?, ?, ?)", (shot, error, created))

    def failures(self) -> dict[str, str]:
        """Return the errors of shots that could not be made."""
        return dict(self._rows("SELECT shot, error FROM failures ORDER BY shot"))

    # -- the user's wishes --------------------------------------------------------------------------------

    def overrides(self) -> dict[str, Override]:
        """Return what the user changed, by shot."""
        rows = self._rows("SELECT shot, seed, prompt FROM overrides")
        return {shot: Override(seed, prompt) for shot, seed, prompt in rows}

    def set_override(self, shot: str, override: Override | None) -> None:
        """Change a shot for all later renders of this run; None goes back to the script."""
        with self._transaction():
            self._db.execute("DELETE FROM overrides WHERE shot = ?", (shot,))
            if override is not None:
                self._db.execute("INSERT INTO overrides VALUES (?, ?, ?)", (shot, override.seed, override.prompt))

    def pin(self, shot: str, number: int | None) -> None:
        """Fix a shot to one of its takes; None frees it.

        Raises:
            RunStoreError: The shot has no such take.
        """
        numbers = [take.number for take in self.takes(shot)]
        if number is not None and number not in numbers:
            has = ", ".join(map(str, numbers)) or "none"
            raise RunStoreError(f"shot {shot}: has no take {number}; its takes are: {has}")
        with self._transaction():
            self._db.execute("UPDATE takes SET pinned = (number IS ?) WHERE shot = ?", (number, shot))

    def drop_takes(self, takes: Iterable[tuple[str, int]]) -> list[Path]:
        """Delete takes, what was selected from nothing else, and every file nothing refers to; return the files."""
        with self._transaction():
            self._db.executemany("DELETE FROM takes WHERE shot = ? AND number = ?", list(takes))
            self._db.execute(
                "DELETE FROM selections WHERE shot != ? AND key NOT IN (SELECT selection FROM current)",
                (REFERENCES,),
            )
            self._db.execute("DELETE FROM keyframes WHERE selection NOT IN (SELECT key FROM selections)")
            self._db.execute("DELETE FROM views WHERE digest NOT IN (SELECT view FROM current)")
            self._db.execute(
                "DELETE FROM objects WHERE digest NOT IN (SELECT master FROM takes UNION SELECT digest FROM views "
                "UNION SELECT digest FROM keyframes)"
            )
        return self.objects.sweep(set(self.files()))

    def drop_damaged(self, digest: str) -> list[str]:
        """Forget a file whose content is wrong, and what was made of it; return the shots to be made again."""
        shots = {row[0] for row in self._db.execute("SELECT shot FROM takes WHERE master = ?", (digest,))}
        with self._transaction():
            keys = "SELECT selection FROM keyframes WHERE digest = :d"
            shots |= {
                r[0] for r in self._db.execute(f"SELECT shot FROM selections WHERE key IN ({keys})", {"d": digest})
            }
            shots |= {r[0] for r in self._db.execute("SELECT shot FROM current WHERE view = ?", (digest,))}
            self._db.execute("DELETE FROM takes WHERE master = ?", (digest,))
            self._db.execute("DELETE FROM views WHERE digest = ?", (digest,))
            self._db.execute(f"DELETE FROM selections WHERE key IN ({keys})", {"d": digest})
            self._db.execute("DELETE FROM keyframes WHERE selection NOT IN (SELECT key FROM selections)")
            self._db.execute("DELETE FROM objects WHERE digest = ?", (digest,))
        for path in self.objects.folder.glob(f"{digest}.*"):
            path.unlink()
        return sorted(shots)

    def verify(self) -> list[str]:
        """Read every file; forget those whose content is wrong, and return their names in the run folder."""
        bad = [
            record
            for record in self.files().values()
            if file_digest_or_none(self.objects.path(record.digest, record.suffix)) != record.digest
        ]
        for record in bad:
            self.drop_damaged(record.digest)
        return sorted(f"objects/{r.digest}{r.suffix}" for r in bad)

    # -- readable names -----------------------------------------------------------------------------------

    def published(self) -> dict[str, str]:
        """Return the digests of files under readable names."""
        return dict(self._rows("SELECT name, digest FROM published"))

    def set_published(self, names: Mapping[str, str]) -> None:
        """Record the readable names there are."""
        with self._transaction():
            self._db.execute("DELETE FROM published")
            self._db.executemany("INSERT INTO published VALUES (?, ?)", list(names.items()))

    # -- inside -------------------------------------------------------------------------------------------

    def _add_files(self, files: Iterable[FileRecord]) -> None:
        self._db.executemany(
            "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?)",
            [(f.digest, f.suffix, f.size, f.mtime_ns) for f in files],
        )

    def _insert_take(self, take: Take) -> None:
        row = {
            **asdict(take),
            "request": json.dumps(take.request, sort_keys=True),
            "pinned": int(take.pinned),
        }
        marks = ", ".join(f":{name}" for name in row)
        self._db.execute(f"INSERT OR IGNORE INTO takes ({', '.join(row)}) VALUES ({marks})", row)

    def _insert_selection(self, selection: Selection) -> None:
        rejections = json.dumps([asdict(r) for r in selection.rejections])
        self._db.execute(
            "INSERT OR REPLACE INTO selections VALUES (?, ?, ?)", (selection.key, selection.shot, rejections)
        )
        self._db.executemany(
            "INSERT OR REPLACE INTO keyframes VALUES (?, ?, ?, ?, ?, ?)",
            [
                (selection.key, i, k.id, k.frame, k.digest, json.dumps(dict(k.scores), sort_keys=True))
                for i, k in enumerate(selection.keyframes)
            ],
        )

    def _set_current(self, shot: CurrentShot) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO current VALUES (?, ?, ?, ?, ?, ?)",
            (shot.shot, shot.position, shot.take, shot.view, shot.selection, shot.first),
        )

    def _rows(self, query: str, args: Sequence[object] = ()) -> list[Any]:
        try:
            return self._db.execute(query, args).fetchall()
        except sqlite3.Error as error:
            raise RunStoreError(f"{self.folder / DATABASE}: cannot be read: {error}") from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        if self._lock is None:
            raise RunStoreError(f"{self.folder}: opened for reading only")
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except BaseException as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise RunStoreError(f"{self.folder / DATABASE}: cannot be written: {error}") from error
            raise

    def _prepare(self) -> None:
        if not (self.folder / DATABASE).exists():
            self._refuse_foreign()
        try:
            for folder in (self.folder, self.temporary, self.objects.folder):
                folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.folder / "lock")
            lock.acquire(timeout=0)
            (self.folder / "lock.pid").write_text(f"{os.getpid()}\n", "ascii")
        except Timeout as error:
            raise RunStoreError(f"{self.folder}: is in use by another process ({self._holder()})") from error
        except OSError as error:
            raise RunStoreError(f"{self.folder}: cannot be written: {error.strerror}") from error
        self._lock = lock

    def _refuse_foreign(self) -> None:
        """Raise where a folder that is no run has files in the two folders that a run empties and sweeps."""
        for ours in (self.temporary, self.objects.folder):
            if ours.is_dir() and any(ours.iterdir()):
                raise RunStoreError(
                    f"{self.folder}: is not a run folder, but has files in {ours.name}/, which would be deleted; "
                    "choose another folder with --out"
                )

    def _holder(self) -> str:
        try:
            return f"pid {(self.folder / 'lock.pid').read_text('ascii').strip()}"
        except OSError:
            return "unknown pid"

    def _clean(self) -> None:
        """Remove what a killed process left: half-written files, and finished ones that were never committed.

        Each run writes to a folder of its own: a worker that outlived its engine must not meet the next one's files.
        """
        shutil.rmtree(self.temporary, ignore_errors=True)  # an orphan may still write there; its files go next time
        self.temporary /= secrets.token_hex(4)
        try:
            self.temporary.mkdir(parents=True)
            self.objects.sweep(set(self.files()))
        except OSError as error:
            raise RunStoreError(f"{self.folder}: cannot be written: {error.strerror}") from error

    def _unlock(self) -> None:
        if self._lock is not None:
            (self.folder / "lock.pid").unlink(missing_ok=True)
            self._lock.release()
            self._lock = None


def _take(row: tuple[Any, ...]) -> Take:
    shot, number, key, clip, master, frames, width, height, fps, request, pinned, created, seconds = row
    size = (frames, width, height, fps)
    return Take(shot, number, key, clip, master, *size, json.loads(request), bool(pinned), created, seconds)
