"""Makes one call of the operating system fail, at every place and with every error, and looks at what is left.

    python benchmarks/faults.py [--cases 5000] [--seed 0] [--out benchmarks/results/faults.md]

Each case takes a copy of a finished run, or an empty folder, starts one command on it inside this process, and makes
its n-th call of one kind fail: open, read, write, rename, unlink, link, mkdir, stat, list or sync of a file, or a
statement of a database. Then it checks

- that the command ended with a documented exit code and, unless that is 0, with one line; never with a traceback,
- that every committed take is in the database, with its file, content and pin (or the database is refused, and
  ``storymem repair`` brings all of it back), unless the command is ``prune``,
- that the same command undisturbed, and then a render, give the film of an undisturbed run, byte for byte.
"""

from __future__ import annotations

import argparse
import builtins
import contextlib
import errno
import hashlib
import io
import os
import platform
import random
import shutil
import sqlite3
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

from storymem.plugin import PluginHost
from storymem.plugin.registry import Owner, Registration

TINY = Path(__file__).parents[1] / "tests" / "core" / "tiny_plugin.py"
ERRORS = (errno.EIO, errno.EMFILE, errno.ESTALE, errno.ENOMEM, errno.EACCES, errno.EBUSY, errno.EROFS, errno.ENOSPC)
DATABASE_ERRORS = ("IOERR", "FULL", "NOMEM", "READONLY")
STORY = """{"title": "Tale", "scenes": [
  {"shots": [{"prompt": "a"}, {"prompt": "b", "cut": false}]}, {"shots": [{"prompt": "c"}]}
]}"""
_EXIT_CODES = frozenset({0, 2, 3, 4, 5, 6})


# -- making calls fail --------------------------------------------------------------------------------------------


@dataclass
class Faults:
    """Counts the calls of each kind that concern a folder, and fails one of them.

    Attributes:
        folder: Only files below it are meant.
        kind: Which calls fail; None only counts.
        number: Which of them, 1 first.
        error: With what: an errno, or the name of an error of SQLite.
    """

    folder: Path
    kind: str | None = None
    number: int = 0
    error: int | str = errno.EIO
    seen: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def check(self, kind: str, *paths: Any) -> None:
        """Count a call, and raise if it is the one that fails."""
        if not any(self.meant(path) for path in paths):
            return
        with self._lock:
            self.seen[kind] += 1
            fails = kind == self.kind and self.seen[kind] == self.number
        if fails:
            if isinstance(self.error, str):
                raise sqlite_failure(self.error)
            raise OSError(self.error, os.strerror(self.error), str(paths[0]))

    def meant(self, path: Any) -> bool:
        """Whether a file is below the folder."""
        try:
            return os.fsdecode(path).startswith(str(self.folder))
        except TypeError:  # a file descriptor
            return False


def sqlite_failure(name: str) -> sqlite3.OperationalError:
    """Return the error that SQLite would raise."""
    error = sqlite3.OperationalError(f"injected {name}")
    error.sqlite_errorcode = getattr(sqlite3, f"SQLITE_{name}")
    error.sqlite_errorname = f"SQLITE_{name}"
    return error


_KINDS = {"replace": "rename", "rename": "rename", "unlink": "unlink", "link": "link", "mkdir": "mkdir",
          "stat": "stat", "listdir": "list", "scandir": "list", "open": "open", "rmdir": "unlink"}  # fmt: skip


@contextlib.contextmanager
def injected(faults: Faults) -> Iterator[None]:
    """Let Python's own calls go through ``faults``."""
    with contextlib.ExitStack() as patches:
        for name, kind in _KINDS.items():
            patches.enter_context(mock.patch.object(os, name, _calling(faults, kind, getattr(os, name))))
        patches.enter_context(mock.patch.object(os, "fsync", _syncing(faults, os.fsync)))
        opened = _opening(faults, io.open)
        patches.enter_context(mock.patch.object(io, "open", opened))
        patches.enter_context(mock.patch.object(builtins, "open", opened))
        patches.enter_context(mock.patch.object(sqlite3, "connect", _connecting(faults, sqlite3.connect)))
        yield


