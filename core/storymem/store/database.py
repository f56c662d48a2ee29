"""One SQLite connection: queries and transactions whose failures are one line."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from storymem.errors import RunStoreError
from storymem.store.schema import connect

Parameters = Sequence[object] | Mapping[str, object]


class Database:
    """The run database.

    Args:
        path: Its file.
        write: Whether it may be made and changed.
    """

    def __init__(self, path: Path, write: bool) -> None:
        self.path = path
        self._write = write
        self._connection = connect(path, create=write)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def rows(self, query: str, parameters: Parameters = ()) -> list[Any]:
        """Return all rows of a query.

        Raises:
            RunStoreError: The file is damaged or cannot be read.
        """
        try:
            return self._connection.execute(query, parameters).fetchall()
        except sqlite3.Error as error:
            raise RunStoreError(f"{self.path}: cannot be read: {error}") from error

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
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute("COMMIT")
        except BaseException as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise RunStoreError(f"{self.path}: cannot be written: {error}") from error
            raise
