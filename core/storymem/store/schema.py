"""The run database's tables. Rows have natural keys, so they do not depend on the order shots finished in.

``state`` says which run this is, counts its transactions, and holds the checksum of all rows of the other tables.

Versions: before 1.0 a folder of another schema is refused with one line that says what to do; from 1.0 on, a folder of
an older schema is migrated when it is opened for writing (docs/development.md has the policy).
"""

from __future__ import annotations

import secrets
import sqlite3
from contextlib import closing
from functools import cache
from pathlib import Path

from storymem.errors import DamagedDatabase, RunStoreError, os_error
from storymem.store.seals import add_functions, row_sum, sealing_triggers

#: Raise with every change of the tables; other folders are refused with a clear message, never guessed at.
SCHEMA_VERSION = 3

_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE objects (
  digest TEXT PRIMARY KEY, suffix TEXT NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE takes (
  shot TEXT NOT NULL, number INTEGER NOT NULL, key TEXT NOT NULL, clip TEXT NOT NULL, master TEXT NOT NULL,
  frames INTEGER NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL, fps INTEGER NOT NULL,
  request TEXT NOT NULL, pinned INTEGER NOT NULL DEFAULT 0, created TEXT NOT NULL, seconds REAL NOT NULL,
  PRIMARY KEY (shot, number), UNIQUE (shot, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE recalls (
  shot TEXT NOT NULL, number INTEGER NOT NULL, ordinal INTEGER NOT NULL, id TEXT NOT NULL, source TEXT NOT NULL,
  position INTEGER NOT NULL, frame INTEGER NOT NULL, entities TEXT NOT NULL, reason TEXT NOT NULL,
  PRIMARY KEY (shot, number, ordinal)
) STRICT, WITHOUT ROWID;
CREATE TABLE derived (key TEXT PRIMARY KEY, digest TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE selections (
  key TEXT PRIMARY KEY, shot TEXT NOT NULL, rejections TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE keyframes (
  selection TEXT NOT NULL, ordinal INTEGER NOT NULL, id TEXT NOT NULL, PRIMARY KEY (selection, ordinal)
) STRICT, WITHOUT ROWID;
CREATE TABLE pictures (id TEXT PRIMARY KEY, digest TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE current (
  shot TEXT PRIMARY KEY, position INTEGER NOT NULL, take INTEGER NOT NULL, view TEXT NOT NULL, tail TEXT NOT NULL,
  selection TEXT NOT NULL, first INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE failures (
  shot TEXT PRIMARY KEY, error TEXT NOT NULL, details TEXT NOT NULL, created TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE overrides (shot TEXT PRIMARY KEY, seed INTEGER, prompt TEXT) STRICT, WITHOUT ROWID;
CREATE TABLE published (name TEXT PRIMARY KEY, digest TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE state (
  run TEXT NOT NULL, generation INTEGER NOT NULL, content INTEGER NOT NULL, seal INTEGER NOT NULL
) STRICT;
"""

#: Everything a row of another table refers to.
REFERRED = """
SELECT master FROM takes UNION SELECT digest FROM derived UNION
SELECT digest FROM pictures WHERE id IN (SELECT id FROM keyframes UNION SELECT id FROM recalls)
"""

#: What says nothing about the content of the file.
_PASSING = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY,
                      sqlite3.SQLITE_PERM, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_BUSY})  # fmt: skip
#: What a damaged database raises; text of messages is decoded as well, and may be damaged.
SQL_ERRORS = (sqlite3.Error, UnicodeDecodeError)
#: Seconds that SQLite itself waits for another program before it says that the database is busy.
BUSY = 1.0


def open_for_writing(path: Path, create: bool = False) -> sqlite3.Connection:
    """Open the database; with ``create``, make its tables if it has none.

    Raises:
        RunStoreError: It cannot be opened or is damaged.
    """
    try:
        connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY, check_same_thread=False)
    except sqlite3.Error as error:
        raise RunStoreError(f"{path}: cannot be used: {error}") from error
    try:
        add_functions(connection)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        # KiB: the rows of a few shots. The default of 2 MB would fill up over a long run for nothing.
        connection.execute("PRAGMA cache_size=-256")
        if create and connection.execute("PRAGMA user_version").fetchone()[0] == 0:
            # Made in one transaction: a crash leaves an empty file, which the next run fills.
            connection.executescript(f"BEGIN;{_script()}PRAGMA user_version={SCHEMA_VERSION};COMMIT;")
    except SQL_ERRORS as error:
        connection.close()
        raise read_error(error, path) from error
    return connection


def open_for_reading(path: Path) -> sqlite3.Connection:
    """Open a database file of any tables without changing it, even where nothing may be written.

    Raises:
        RunStoreError: It cannot be opened, or has a write-ahead log that cannot be read without writing.
    """
    address = f"{path.resolve().as_uri()}?mode=ro"
    try:
        try:
            return _looked_at(address)
        except sqlite3.OperationalError as error:
            if not _only_locks_are_refused(error, path):
                raise
        return _looked_at(f"{address}&immutable=1")
    except SQL_ERRORS as error:
        raise read_error(error, path) from error
    except OSError as error:
        raise os_error(f"{path}: cannot be read now", error, RunStoreError) from error


def _looked_at(address: str) -> sqlite3.Connection:
    """Return a connection after a first look, with which SQLite begins."""
    connection = sqlite3.connect(address, uri=True, isolation_level=None, timeout=BUSY)
    try:
        add_functions(connection)
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _only_locks_are_refused(error: sqlite3.OperationalError, path: Path) -> bool:
    """Whether all that SQLite lacks is a place for its lock files beside the database.

    In a folder that cannot be written nobody else writes either, so it can be told that nothing changes: unless there
    is a log, whose transactions it would not read then.
    """
    log = path.with_name(path.name + "-wal")
    refused = error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}
    return refused and not (log.exists() and log.stat().st_size)


def read_error(error: Exception, path: Path) -> RunStoreError:
    """Return why SQLite could not read a database: a passing error, or damage."""
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in _PASSING:
        return RunStoreError(f"{path}: cannot be used: {error}; nothing was changed, try again")
    why = "it has text that is not text" if isinstance(error, UnicodeDecodeError) else error
    return DamagedDatabase(f"{path}: cannot be used: {why}; storymem repair {path.parent} puts it right")


@cache
def columns() -> dict[str, list[str]]:
    """Return the columns of every table but ``state``, by its name."""
    with closing(sqlite3.connect(":memory:")) as model:
        model.executescript(_TABLES)
        names = [name for (name,) in model.execute("SELECT name FROM sqlite_master WHERE sql IS NOT NULL")]
        found = {name: [row[1] for row in model.execute(f"PRAGMA table_info({name})")] for name in names}
    del found["state"]
    return found


def schema_of(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    """Return what a database says its tables and triggers are."""
    rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name")
    return [(name, sql) for name, sql in rows]


@cache
def expected_schema() -> list[tuple[str, str]]:
    """Return what :func:`schema_of` must give."""
    with closing(sqlite3.connect(":memory:")) as model:
        model.executescript(_script())
        return schema_of(model)


def seal(run: str, generation: int, content: int) -> int:
    """Return the checksum of the row in ``state``."""
    return row_sum(run, generation, content)


def _script() -> str:
    """Return the SQL that makes an empty run database, with a name of its own."""
    run = secrets.token_hex(8)
    triggers = "\n".join(sealing_triggers(table, names) for table, names in columns().items())
    return f"{_TABLES}{triggers}\nINSERT INTO state VALUES ('{run}', 0, 0, {seal(run, 0, 0)});"


def check_version(connection: sqlite3.Connection, path: Path) -> None:
    """Raise :class:`RunStoreError` if the database was written by another version."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == SCHEMA_VERSION:
        return
    if version == 0:
        raise DamagedDatabase(f"{path}: is empty; storymem repair {path.parent} rebuilds it from the files beside it")
    if version > SCHEMA_VERSION:
        hint = "upgrade storymem"
    else:
        hint = "it was made by an older storymem: finish it with that one, or render into another folder with --out"
    raise RunStoreError(f"{path}: has schema {version}, this version reads {SCHEMA_VERSION}; {hint}")
