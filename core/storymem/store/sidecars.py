"""What the database knows of each shot, once more beside the objects, so that a lost database can be rebuilt.

    takes/run.json         title, script, settings
    takes/references.json  the story's reference images
    takes/1.2.json         every take of shot 1.2: what made it, what it was shown, its choices of keyframes, its pin,
                           what the shot is at present, what the user changed
    generation.json        how many transactions the database has seen

Written after every transaction, in that order. A database that has seen fewer transactions than these files is an
older copy, or has lost its log; nothing is ever set aside because such a database does not know it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storymem.errors import RunStoreError, os_error
from storymem.store.database import Database
from storymem.store.objects import sync_folder
from storymem.store.schema import columns

FOLDER = "takes"
GENERATION = "generation.json"
#: In place of a shot id: notes about the run as a whole.
RUN = "run"
_NAME = re.compile(r"[0-9A-Za-z.]{1,60}")

_CHOSEN = "SELECT key FROM selections WHERE shot = :s"
_PICTURES = (
    f"SELECT * FROM pictures WHERE id IN (SELECT id FROM keyframes WHERE selection IN ({_CHOSEN})) "
    "OR id IN (SELECT id FROM recalls WHERE shot = :s)"
)
_DERIVED = (
    "SELECT * FROM derived WHERE digest IN "
    "(SELECT view FROM current WHERE shot = :s UNION SELECT tail FROM current WHERE shot = :s)"
)
#: The rows that belong to a shot, by table.
_OF_SHOT = {
    "takes": "SELECT * FROM takes WHERE shot = :s",
    "recalls": "SELECT * FROM recalls WHERE shot = :s",
    "selections": "SELECT * FROM selections WHERE shot = :s",
    "keyframes": f"SELECT * FROM keyframes WHERE selection IN ({_CHOSEN})",
    "pictures": _PICTURES,
    "derived": _DERIVED,
    "current": "SELECT * FROM current WHERE shot = :s",
    "overrides": "SELECT * FROM overrides WHERE shot = :s",
    "objects": (
        # The time of a file is no part of what is noted: shots share files, and one that is made again gets another.
        "SELECT digest, suffix, size, 0 FROM objects WHERE digest IN (SELECT master FROM takes WHERE shot = :s) "
        f"OR digest IN (SELECT digest FROM ({_PICTURES})) OR digest IN (SELECT digest FROM ({_DERIVED}))"
    ),
}
_OF_RUN = {"meta": "SELECT * FROM meta"}
Rows = Mapping[str, list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Sidecar:
    """One file: rows by table, with the run and the transaction they were written in."""

    name: str
    run: str
    generation: int
    rows: Rows


class Sidecars:
    """The sidecars of a run folder.

    Args:
        folder: The run folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / FOLDER
        self._generation = folder / GENERATION

    def path(self, name: str) -> Path:
        """Return the file of a shot id, ``run`` or ``references``.

        Raises:
            RunStoreError: It is no such name, as in a database that somebody changed.
        """
        if not _NAME.fullmatch(name):
            raise RunStoreError(f"{self.folder}: {name!r} is no shot id; the run is damaged")
        return self.folder / f"{name}.json"

    def names(self) -> list[str]:
        """Return the names of the sidecars there are."""
        found = self.folder.glob("*.json") if self.folder.is_dir() else ()
        return sorted(path.stem for path in found if _NAME.fullmatch(path.stem))

    def write(self, db: Database, names: Iterable[str]) -> None:
        """Write sidecars as the database is now, and then its generation.

        Raises:
            RunStoreError: They cannot be written; what was committed is kept, and opening the run writes them.
        """
        try:
            self.folder.mkdir(exist_ok=True)
            chosen = list(names)
            for name in chosen:
                self._write(db, name)
            if chosen:
                sync_folder(self.folder)
            # Not synced: should it be lost or empty after a power failure, the sidecars say the same.
            _replace(self._generation, _signed({"run": db.run, "generation": db.generation}), sync=False)
        except OSError as error:
            raise os_error(f"{self.folder}: cannot be written", error, RunStoreError) from error

    def read(self, name: str) -> Sidecar | None:
        """Return a sidecar; None if it is not there or is damaged.

        Raises:
            RunStoreError: It cannot be read now.
        """
        try:
            content = _checked(self.path(name).read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise os_error(f"{self.path(name)}: cannot be read", error, RunStoreError) from error
        if content is None or content["name"] != name:
            return None
        return Sidecar(name, content["run"], content["generation"], content["rows"])

    def read_all(self) -> Iterator[Sidecar]:
        """Yield the sidecars that are intact, in the order of their transactions."""
        found = [sidecar for name in self.names() if (sidecar := self.read(name))]
        yield from sorted(found, key=lambda sidecar: (sidecar.generation, sidecar.name))

    def noted(self) -> tuple[str, int] | None:
        """Return run and generation of the last transaction after which every sidecar was written, if it is known.

        Raises:
            RunStoreError: The note cannot be read now.
        """
        try:
            noted = _checked(self._generation.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise os_error(f"{self._generation}: cannot be read", error, RunStoreError) from error
        return (noted["run"], noted["generation"]) if noted else None

    def newest(self) -> tuple[str, int] | None:
        """Return run and generation of the last transaction that any sidecar knows; None if there is none."""
        newest = max(self.read_all(), key=lambda sidecar: sidecar.generation, default=None)
        return (newest.run, newest.generation) if newest else None

    def differing(self, db: Database) -> list[str]:
        """Return the names of sidecars that do not say what the database says, or are missing."""
        names = sorted({*self.names(), *shots_of(db)})
        found = ((name, self.read(name)) for name in names)
        return [name for name, sidecar in found if sidecar is None or sidecar.rows != _plain(rows_of(db, name))]

    def _write(self, db: Database, name: str) -> None:
        content = {"name": name, "run": db.run, "generation": db.generation, "rows": rows_of(db, name)}
        _replace(self.path(name), _signed(content), sync=True)


def rows_of(db: Database, name: str) -> Rows:
    """Return the rows of a shot, of the references or of the run, by table; tables without any are left out."""
    found = {}
    for table, query in (_OF_RUN if name == RUN else _OF_SHOT).items():
        if rows := db.rows(query, {"s": name}):
            found[table] = [dict(zip(columns()[table], row, strict=True)) for row in rows]
    return found


def shots_of(db: Database) -> list[str]:
    """Return every name that has a sidecar: shots with takes or changes, the references, and the run."""
    query = "SELECT shot FROM takes UNION SELECT shot FROM selections UNION SELECT shot FROM overrides"
    return [*(shot for (shot,) in db.rows(f"{query} UNION SELECT shot FROM current")), RUN]


def _plain(rows: Rows) -> Rows:
    """Return rows as they come back from JSON."""
    plain: Rows = json.loads(json.dumps(rows))
    return plain


def _signed(content: Mapping[str, Any]) -> str:
    """Return plain data as JSON, with its checksum beside it."""
    return json.dumps({"content": content, "sha256": _sum(content)}, ensure_ascii=False, indent=1) + "\n"


def _checked(data: bytes) -> dict[str, Any] | None:
    """Return what :func:`_signed` was given; None if the file is damaged."""
    try:
        plain = json.loads(data)
        content: dict[str, Any] = plain["content"]
        return content if _sum(content) == plain["sha256"] else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _sum(content: object) -> str:
    text = json.dumps(content, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _replace(path: Path, text: str, sync: bool) -> None:
    """Write a file so that there is always the old or the new one."""
    new = path.with_name(f".{path.name}.new")
    with new.open("w", encoding="utf-8", errors="surrogatepass") as file:
        file.write(text)
        file.flush()
        if sync:
            os.fsync(file.fileno())
    new.replace(path)