def _calling(faults: Faults, kind: str, call: Callable[..., Any]) -> Callable[..., Any]:
    def inner(*args: Any, **kwargs: Any) -> Any:
        faults.check(kind, *args[:2])
        return call(*args, **kwargs)

    return inner


def _syncing(faults: Faults, real: Callable[[int], None]) -> Callable[[int], None]:
    def sync(handle: int) -> None:
        faults.check("fsync", Path(f"/proc/self/fd/{handle}").readlink())
        real(handle)

    return sync


def _opening(faults: Faults, real: Callable[..., Any]) -> Callable[..., Any]:
    """Return an ``open`` whose files below the folder are read and written through ``faults``."""

    class File(io.FileIO):
        def readinto(self, buffer: Any) -> Any:
            faults.check("read", self.name)
            return super().readinto(buffer)

        def readall(self) -> bytes:
            faults.check("read", self.name)
            return super().readall()

        def write(self, data: Any) -> Any:
            faults.check("write", self.name)
            return super().write(data)

    def opened(file: Any, mode: str = "r", buffering: int = -1, *text: Any, **named: Any) -> Any:
        if isinstance(file, int) or not faults.meant(file):
            return real(file, mode, buffering, *text, **named)
        faults.check("open", file)
        raw = File(file, mode.replace("b", "").replace("t", ""))
        if buffering == 0:
            return raw
        if "+" in mode:
            buffered: Any = io.BufferedRandom(raw)
        else:
            buffered = io.BufferedReader(raw) if raw.readable() else io.BufferedWriter(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, *text, **named)

    return opened


def _connecting(faults: Faults, real: Callable[..., Any]) -> Callable[..., Any]:
    """Return a ``connect`` whose connections' statements go through ``faults``."""

    class Connection(sqlite3.Connection):
        def __init__(self, database: Any, *args: Any, **kwargs: Any) -> None:
            self.where = str(database).removeprefix("file://").split("?")[0]
            faults.check("connect", self.where)
            super().__init__(database, *args, **kwargs)

        def execute(self, *args: Any) -> Any:
            faults.check("sql", self.where)
            return super().execute(*args)

        def executemany(self, *args: Any) -> Any:
            faults.check("sql", self.where)
            return super().executemany(*args)

        def executescript(self, *args: Any) -> Any:
            faults.check("sql", self.where)
            return super().executescript(*args)

    return lambda *args, **kwargs: real(*args, factory=Connection, **kwargs)


# -- commands and what must hold ----------------------------------------------------------------------------------

TakeId = tuple[str, int, str, str]


@dataclass(frozen=True)
class State:
    """What a run folder holds: takes with their master's digest, pins, and digests of what people look at."""

    takes: frozenset[TakeId]
    pins: frozenset[tuple[str, int]]
    published: dict[str, str]


@dataclass(frozen=True)
class Command:
    """A command on a run folder.

    Attributes:
        name: For the table.
        arguments: Without the folder.
        fresh: It starts without a run.
        lost: It starts without the database.
        deletes: Takes may go.
        repins: Pins may change.
    """

    name: str
    arguments: tuple[str, ...]
    fresh: bool = False
    lost: bool = False
    deletes: bool = False
    repins: bool = False

    def line(self, folder: Path, script: Path) -> list[str]:
        """Return the program's arguments."""
        if self.name.startswith("render"):
            options = ["--plugin", str(TINY), "--backbone", "blocks", "--quiet"]
            return ["render", str(script), "-o", str(folder), *options, *self.arguments]
        first, *rest = self.arguments
        return [first, str(folder), *rest]


COMMANDS = (
    Command("render", (), fresh=True),
    Command("render more", ("--set", "backbone.look=3")),
    Command("redo", ("redo", "1.2", "--seed", "7", "--quiet"), repins=True),
    Command("pin", ("pin", "1.1", "2", "--quiet"), repins=True),
    Command("prune", ("prune",), deletes=True),
    Command("verify", ("verify",)),
    Command("film", ("film",)),
    Command("repair", ("repair",), lost=True),
    Command("status", ("status",)),
    Command("takes", ("takes", "1.1")),
)


