"""Runs every console block of README.md and docs/*.md, each page from a clean folder, and says which lines it left out.

    python .ci/docs_console.py [PAGE ...]

What a page needs is written in its source, in comments that readers do not see:

    <!-- console with: story.json films/fox -->    before the first block: made before the page begins
    <!-- console in a clean folder -->             before a block: it does not build on those above it
    <!-- console not run: needs a GPU -->          before a block: why nobody can run it here

Films are made by ``animatic``, small and short, where a command names no backbone. ``pip install`` lines are left out:
everything is installed already.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
_PART = re.compile(r"<!-- console (?P<note>.*?) -->|^```console\n(?P<block>.*?)^```$", re.MULTILINE | re.DOTALL)
_QUICK = {"STORYMEM_BACKBONE": "animatic", "STORYMEM_FRAMES": "5", "STORYMEM_SIZE": "160x96"}
_PATIENCE = 120  #: seconds for one command; a server never ends by itself
#: How to make what a page begins with, from the first example story.
_MADE = {
    "story.json": "cp examples/stories/fox_and_echo.json story.json",
    "story.yaml": "storymem convert examples/stories/fox_and_echo.json story.yaml",
    "episode.json": "storymem convert examples/stories/fox_and_echo.json episode.json --to entitybench",
    "groups.jsonl": 'for line in {1..20}; do echo \'{"prompts": ["A fox walks.", "A fox sits."]}\'; done >groups.jsonl',
    "films/fox": "storymem render examples/stories/fox_and_lantern.json -o films/fox",
    "films/none": "storymem render examples/stories/fox_and_echo.json -o films/none --policy none",
    "films/sink_recent": "storymem render examples/stories/fox_and_echo.json -o films/sink_recent --policy sink_recent",
}


@dataclass(frozen=True)
class Block:
    """Console lines of a page, joined where they go on, and the notes before them."""

    commands: tuple[str, ...]
    notes: tuple[str, ...]

    def note(self, kind: str) -> str | None:
        """Return what follows ``kind`` in a note; None without such a note."""
        return next((note.removeprefix(kind).strip(": ") for note in self.notes if note.startswith(kind)), None)


def blocks_of(page: Path) -> Iterator[Block]:
    """Yield the page's console blocks in order."""
    notes: list[str] = []
    for part in _PART.finditer(page.read_text("utf-8")):
        if part["note"]:
            notes.append(part["note"])
            continue
        lines = part["block"].replace("\\\n", " ").splitlines()
        yield Block(tuple(line.removeprefix("$ ") for line in lines if line.startswith("$ ")), tuple(notes))
        notes = []


class Console:
    """A clean folder and a shell in it."""

    def __init__(self, home: Path) -> None:
        self._folder = Path(tempfile.mkdtemp(dir=home))
        shutil.copytree(ROOT / "examples", self._folder / "examples")
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self._home = home
        self._environ = {**os.environ, **_QUICK, "PATH": path, "XDG_CONFIG_HOME": str(home / "config")}

    def prepare(self, name: str) -> str:
        """Bring in something that a page begins with, made once for all pages; return why it could not be made."""
        kept, target = self._home / "made" / name, self._folder / name
        if not kept.exists():
            if problem := self.run(_MADE[name]):
                return f"{_MADE[name]}\n    {problem}"
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(target, kept)
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if kept.is_dir() else shutil.copy)(kept, target)
        return ""

    def run(self, command: str) -> str:
        """Return why the command failed, empty if it did not."""
        try:
            done = subprocess.run(
                ["bash", "-c", command],
                cwd=self._folder,
                env=self._environ,
                capture_output=True,
                text=True,
                check=False,
                stdin=subprocess.DEVNULL,
                timeout=_PATIENCE,
            )
        except subprocess.TimeoutExpired:
            return f"not done after {_PATIENCE} s"
        return "" if done.returncode == 0 else f"exit {done.returncode}: {(done.stderr or done.stdout)[-600:].strip()}"


def run_page(page: Path, home: Path) -> list[str]:
    """Run a page and return what failed, a text each."""
    failed: list[str] = []
    console: Console | None = None
    for block in blocks_of(page):
        reason = block.note("not run")
        if reason is not None:
            if not reason:
                failed.append(f"{page.name}: a block is not run, and nothing says why")
            print(f"{page.name}: left out, {reason}: {'; '.join(block.commands)}")
            continue
        if console is None or block.note("in a clean folder") is not None:
            console = Console(home)
        for name in (block.note("with") or "").split():
            if problem := console.prepare(name):
                failed.append(f"{page.name}: {problem}")
        for command in block.commands:
            if command.startswith("pip install"):
                continue
            if problem := console.run(command):
                failed.append(f"{page.name}: $ {command}\n    {problem}")
    return failed


def main() -> None:
    """Run the pages named on the command line, or all."""
    pages = [Path(name) for name in sys.argv[1:]] or [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    failed: list[str] = []
    with tempfile.TemporaryDirectory() as home:
        for page in pages:
            started = time.monotonic()
            failed += run_page(page, Path(home))
            print(f"{page.name}: {time.monotonic() - started:.1f} s", flush=True)
    if failed:
        sys.exit("\n".join(failed))


if __name__ == "__main__":
    main()
