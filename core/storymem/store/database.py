"""One SQLite connection: queries and transactions whose failures are one line, and proof that the content is whole."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from storymem.errors import DamagedDatabase, DiskFull, RunStoreError, StoryMemError
from storymem.store.schema import (
    SQL_ERRORS,
    check_version,
    columns,
    expected_schema,
    open_for_reading,
    open_for_writing,
    read_error,
    schema_of,
    seal,
)
from storymem.store.seals import set_sum

Parameters = Sequence[object] | Mapping[str, object]
_LOG = logging.getLogger(__name__)


class Database:
    """The run database. Opening reads all of it: a row that is not what was written is found before it is used.

    Args:
        path: Its file.
        write: Whether it may be changed.
        create: Whether it may be made where there is none, or an empty one.

    Raises:
        DamagedDatabase: A page, table or row is not what was written.
        RunStoreError: It is of another version, or cannot be opened now.

    Attributes:
        run: Random name of the run, given when the database was made.
        generation: How many transactions it has seen.
    """

    def __init__(self, path: Path, write: bool, create: bool = False) -> None:
        self.path = path
        self._write = write
        if write and create:
            open_for_writing(path, create=True).close()
        # Proved before anything opens it for writing: closing that would fold in or drop a damaged log.
        self._connection = open_for_reading(path)
        try:
            self.run, self.generation = self._proved()
            if write:
                self._connection.close()
                self._connection = open_for_writing(path)
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def fold_log(self) -> None:
        """Write everything into the one file, so that it can be moved after :meth:`close`."""
        busy, _, _ = self.rows("PRAGMA wal_checkpoint(TRUNCATE)")[0]
        if busy:
            raise RunStoreError(f"{self.path}: is in use by another program; try again")

    def rows(self, query: str, parameters: Parameters = ()) -> list[Any]:
        """Return all rows of a query.

        Raises:
            RunStoreError: The file is damaged or cannot be read.
        """
        try:
            return patiently(self._connection, self.path, query, parameters).fetchall()
        except SQL_ERRORS as error:
            raise read_error(error, self.path) from error

    def row(self, query: str, parameters: Parameters = ()) -> Any | None:
        """Return the first row of a query, or None."""
        rows = self.rows(query, parameters)
        return rows[0] if rows else None

    def change(self, statement: str, parameters: Parameters = ()) -> None:
        """Execute a statement; only within :meth:`transaction`."""
        self._connection.execute(statement, parameters)

    def change_many(self, statement: str, rows: Iterable[Parameters]) -> None:
        """Execute a statement for every row; only within :meth:`transaction`."""
        self._connection.executemany(statement, list(rows))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit everything inside, or nothing of it."""
        if not self._write:
            raise RunStoreError(f"{self.path.parent}: opened for reading only")
        try:
            patiently(self._connection, self.path, "BEGIN IMMEDIATE")
            yield
            ((content,),) = self._connection.execute("SELECT content FROM state")
            state = (self.generation + 1, seal(self.run, self.generation + 1, content))
            self._connection.execute("UPDATE state SET generation = ?, seal = ?", state)
            patiently(self._connection, self.path, "COMMIT")
            self.generation += 1
        except BaseException as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise sqlite_error(error, self.path) from error
            raise

    def _proved(self) -> tuple[str, int]:
        """Return run and generation after checking that every page, table and row is as it was written."""
        try:
            check_version(self._connection, self.path)
            self._connection.execute("BEGIN")  # one state of it all, also while another process writes
            problems = [text for (text,) in self._connection.execute("PRAGMA integrity_check(1)")]
            if problems != ["ok"]:
                raise self._damaged(" ".join(problems[0].split()))
            if schema_of(self._connection) != expected_schema():
                raise self._damaged("its tables are not as they were made")
            ((run, generation, content, sealed),) = self._connection.execute("SELECT * FROM state").fetchall()
            if sealed != seal(run, generation, content) or content != self._content():
                raise self._damaged("its rows are not what was written")
            self._connection.execute("COMMIT")
        except SQL_ERRORS as error:
            raise read_error(error, self.path) from error
        except (ValueError, TypeError) as error:  # not one row in state, or text in a column of numbers
            raise self._damaged(str(error)) from error
        return run, generation

    def _content(self) -> int:
        tables = columns()
        return set_sum((name, *row) for name in tables for row in self._connection.execute(f"SELECT * FROM {name}"))

    def _damaged(self, why: str) -> DamagedDatabase:
        return DamagedDatabase(f"{self.path}: cannot be used: {why}; storymem repair {self.path.parent} rebuilds it")


def patiently(
    connection: sqlite3.Connection, path: Path, statement: str, parameters: Parameters = ()
) -> sqlite3.Cursor:
    """Execute a statement, waiting for as long as another program holds the database.

    A finished clip may have taken hours: it is not given up because a backup or a viewer holds a lock.
    """
    told = False
    while True:
        try:
            return connection.execute(statement, parameters)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
                raise
            if not told:  # SQLite itself has waited by now
                _LOG.warning("%s: is in use by another program; waiting for it", path)
                told = True


def sqlite_error(error: sqlite3.Error, path: Path) -> StoryMemError:
    """Return what SQLite refused to write as one line."""
    if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
        return DiskFull(f"{path}: {error}; make room and try again, everything finished is kept")
    return RunStoreError(f"{path}: cannot be written: {error}")