@cache
def storymem() -> Callable[..., object]:
    """Return the program, built once: typer takes longer for that than most commands for their work."""
    import typer

    from storymem.cli.main import app

    return typer.main.get_command(app)


_known: dict[Owner, list[Registration]] = {}
_add = PluginHost._add


def _add_known(host: PluginHost, module: object, owner: Owner) -> None:
    """Add a plugin's registrations, collected once: that takes longer than most commands for their work."""
    if owner in _known:
        host.registry.add_all(_known[owner])
    else:
        _add(host, module, owner)
        _known[owner] = [entry for entry in host.registry if entry.owner == owner]


def program(arguments: list[str], out: io.StringIO | None = None) -> tuple[int, str]:
    """Run the program inside this process; return its exit code and what it wrote to standard error.

    Args:
        arguments: What follows its name.
        out: Gets what it writes to standard output.
    """
    from storymem.cli import ending

    err = io.StringIO()
    with (
        contextlib.redirect_stdout(out or io.StringIO()),
        contextlib.redirect_stderr(err),
        mock.patch.object(PluginHost, "_add", _add_known),
    ):
        code = ending.run(lambda: storymem()(arguments, prog_name="storymem"))
    return code, err.getvalue()


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def state_of(folder: Path) -> State:
    """Return what a run folder holds, by looking past the program; a missing or damaged file has another digest."""
    database = sqlite3.connect(folder / "run.sqlite")
    try:
        rows = database.execute("SELECT shot, number, key, master, pinned FROM takes").fetchall()
    finally:
        database.close()
    files = {path.stem: digest(path) for path in (folder / "objects").iterdir()}
    takes = frozenset(
        (shot, number, key, master) for shot, number, key, master, _ in rows if files.get(master) == master
    )
    shown = [*folder.glob("shots/*"), *folder.glob("keyframes/*"), folder / "film.mp4"]
    published = {str(p.relative_to(folder)): digest(p) for p in shown if p.is_file()}
    return State(takes, frozenset((row[0], row[1]) for row in rows if row[4]), published)


