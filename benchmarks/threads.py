"""What OpenMP threads cost the embedded model: two shots and their finishing, on a quiet machine and beside other work.

    python benchmarks/threads.py --out benchmarks/results/threads.md

Every row is one setting of the environment, every column a number of jobs that compute without end beside it. Meant
for a machine with nothing else to do; the number of runnable jobs at the start is written down.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STORY = {
    "title": "Threads",
    "scenes": [{"shots": [{"prompt": "Wide shot of a fox in the forest."}, {"prompt": "Close-up of the fox."}]}],
}
#: By name; "as shipped" is what storymem sets by itself.
SETTINGS: dict[str, dict[str, str]] = {
    "as shipped": {},
    "OpenMP's own defaults": {"OMP_WAIT_POLICY": "undefined"},
    "OMP_WAIT_POLICY=passive": {"OMP_WAIT_POLICY": "passive"},
    "GOMP_SPINCOUNT=2000": {"GOMP_SPINCOUNT": "2000"},
    "OMP_NUM_THREADS=1": {"OMP_NUM_THREADS": "1"},
}
COMPETING = (0, 1, 2)
_VARIABLES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "OMP_NUM_THREADS")


@contextmanager
def competing(jobs: int) -> Iterator[None]:
    """Keep so many processes busy."""
    started = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(jobs)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def film_seconds(settings: dict[str, str]) -> float:
    """Return how long the film of `STORY` takes from the start of the program to its end."""
    environ = {name: value for name, value in os.environ.items() if name not in _VARIABLES} | settings
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "story.json")
        script.write_text(json.dumps(STORY), "utf-8")
        started = time.perf_counter()
        command = ["storymem", "render", script, "-o", Path(folder, "run"), "--backbone", "tiny", "--quiet"]
        subprocess.run(command, check=True, capture_output=True, env=environ)
        return time.perf_counter() - started


def table(repeats: int) -> Iterator[str]:
    """Yield the lines of the report; the least of all repeats counts, since everything else only adds."""
    busy, processors = os.getloadavg()[0], os.cpu_count()
    yield f"{processors} processors, load {busy:.1f} at the start; seconds for two shots, best of {repeats}."
    yield ""
    yield f"| setting | {' | '.join(f'{jobs} jobs beside' for jobs in COMPETING)} |"
    yield f"|---{'|---' * len(COMPETING)}|"
    for name, settings in SETTINGS.items():
        seconds = []
        for jobs in COMPETING:
            with competing(jobs):
                seconds.append(min(film_seconds(settings) for _ in range(repeats)))
        yield f"| {name} | {' | '.join(f'{value:.1f}' for value in seconds)} |"


def main() -> None:
    """Measure all settings and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="report to write")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    lines = ["# OpenMP threads", "", "`python benchmarks/threads.py`", ""]
    for line in table(arguments.repeats):
        print(line, flush=True)
        lines.append(line)
    if arguments.out:
        arguments.out.write_text("\n".join([*lines, ""]), "utf-8")


if __name__ == "__main__":
    main()
