"""The run database's tables. Rows have natural keys, so they do not depend on the order shots finished in.

Versions: before 1.0 a folder of another schema is refused with one line that says what to do; from 1.0 on, a folder of
an older schema is migrated when it is opened for writing (docs/development.md has the policy).
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from storymem.errors import RunStoreError

#: Raise with every change of the tables; other folders are refused with a clear message, never guessed at.
SCHEMA_VERSION = 2

TABLES = """
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
"""

#: Everything a row of another table refers to.
REFERRED = """
SELECT master FROM takes UNION SELECT digest FROM derived UNION
SELECT digest FROM pictures WHERE id IN (SELECT id FROM keyframes UNION SELECT id FROM recalls)
"""


def connect(path: Path, create: bool) -> sqlite3.Connection:
    """Open the database; with ``create``, make it if it is not there.

    Raises:
        RunStoreError: It cannot be opened, is damaged, or was written by another version.
    """
    try:
        connection = sqlite3.connect(path, isolation_level=None)
    except sqlite3.Error as error:
        raise RunStoreError(f"{path}: cannot be used: {error}") from error
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        # KiB: the rows of a few shots. The default of 2 MB would fill up over a long run for nothing.
        connection.execute("PRAGMA cache_size=-256")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version == 0 and create:
            # Made in one transaction: a crash leaves an empty file, which the next run fills.
            connection.executescript(f"BEGIN;{TABLES}PRAGMA user_version={SCHEMA_VERSION};COMMIT;")
            version = SCHEMA_VERSION
    except sqlite3.Error as error:
        connection.close()
        raise RunStoreError(f"{path}: cannot be used: {error}") from error
    if version != SCHEMA_VERSION:
        connection.close()
        raise RunStoreError(_other_version(path, version))
    return connection


def _other_version(path: Path, version: int) -> str:
    if version > SCHEMA_VERSION:
        hint = "upgrade storymem"
    else:
        hint = "it was made by an older storymem: finish it with that one, or render into another folder with --out"
    return f"{path}: has schema {version}, this version reads {SCHEMA_VERSION}; {hint}"
