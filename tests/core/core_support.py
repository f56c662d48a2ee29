"""What the core's tests share: scripts in a line, runs of the tiny backbone, and a look at what a run came to."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from storymem.api import RunResult, Storyteller
from storymem.engine.cancel import CancelToken
from storymem.interfaces import Keyframe
from storymem.media.video import iter_frames
from storymem.plugin import Kind, PluginHost
from storymem.runs import OpenRun, open_run
from storymem.store.runstore import RunStore
from storymem.values.events import Event
from storymem.values.script import StoryScript

PLUGIN = Path(__file__).with_name("tiny_plugin.py")
PROGRAM = Path(sys.executable).with_name("storymem")
#: Columns that say when and how long, and so differ between equal runs.
TIMES = {"created", "seconds", "mtime_ns"}


def shot(prompt: str, **fields: Any) -> dict[str, Any]:
    """Return one shot as plain data."""
    return {"prompt": prompt, **fields}


def story(*scenes: Sequence[dict[str, Any] | str], title: str = "Tale", **fields: Any) -> StoryScript:
    """Return a script; a shot may be given as its prompt alone."""
    plain = [{"shots": [shot(s) if isinstance(s, str) else s for s in scene]} for scene in scenes]
    return StoryScript.model_validate({"title": title, "scenes": plain, **fields})


def chain(count: int, cut: bool = True, **fields: Any) -> StoryScript:
    """Return a story of one scene with prompts p1, p2, ..."""
    return story([shot(f"p{i + 1}", cut=cut or i == 0) for i in range(count)], **fields)


@dataclass
class Stage:
    """A folder for runs of the tiny backbone."""

    root: Path
    events: list[Event] = field(default_factory=list)

    @property
    def journal(self) -> Path:
        return self.root / "journal.txt"

    def teller(self, run: str = "run", **settings: Any) -> Storyteller:
        """Return a storyteller; ``fault``, ``look`` and ``concurrent`` go to the tiny backbone."""
        tiny = {key: settings.pop(key) for key in ("fault", "look", "concurrent") if key in settings}
        backbone = settings.pop("backbone", {"name": "blocks", "journal": str(self.journal), **tiny})
        return Storyteller(self.root / run, plugins=[PLUGIN], backbone=backbone, **settings)

    def render(
        self,
        script: StoryScript | Path,
        run: str = "run",
        on_event: Callable[[Event], None] | None = None,
        cancel: CancelToken | None = None,
        base: Path | None = None,
        **settings: Any,
    ) -> RunResult:
        """Render and return the result; ``events`` holds this render's events afterwards."""
        self.events = []

        def keep(event: Event) -> None:
            self.events.append(event)
            if on_event is not None:
                on_event(event)

        with self.teller(run, **settings) as teller:
            return teller.render(script, keep, cancel, base, check=False)

    def made(self) -> list[str]:
        """Return the prompts of the clips made since the last call, sorted."""
        if not self.journal.exists():
            return []
        prompts = sorted(self.journal.read_text("utf-8").splitlines())
        self.journal.unlink()
        return prompts

    def folder(self, run: str = "run") -> Path:
        return self.root / run

    def store(self, run: str = "run", write: bool = False) -> RunStore:
        return RunStore(self.root / run, write=write)

    def opened(self, run: str = "run", write: bool = False) -> AbstractContextManager[OpenRun]:
        """Open a run with both of its stores."""
        return open_run(self.root / run, write)

    def keyframes(self, run: str = "run") -> dict[str, tuple[Keyframe, ...]]:
        """Return the keyframes that each shot gives to memory."""
        with self.opened(run) as opened:
            return {current.shot: opened.keyframes(current.shot) for current in opened.store.current()}

    def of(self, kind: type[Event]) -> list[Any]:
        """Return the last render's events of a type."""
        return [event for event in self.events if isinstance(event, kind)]


def tiny_module() -> ModuleType:
    """Return the tiny plugin's module as plugin hosts of this process have it."""
    return sys.modules[PluginHost([PLUGIN]).find(Kind.BACKBONE, "blocks").load().__module__]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def film_pixels(folder: Path) -> str:
    """Return the hash of the film's decoded frames."""
    found = hashlib.sha256()
    for frame in iter_frames(folder / "film.mp4"):
        found.update(frame.tobytes())
    return found.hexdigest()


