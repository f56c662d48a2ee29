"""Kills a render at random moments and resumes it: the film must be the same, and nothing may be made twice.

    python benchmarks/crash.py [--kills 50] [--seed 0] [--out benchmarks/results/crash.md]

Each trial starts ``storymem render`` on an example story in a fresh folder, sends SIGKILL a random few
milliseconds after a random event of the run (to the whole process group, or to the engine alone, leaving its
workers orphaned), renders again, and checks

- the film and every published file by hash against an undisturbed run,
- that no shot whose take was committed before the kill was generated again,
- that no file is left that the database does not know, and none is missing.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAM = Path(sys.executable).with_name("storymem")
STORY = Path(__file__).parents[1] / "examples" / "stories" / "fox_and_lantern.json"
#: Small pictures drawn at once, two workers, and both ways of joining shots.
_SETTINGS = ("backbone=animatic", "size=208x112", "frames=17", "workers=2", "continuation=motion")
OPTIONS = tuple(part for setting in _SETTINGS for part in ("--set", setting))
_DELAY = 0.1  #: seconds; longer than most pauses between two events of this run


@dataclass(frozen=True)
class Trial:
    """One kill: after which event and seconds, what was committed, what the second render made, what is wrong."""

    event: int
    delay: float
    whole_group: bool
    executor: str
    committed: int
    made: int
    problems: tuple[str, ...]


@dataclass(frozen=True)
class Job:
    """A render to be disturbed: the script, its options, and what an undisturbed run gives: files and events."""

    story: Path
    options: tuple[str, ...]
    files: dict[str, str]
    events: int

    def command(self, folder: Path, executor: str) -> list[str]:
        """Return the command that renders into ``folder``."""
        extra = ("--set", f"executor={executor}", "--json")
        return [str(PROGRAM), "render", str(self.story), "-o", str(folder), *self.options, *extra]

    def render(self, folder: Path, executor: str) -> list[dict[str, Any]]:
        """Render to the end and return the events."""
        done = subprocess.run(self.command(folder, executor), capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def disturb(self, folder: Path, executor: str, chance: random.Random) -> Trial:
        """Render, kill, render again, and look."""
        event, delay, whole_group = chance.randint(1, self.events), chance.uniform(0, _DELAY), chance.random() < 0.5
        kill_after(self.command(folder, executor), event, delay, whole_group)
        committed = committed_shots(folder)
        events = self.render(folder, executor)
        generated = {e["shot"] for e in events if e["event"] == "ShotStarted" and e["mode"] != "select"}
        problems = list(untidy(folder))
        if published(folder) != self.files:
            problems.append("another film")
        if again := sorted(generated & committed):
            problems.append(f"made twice: {', '.join(again)}")
        return Trial(event, delay, whole_group, executor, len(committed), len(generated), tuple(problems))


def undisturbed(story: Path, options: tuple[str, ...], folder: Path) -> Job:
    """Render once undisturbed and return the job, with what comes out."""
    events = Job(story, options, {}, 0).render(folder, "thread")
    return Job(story, options, published(folder), len(events))


def kill_after(command: list[str], event: int, delay: float, whole_group: bool) -> None:
    """Start a render and kill it ``delay`` seconds after its ``event``-th event, unless it has ended by then."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        for _ in range(event):
            process.stdout.readline()
        drain = threading.Thread(target=process.stdout.read)
        drain.start()
        try:
            process.wait(delay)
        except subprocess.TimeoutExpired:
            (os.killpg if whole_group else os.kill)(process.pid, signal.SIGKILL)
        process.wait()
        drain.join()  # ends when the last orphan has closed its end


def committed_shots(folder: Path) -> set[str]:
    """Return the shots whose takes are in the database."""
    database = sqlite3.connect(folder / "run.sqlite")
    try:
        return {row[0] for row in database.execute("SELECT shot FROM takes")}
    finally:
        database.close()


def published(folder: Path) -> dict[str, str]:
    """Return the hashes of the film, the viewing copies and the keyframes by name."""
    files = [folder / "film.mp4", *folder.glob("shots/*"), *folder.glob("keyframes/*")]
    return {str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def untidy(folder: Path) -> list[str]:
    """Return what is in the folder and unknown, or known and missing, or made twice."""
    database = sqlite3.connect(folder / "run.sqlite")
    try:
        known = {row[0] for row in database.execute("SELECT digest FROM objects")}
        doubles = database.execute("SELECT shot FROM takes GROUP BY shot HAVING count(*) > 1").fetchall()
    finally:
        database.close()
    there = {path.stem for path in (folder / "objects").iterdir()}
    problems = [f"stray object {name[:12]}" for name in sorted(there - known)]
    problems += [f"missing object {name[:12]}" for name in sorted(known - there)]
    problems += [f"temporary file {path.name}" for path in (folder / "tmp").iterdir()]
    return problems + [f"two takes of {row[0]}" for row in doubles]


def report(job: Job, trials: list[Trial], seed: int) -> str:
    """Return the results as Markdown."""
    command = f"`python benchmarks/crash.py --kills {len(trials)} --seed {seed}`"
    lines = [
        f"Python {platform.python_version()}, {platform.machine()}, {command}",
        "",
        f"Story {job.story.name}, {' '.join(job.options)}; an undisturbed run has {job.events} events.",
        "",
        "| kill | after event | and | whom | executor | committed by then | made afterwards | problems |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for number, trial in enumerate(trials, 1):
        whom = "process group" if trial.whole_group else "engine alone"
        wrong = "; ".join(trial.problems) or "none"
        cells = (
            number,
            trial.event,
            f"{trial.delay * 1e3:.0f} ms",
            whom,
            trial.executor,
            trial.committed,
            trial.made,
            wrong,
        )
        lines.append(f"| {' | '.join(map(str, cells))} |")
    bad = sum(bool(trial.problems) for trial in trials)
    return "\n".join([*lines, "", f"{len(trials)} kills, {bad} with problems."]) + "\n"


def main() -> None:
    """Run the trials and write the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        job = undisturbed(STORY, OPTIONS, Path(folder, "undisturbed"))
        trials = []
        for number in range(arguments.kills):
            executor = "process" if number % 5 == 4 else "thread"
            trials.append(job.disturb(Path(folder, str(number)), executor, chance))
    text = report(job, trials, arguments.seed)
    print(text)
    if arguments.out:
        arguments.out.write_text(f"# Crash test\n\n{text}")
    sys.exit(any(trial.problems for trial in trials))


if __name__ == "__main__":
    main()
