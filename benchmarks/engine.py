"""What the engine itself costs: overhead a shot, long scripts, re-runs, and the memory of a long run.

    python benchmarks/engine.py [--shots 1000] [--out benchmarks/results/engine.md]

The backbone and the video files are replaced by an executor that answers at once with tiny files, so that only
the engine, the run store and the graph are measured. Film joining and readable names are included where said.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from storymem.api import Storyteller
from storymem.interfaces import Executor, Keyframe, Requirements, TaskListener, WorkerRecipe
from storymem.media.video import LOSSLESS, viewing_codec, write_clip
from storymem.values.clip import Clip
from storymem.values.files import FileRef
from storymem.values.picture import encode_png
from storymem.values.work import MadeClip, ShotOutcome, ShotTask

FRAMES, SIDE = 5, 16


class InstantExecutor(Executor):
    """Answers every task at once, with copies of one real master and one real viewing copy."""

    def describe(self, workers: int, needs: Requirements) -> str:
        """Say that nothing is made."""
        return "nobody"

    def open(self, workers: int, needs: Requirements) -> None:
        """Encode the two files once."""
        self.is_open = True
        with tempfile.TemporaryDirectory() as folder:
            clip = Clip(np.full((FRAMES, SIDE, SIDE, 3), 128, np.uint8), 16)
            master, view = Path(folder, "m.mkv"), Path(folder, "v.mp4")
            write_clip(master, clip, LOSSLESS)
            write_clip(view, clip, viewing_codec(18))
            self._master, self._view = master.read_bytes(), view.read_bytes()

    def wait_for_room(self, timeout: float) -> bool:
        """Return True."""
        return True

    def cancel(self, future: Future[ShotOutcome]) -> None:
        """Nothing runs."""

    def submit(
        self, recipe: WorkerRecipe, task: ShotTask, listener: TaskListener, priority: float = 0.0
    ) -> Future[ShotOutcome]:
        """Write files that differ between shots, without encoding or syncing."""
        keyframes = []
        for index in range(3):
            picture = np.frombuffer(hashlib.sha256(f"{task.shot}/{index}".encode()).digest()[:27], np.uint8)
            pixels = picture.reshape(3, 3, 3)
            made = Keyframe.of_picture(pixels, task.shot, task.ref.position, index, task.ref.entities)
            file = _file(task.path(f"k{index}.png"), encode_png(pixels))
            keyframes.append(replace(made, scores={"sharpness": 1.0}, file=file, pixels=None))
        clip = MadeClip(
            # Players ignore what follows the last element, so every shot gets a file of its own.
            master=_file(task.path("master.mkv"), self._master + task.shot.encode()),
            clip=hashlib.sha256(task.shot.encode()).hexdigest(),
            frames=FRAMES,
            width=SIDE,
            height=SIDE,
            fps=16,
            seconds=0.0,
            seed=0,
        )
        future: Future[ShotOutcome] = Future()
        future.set_result(
            ShotOutcome(task.shot, clip, _file(task.path("view.mp4"), self._view), candidates=tuple(keyframes))
        )
        return future

    def kill(self, future: Future[ShotOutcome], reason: BaseException) -> None:
        """Nothing runs."""


def _file(path: Path, data: bytes) -> FileRef:
    path.write_bytes(data)
    return FileRef(path, hashlib.sha256(data).hexdigest())


def script(shots: int) -> dict[str, Any]:
    """Return a script of ``shots`` shots in scenes of ten, with twelve recurring entities."""
    entities = [{"id": f"e{i}", "look": "a look"} for i in range(12)]
    scenes = [
        {
            "shots": [
                {"prompt": f"shot {s} of scene {n}", "cut": True, "entities": [f"e{(n + s) % 12}", f"e{n % 12}"]}
                for s in range(10)
            ]
        }
        for n in range(shots // 10)
    ]
    return {"title": f"{shots} shots", "entities": entities, "scenes": scenes}


def timed(work: Callable[[], object]) -> float:
    """Return the seconds ``work`` takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


Row = tuple[str, str, str]


def checked(folder: Path) -> Iterator[Row]:
    """Yield the time to load, validate and plan 10,000 shots."""
    path = folder / "long.json"
    path.write_text(json.dumps(script(10_000)))
    for policy in ("sink_recent", "scheduled_coverage"):
        teller = Storyteller(folder / "unused", policy=policy, backbone="animatic", size="16x16")
        seconds = timed(partial(teller.dry_run, path))
        yield f"10,000 shots: load, validate, graph ({policy})", f"{seconds:.2f} s", "2 s"


def made(folder: Path, shots: int) -> Iterator[Row]:
    """Yield the engine's time for shots that cost nothing, its memory, and its time where all is done."""
    path = folder / "middle.json"
    path.write_text(json.dumps(script(shots)))
    peaks: list[int] = []

    def watch(event: object) -> None:
        if type(event).__name__ == "ShotFinished":
            peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)

    teller = instant(folder / "run")
    first = timed(lambda: teller.render(path, watch))
    yield f"{shots} shots made: engine overhead a shot", f"{first / shots * 1e3:.2f} ms", "10 ms"
    growth = (peaks[-1] - peaks[len(peaks) // 10]) / 1024
    yield f"peak memory growth over the last nine tenths of {shots} shots", f"{growth:.1f} MiB", "0.5 MiB"
    again = timed(lambda: instant(folder / "run").render(path))
    yield f"re-run of the finished {shots}-shot run", f"{again:.2f} s", "3 s"


def instant(run: Path) -> Storyteller:
    """Return a storyteller whose shots take no time to make."""
    return Storyteller(
        run,
        executor=InstantExecutor(),
        backbone="animatic",
        policy="sink_recent",
        size="16x16",
        frames=FRAMES,
        filters=[],
    )


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--shots", type=int, default=1000)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = [*checked(Path(folder)), *made(Path(folder), arguments.shots)]
    lines = ["| what | measured | bound |", "|---|---|---|", *(f"| {a} | {b} | {c} |" for a, b, c in rows)]
    table = "\n".join(lines)
    text = f"Python {platform.python_version()}, {platform.machine()}, `python benchmarks/engine.py`\n\n{table}\n"
    print(text)
    if arguments.out:
        arguments.out.write_text(f"# Engine overhead\n\n{text}")


if __name__ == "__main__":
    main()