@dataclass
class Stage:
    """A finished run with a pin and two takes of a shot, and what every command makes of it undisturbed."""

    root: Path
    expected: dict[str, State] = field(default_factory=dict)
    calls: dict[str, Counter[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.script = self.root / "tale.json"
        self.script.write_text(STORY)
        self.base = self.root / "base"
        for arguments in (
            COMMANDS[0].line(self.base, self.script),
            ["redo", str(self.base), "1.1", "--seed", "5", "--quiet"],
            ["pin", str(self.base), "1.1", "1", "--quiet"],
        ):
            code, err = program(arguments)
            assert code == 0, err
        self.before = state_of(self.base)
        for command in COMMANDS:
            folder = self.start(command, self.root / "peace")
            faults = Faults(folder)
            with injected(faults):
                code, err = program(command.line(folder, self.script))
            assert code == 0, err
            self.calls[command.name] = faults.seen
            self.expected[command.name] = state_of(folder)
            shutil.rmtree(folder)

    def start(self, command: Command, folder: Path) -> Path:
        """Make the folder that a command starts with."""
        if not command.fresh:
            shutil.copytree(self.base, folder)
            program(["trust", str(folder)])  # it is a copy, and names a plugin file
        if command.lost:
            (folder / "run.sqlite").unlink()
        return folder

    def places(self) -> list[tuple[Command, str, int]]:
        """Return every call of every command that can be made to fail."""
        return [
            (command, kind, number + 1)
            for command in COMMANDS
            for kind, count in sorted(self.calls[command.name].items())
            for number in range(count)
        ]

    def trial(self, command: Command, kind: str, number: int, error: int | str) -> list[str]:
        """Let one call fail, and return what is wrong afterwards."""
        folder = self.start(command, self.root / "trial")
        try:
            return self._trial(command, folder, Faults(folder, kind, number, error))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _trial(self, command: Command, folder: Path, faults: Faults) -> list[str]:
        line = command.line(folder, self.script)
        try:
            with injected(faults):
                code, err = program(line)
        except BaseException as bug:
            return [f"traceback: {type(bug).__name__}: {bug}"]
        problems = ending_problems(code, err)
        problems += self._lost(command, folder)
        with contextlib.suppress(FileNotFoundError):
            if command.lost and not (folder / "run.sqlite").exists():
                program(["repair", str(folder)])
        again, err = program(line)
        if again:
            problems.append(f"again undisturbed: exit code {again}: {err.strip()[-200:]}")
        elif (after := state_of(folder)) != self.expected[command.name]:
            problems.append(f"again undisturbed: {difference(after, self.expected[command.name])}")
        return problems

    def _lost(self, command: Command, folder: Path) -> list[str]:
        """Return what of the committed takes and pins is lost."""
        if command.fresh:
            return []
        if not (folder / "run.sqlite").exists() and command.lost:
            return [] if (folder / "takes" / "run.json").exists() else ["the notes are lost"]
        after = state_of(folder)
        kept = self.expected[command.name].takes if command.deletes else self.before.takes
        problems = [f"lost take {take[:2]}" for take in sorted(kept - after.takes)]
        pins = self.before.pins
        if after.pins != pins and not (command.repins and after.pins == self.expected[command.name].pins):
            problems.append(f"pins are {set(after.pins)}, were {set(pins)}")
        return problems


def ending_problems(code: int, err: str) -> list[str]:
    """Return what is wrong with how a command ended."""
    problems = [] if code in _EXIT_CODES else [f"exit code {code}"]
    if "Traceback" in err:
        problems.append("traceback printed")
    errors = [line for line in err.splitlines() if line.startswith("error: ")]
    if code and len(errors) != 1:
        problems.append(f"exit code {code} with {len(errors)} error lines: {err[-200:]!r}")
    return problems


def difference(found: State, expected: State) -> str:
    """Return in a few words how two states differ."""
    names = {n for n in found.published.keys() | expected.published.keys()
             if found.published.get(n) != expected.published.get(n)}  # fmt: skip
    takes = {take[:2] for take in found.takes ^ expected.takes}
    return f"files {sorted(names)[:4]}, takes {sorted(takes)[:4]}, pins {set(found.pins ^ expected.pins)}"


def errors_for(kind: str) -> tuple[int | str, ...]:
    return DATABASE_ERRORS if kind in {"sql", "connect"} else ERRORS


def chosen_cases(stage: Stage, count: int, seed: int) -> list[tuple[Command, str, int, int | str]]:
    """Return that many different cases, or all there are."""
    every = [(*place, error) for place in stage.places() for error in errors_for(place[1])]
    return random.Random(seed).sample(every, min(count, len(every)))


def report(results: list[tuple[Command, str, list[str]]], arguments: argparse.Namespace) -> str:
    """Return the results as Markdown."""
    cases = Counter((done.name, kind) for done, kind, _ in results)
    bad = Counter((done.name, kind) for done, kind, problems in results if problems)
    command = f"python benchmarks/faults.py --cases {arguments.cases} --seed {arguments.seed}"
    lines = [
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, `{command}`",
        "",
        "| command | call | cases | with problems |",
        "|---|---|---:|---:|",
        *(f"| {name} | {kind} | {count} | {bad[name, kind]} |" for (name, kind), count in sorted(cases.items())),
        "",
        f"{len(results)} faults, {sum(bad.values())} with problems.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the cases and write the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        os.environ["XDG_CONFIG_HOME"] = str(Path(folder, "config"))
        stage = Stage(Path(folder))
        results = []
        for command, kind, number, error in chosen_cases(stage, arguments.cases, arguments.seed):
            problems = stage.trial(command, kind, number, error)
            if problems:
                name = error if isinstance(error, str) else errno.errorcode[error]
                print(f"{command.name}: {kind} {number} {name}: {'; '.join(problems)}", file=sys.stderr)
            results.append((command, kind, problems))
    text = report(results, arguments)
    print(text)
    if arguments.out:
        arguments.out.write_text(f"# Injected faults\n\n{text}")
    sys.exit(any(problems for _, _, problems in results))


if __name__ == "__main__":
    main()