def rows(folder: Path, skip: Iterable[str] = ("meta", "state")) -> dict[str, list[dict[str, Any]]]:
    """Return every row of both databases but for times, tables in ``skip`` left out."""
    found: dict[str, list[dict[str, Any]]] = {}
    for file in ("run.sqlite", "memory.sqlite"):
        database = sqlite3.connect(folder / file)
        try:
            database.row_factory = sqlite3.Row
            for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                if table not in skip:
                    entries = [dict(row) for row in database.execute(f"SELECT * FROM {table}")]
                    plain = [{k: v for k, v in row.items() if k not in TIMES} for row in entries]
                    found[f"{file}:{table}"] = sorted(plain, key=lambda row: json.dumps(row, default=repr))
        finally:
            database.close()
    return found


def published(folder: Path) -> dict[str, str]:
    """Return the digests of the files that people look at, by name."""
    files = [p for name in ("shots", "keyframes") for p in sorted((folder / name).glob("*"))]
    return {p.relative_to(folder).as_posix(): digest(p) for p in [*files, folder / "film.mp4"]}


def objects(folder: Path) -> set[str]:
    """Return the digests of the stored files that are there."""
    return {path.stem for path in (folder / "objects").iterdir()}


def check_tidy(folder: Path) -> None:
    """Assert that a run folder holds exactly what its database says, and nothing half-made."""
    with RunStore(folder, write=False) as store:
        assert objects(folder) == set(store.files()), "stray or missing files"
        names = set(store.published())
    assert not list((folder / "tmp").iterdir()), "temporary files were left"
    there = {p.relative_to(folder).as_posix() for n in ("shots", "keyframes") for p in (folder / n).glob("*")}
    assert there == names


def check_stores_agree(folder: Path) -> None:
    """Assert that the memory store holds the selections that the run store names, with their pictures, and no more."""
    with open_run(folder) as run:
        named = run.store.selections()
        assert run.memory_store is not None
        assert run.memory_store.owners() == named.keys()
        for key, ids in named.items():
            kept = run.memory_store.of(key)
            assert tuple(k.id for k in kept) == ids
            assert [k.file for k in kept] == [run.store.picture(k.id) for k in kept]


def quarantined(folder: Path) -> dict[str, str]:
    """Return why each file in a run's quarantine is there, by its name."""
    found = {}
    for path in (folder / "quarantine").glob("*"):
        if not path.name.endswith(".why.txt"):
            found[path.name] = path.with_name(path.name + ".why.txt").read_text("utf-8")
    return found


def flip(path: Path, keep_time: bool = False) -> None:
    """Change one byte in the middle of a file, in place."""
    stat = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    with path.open("r+b") as file:
        file.write(data)
    if keep_time:
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    else:
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000_000))


def clean_environ(**extra: str) -> dict[str, str]:
    """Return the environment without settings of the person who runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("STORYMEM_")}
    return {**kept, "PYTHONWARNINGS": "error", "NO_COLOR": "1", "COLUMNS": "200", **extra}


def storymem(*args: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the installed program."""
    return subprocess.run(
        [str(PROGRAM), *map(str, args)],
        cwd=cwd,
        env=clean_environ(**(env or {})),
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


@dataclass(frozen=True)
class Done:
    """What a command came to."""

    returncode: int
    stdout: str
    stderr: str


class Program:
    """The program inside this process: the same ``main``, without the seconds that 50 interpreters take to start."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *args: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> Done:
        from storymem.cli.main import main

        self._capsys.readouterr()
        with self._monkeypatch.context() as patch:
            patch.chdir(cwd)
            patch.setattr(sys, "argv", ["storymem", *map(str, args)])
            for name, value in (env or {}).items():
                patch.setenv(name, value)
            try:
                main()
                code = 0
            except SystemExit as end:
                code = int(end.code or 0)
        out, err = self._capsys.readouterr()
        return Done(code, out, err)


def json_lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]
