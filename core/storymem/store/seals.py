"""Checksums of database rows: what a disk fault or another program changed is found and never used.

SQLite has none of its own. A table may keep one per row (:func:`row_sum`), or a whole database one over the set of its
rows, kept current by triggers (:func:`sealing_triggers`): whichever row is changed, lost or added behind the
triggers' back, the sum no longer fits. Guards against accidents, not against somebody who computes the sum as well.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Sequence

_BYTES = 8


def row_sum(*values: object) -> int:
    """Return a checksum of column values, 0 .. 2**63-1; equal only where their types are equal as well."""
    plain = [hashlib.blake2b(v).digest() if isinstance(v, bytes) else v for v in values]  # repr of bytes is slow
    text = repr(plain).encode("utf-8", "surrogatepass")
    # 63 bits, because SQLite's integers have a sign.
    return int.from_bytes(hashlib.blake2b(text, digest_size=_BYTES).digest(), "big") >> 1


def set_sum(rows: Iterable[Sequence[object]]) -> int:
    """Return the checksum of a set of rows, in whatever order they come."""
    total = 0
    for row in rows:
        total ^= row_sum(*row)
    return total


def add_functions(connection: sqlite3.Connection) -> None:
    """Let SQL call ``toggled(sum, column, ...)``, which puts a row into a set's sum or takes it out again."""
    connection.create_function("toggled", -1, _toggled, deterministic=True)
    connection.create_function("row_sum", -1, row_sum, deterministic=True)
    # Without it, a row that INSERT OR REPLACE replaces would leave its sum behind.
    connection.execute("PRAGMA recursive_triggers=ON")


def sealing_triggers(table: str, columns: Sequence[str]) -> str:
    """Return the triggers that keep ``state.content`` the sum of rows, each with the name of its table in front."""

    def changed(which: str) -> str:
        values = ", ".join(f"{which}.{column}" for column in columns)
        return f"UPDATE state SET content = toggled(content, '{table}', {values});"

    return "\n".join(
        f"CREATE TRIGGER {table}_{event} AFTER {event} ON {table} BEGIN {''.join(map(changed, rows))} END;"
        for event, rows in (("insert", ("NEW",)), ("delete", ("OLD",)), ("update", ("OLD", "NEW")))
    )


def _toggled(total: int, *row: object) -> int:
    return total ^ row_sum(*row)
