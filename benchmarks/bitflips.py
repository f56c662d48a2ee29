"""Flips one bit of one stored file of a run, and looks whether it is found, harmless, or silently used.

    python benchmarks/bitflips.py [--flips 5000] [--seed 0] [--out benchmarks/results/bitflips.md]

Each trial takes a copy of a finished run with two takes of a shot and a pin, flips one bit of one of its files without
changing the file's time, and checks

- that ``status`` and ``takes`` say what they said before, or end with one line and a documented exit code,
- that ``verify`` tells of it, or the run is as good as before,
- that a render which reads every master gives the film of an undisturbed run, byte for byte, if need be after the
  ``storymem repair`` or ``storymem resume`` that the error names; with every take but the one whose file was hit, and
  with its pin, whose damage must be an error,
- that nothing ends with a traceback.
"""

from __future__ import annotations

import argparse
import io
import os
import platform
import random
import shutil
import sqlite3
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from faults import COMMANDS, STORY, State, difference, ending_problems, program, state_of

RENDER = COMMANDS[0]
#: Reads every master, so that a damaged one must be noticed.
CHANGED = ("--set", "crf=20")


@dataclass(frozen=True)
class Said:
    """What the program says of a run: the output of ``status`` and ``takes``."""

    status: str
    takes: str


@dataclass(frozen=True)
class Flip:
    """One bit: the file in the run folder, the byte and the bit of it."""

    name: str
    byte: int
    bit: int

    def apply(self, folder: Path) -> None:
        """Flip it in place, the file's time kept."""
        path = folder / self.name
        stat = path.stat()
        data = bytearray(path.read_bytes())
        data[self.byte] ^= 1 << self.bit
        path.write_bytes(data)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    @property
    def kind(self) -> str:
        """What sort of file it is, for the table."""
        path = Path(self.name)
        return f"{path.parent}/*{path.suffix}" if path.parent != Path() else path.name


class Stage:
    """A finished run, and what a changed render makes of it undisturbed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.script = root / "tale.json"
        self.script.write_text(STORY)
        self.base = root / "run"
        for arguments in (
            RENDER.line(self.base, self.script),
            ["redo", str(self.base), "1.1", "--seed", "5", "--quiet"],
            ["pin", str(self.base), "1.1", "1", "--quiet"],
        ):
            code, err = program(arguments)
            assert code == 0, err
        self.kept = self.root / "kept"
        shutil.copytree(self.base, self.kept)
        self.before = state_of(self.base)
        self.said = self.ask()
        assert self.render() == (0, "")
        self.expected = state_of(self.base)

    def restore(self) -> None:
        """Make the run what it was; always in the same folder, whose name is part of what is said."""
        shutil.rmtree(self.base, ignore_errors=True)
        shutil.copytree(self.kept, self.base)

    def render(self) -> tuple[int, str]:
        """Render with another quality of viewing copies."""
        return program([*RENDER.line(self.base, self.script), *CHANGED])

    def ask(self) -> Said:
        """Return what the program says of the run."""
        return Said(
            *(self._output([*words]) for words in (("status", str(self.base)), ("takes", str(self.base), "1.1")))
        )

    def _output(self, arguments: list[str]) -> str:
        out = io.StringIO()
        code, err = program([*arguments, "--json"], out)
        problems = ending_problems(code, err)
        return "; ".join(problems) if problems else (f"exit {code}" if code else out.getvalue())

    def files(self) -> list[str]:
        """Return every stored file that has a byte."""
        found = (path for path in sorted(self.kept.rglob("*")) if path.is_file() and path.stat().st_size)
        return [path.relative_to(self.kept).as_posix() for path in found]

    def trial(self, flip: Flip, verify: bool) -> tuple[str, list[str]]:
        """Flip a bit and return how it was found, and what is wrong."""
        self.restore()
        flip.apply(self.base)
        try:
            return self._trial(flip, verify)
        except Exception as bug:
            return "traceback", [f"traceback: {type(bug).__name__}: {bug}"]

    def _trial(self, flip: Flip, verify: bool) -> tuple[str, list[str]]:
        found, problems = "", []
        said = self.ask()
        for answer, expected in ((said.status, self.said.status), (said.takes, self.said.takes)):
            if answer.startswith("exit "):
                found = "by status"
            elif answer != expected:
                problems.append(f"says {answer[:200]!r}")
        if verify:
            code, err = program(["verify", str(self.base)])
            problems += ending_problems(code, err)
            found = found or ("by verify" if code else "")
            if code and "pinned" in err:
                return "by verify", problems
        code, err = self.render()
        problems += ending_problems(code, err)
        if code and "its pinned take" in err:
            return found or "by render", [*problems, *self._lost(flip)]
        if code:
            found = found or "by render"
            repaired, err = program(["repair", str(self.base)])
            problems += ending_problems(repaired, err)
            code, err = self.render()
            problems += [f"after repair: {err.strip()[-200:]}"] if code else []
        after = state_of(self.base)
        if after.published != self.expected.published:
            problems.append(difference(after, self.expected))
        return found or "harmless", [*problems, *self._lost(flip)]

    def _lost(self, flip: Flip) -> list[str]:
        """Return the takes and pins that are lost, but for the take whose own file was hit."""
        after: State = state_of(self.base)
        hit = Path(flip.name).stem
        lost = [f"lost take {take[:2]}" for take in sorted(self.before.takes - after.takes) if take[3] != hit]
        return lost + ([f"pins are {set(after.pins)}"] if after.pins != self.before.pins else [])


def main() -> None:
    """Flip bits and write the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--flips", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    kinds: Counter[tuple[str, str]] = Counter()
    bad = 0
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        os.environ["XDG_CONFIG_HOME"] = str(Path(folder, "config"))
        stage = Stage(Path(folder))
        for flip, verify in chosen(stage, arguments.flips, chance):
            how, problems = stage.trial(flip, verify)
            kinds[flip.kind, how] += 1
            bad += bool(problems)
            if problems:
                print(f"{flip}: {how}: {'; '.join(problems)}", file=sys.stderr)
    text = report(kinds, bad, f"python benchmarks/bitflips.py --flips {arguments.flips} --seed {arguments.seed}")
    print(text)
    if arguments.out:
        arguments.out.write_text(f"# Flipped bits\n\n{text}")
    sys.exit(bool(bad))


def chosen(stage: Stage, count: int, chance: random.Random) -> list[tuple[Flip, bool]]:
    """Return flips, half of them in the databases and notes, and whether ``verify`` is asked before the render."""
    files = stage.files()
    records = [name for name in files if name.endswith((".sqlite", ".json"))]
    flips = []
    for number in range(count):
        name = chance.choice(records if number % 2 else files)
        size = (stage.kept / name).stat().st_size
        flips.append((Flip(name, chance.randrange(size), chance.randrange(8)), number % 4 > 1))
    return flips


def report(kinds: Counter[tuple[str, str]], bad: int, command: str) -> str:
    """Return the results as Markdown."""
    lines = [
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, `{command}`",
        "",
        "| file | found by status | by verify | by render | harmless |",
        "|---|---:|---:|---:|---:|",
    ]
    columns = ("by status", "by verify", "by render", "harmless")
    for kind in sorted({kind for kind, _ in kinds}):
        lines.append(f"| {kind} | {' | '.join(str(kinds[kind, how]) for how in columns)} |")
    lines += ["", f"{kinds.total()} flips, {bad} with problems: silently used, lost, or a traceback."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
