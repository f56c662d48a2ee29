"""Many stories on many GPUs, simulated: how busy the queue of ``storymem batch`` keeps them. No GPU.

    python benchmarks/cluster_schedule.py ../shared/data/entitybench --out benchmarks/results/cluster_schedule.md

Stories are drawn, with replacement and a fixed seed, from the EntityBench episodes in the folder; every shot has a
length of its own, a mean times a log-normal factor. Graphs are those of the program itself. A worker that is new, or
comes back with its node, loads weights for 60 s. A node of eight GPUs is lost after 12 minutes and then every 4 hours;
it loses what it is making, and is back after ten minutes.

The second table asks what several GPUs are best used for in *one* story: more shots at once, or more GPUs for a shot.
Seconds a shot: 22 on one GPU and 15 on two are measured; four are reckoned from the forward's 3.62x and what does not
get faster.
"""

from __future__ import annotations

import argparse
import heapq
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import fmean

from storymem.graph import ShotGraph
from storymem.session import Session

#: Mean seconds of a shot, spread of their logarithm, seconds of loading.
SHOTS, SPREAD, LOAD = (22.0, 120.0), 0.35, 60.0
#: Seconds a shot by GPUs that make it together, 4 steps without guidance, 4 memory frames (1 and 2 measured on H200).
SECONDS = {1: 22.0, 2: 15.0, 4: 14.0 / 3.62 + 8.0}
NODE, FIRST_LOSS, LOSS, BACK = 8, 720.0, 4 * 3600.0, 600.0


@dataclass(frozen=True)
class Story:
    """A story's shots by position: how many they wait for, who waits for them, their seconds, the chain after them."""

    waits: list[int]
    children: list[list[int]]
    seconds: list[float]
    chain: list[int]


def story_of(graph: ShotGraph, seconds: Sequence[float]) -> Story:
    """Return a graph as plain lists."""
    ids = [shot.id for shot in graph.board]
    place = {name: n for n, name in enumerate(ids)}
    children = [[place[child] for child in graph.children(name)] for name in ids]
    return Story([len(graph.parents(name)) for name in ids], children, list(seconds), graph.remaining())


def drawn(graphs: Sequence[ShotGraph], count: int, shot: float) -> list[Story]:
    """Return stories with shots of unequal length."""
    dice = random.Random(24)
    chosen = [dice.choice(graphs) for _ in range(count)]
    return [story_of(g, [shot * dice.lognormvariate(-(SPREAD**2) / 2, SPREAD) for _ in g.board]) for g in chosen]


class Simulation:
    """Workers, one queue and the stories that are open."""

    def __init__(
        self, stories: Sequence[Story], workers: int, loss: bool = False, all_open: bool = False, load: float = LOAD
    ) -> None:
        self._stories = sorted(stories, key=lambda s: -max(s.chain))
        self._waits = [list(s.waits) for s in self._stories]
        self._idle = dict.fromkeys(range(workers), load)  # worker: seconds of loading before its next shot
        self._queue: list[tuple[int, int, int]] = []
        self._running: dict[int, tuple[int, int, float]] = {}  # worker: story, shot, start
        self._events: list[tuple[float, int, str, int]] = []
        self._number = 0
        self._token: dict[int, int] = {}  # worker: its event that counts; others are of shots it has lost
        self._opened = 0
        self._all_open = all_open
        self._left = sum(len(s.seconds) for s in stories)
        self._nodes = max(1, workers // NODE)
        self.lost = 0
        self.busy = 0.0
        if loss:
            self._add(FIRST_LOSS, "loss", 0)

    def run(self) -> float:
        """Return the seconds until the last shot is made."""
        now = 0.0
        self._start(now)
        while self._left:
            now, number, kind, worker = heapq.heappop(self._events)
            if kind == "loss":
                self._lose(now, worker)
            elif kind == "back":
                self._idle[worker] = LOAD
            elif self._token.get(worker) == number:
                self._finish(worker)
            self._start(now)
        return now

    def _add(self, when: float, kind: str, worker: int) -> int:
        self._number += 1
        heapq.heappush(self._events, (when, self._number, kind, worker))
        return self._number

    def _open(self) -> None:
        story = self._opened
        self._opened += 1
        for shot, count in enumerate(self._waits[story]):
            if count == 0:
                self._push(story, shot)

    def _push(self, story: int, shot: int) -> None:
        heapq.heappush(self._queue, (-self._stories[story].chain[shot], story, shot))

    def _start(self, now: float) -> None:
        while self._opened < len(self._stories) and (self._all_open or len(self._queue) < len(self._idle)):
            self._open()
        while self._queue and self._idle:
            worker = min(self._idle, key=lambda w: (self._idle[w], w))
            load = self._idle.pop(worker)
            _, story, shot = heapq.heappop(self._queue)
            self._running[worker] = story, shot, now + load
            self._token[worker] = self._add(now + load + self._stories[story].seconds[shot], "done", worker)

    def _finish(self, worker: int) -> None:
        story, shot, _ = self._running.pop(worker)
        self._idle[worker] = 0.0
        self._left -= 1
        self.busy += self._stories[story].seconds[shot]
        for child in self._stories[story].children[shot]:
            self._waits[story][child] -= 1
            if self._waits[story][child] == 0:
                self._push(story, child)

    def _lose(self, now: float, count: int) -> None:
        node = count % self._nodes
        for worker in range(node * NODE, (node + 1) * NODE):
            self._idle.pop(worker, None)
            self._token.pop(worker, None)
            if worker in self._running:
                story, shot, _ = self._running.pop(worker)
                self._push(story, shot)
                self.lost += 1
            self._add(now + BACK, "back", worker)
        self._add(now + LOSS, "loss", count + 1)


def graphs_of(folder: Path, policy: str) -> list[ShotGraph]:
    """Return the graphs of all episodes in a folder."""
    with Session(backbone="animatic", policy=policy, frames=81) as session:
        return [session.plan(path).graph for path in sorted(folder.glob("*/*.json"))]


def pool_rows(folder: Path, count: int, workers: int) -> list[str]:
    """Return the table of many stories."""
    head = "| policy | seconds a shot | stories opened | nodes lost | makespan | utilisation | shots lost |"
    rows = [head, "|---|---|---|---|---|---|---|"]
    for policy in ("sink_recent", "scheduled_coverage"):
        graphs = graphs_of(folder, policy)
        for shot, all_open, loss in product(SHOTS, (False, True), (False, True)):
            simulation = Simulation(drawn(graphs, count, shot), workers, loss, all_open)
            seconds = simulation.run()
            share = simulation.busy / (seconds * workers)
            opened, lost = "all" if all_open else "on demand", "one every 4 h" if loss else "none"
            cells = [policy, f"{shot:g}", opened, lost, f"{seconds / 3600:.2f} h", f"{share:.1%}", f"{simulation.lost}"]
            rows.append(f"| {' | '.join(cells)} |")
    return rows


def story_seconds(graph: ShotGraph, gpus: int, each: int) -> float:
    """Return the seconds of one story on ``gpus`` GPUs, ``each`` to a shot, weights loaded."""
    story = story_of(graph, [SECONDS[each]] * len(graph.board))
    return Simulation([story], gpus // each, all_open=True, load=0.0).run()


def single_rows(folder: Path) -> list[str]:
    """Return the table of one story."""
    head = "| policy | GPUs | one GPU a shot | two | four | best of these, story by story |"
    rows = [head, "|---|---|---|---|---|---|"]
    for policy in ("sink_recent", "scheduled_coverage"):
        graphs = graphs_of(folder, policy)
        for gpus in (2, 4, 8):
            ways = [each for each in SECONDS if each <= gpus]
            times = {each: [story_seconds(graph, gpus, each) / len(graph.board) for graph in graphs] for each in ways}
            cells = [f"{fmean(times[each]):.1f} s" if each in times else "" for each in SECONDS]
            best = fmean(min(column) for column in zip(*times.values(), strict=True))
            rows.append(f"| {policy} | {gpus} | {' | '.join(cells)} | {best:.1f} s |")
    return rows


def main() -> None:
    """Simulate and write the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--stories", type=int, default=200)
    parser.add_argument("--gpus", type=int, default=64)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    folder = arguments.folder
    lines = [
        "# Many stories on many GPUs, simulated",
        "",
        "    python benchmarks/cluster_schedule.py ../shared/data/entitybench",
        "",
        f"{arguments.stories} stories drawn from {len(list(folder.glob('*/*.json')))} EntityBench episodes,",
        f"{arguments.gpus} GPUs, longest remaining chain first, weights stay and take {LOAD:g} s to load.",
        "22 s is a distilled shot of 4 steps, 120 s one of 20 steps with guidance (40 forwards of 2.9 s in float8).",
        "",
        *pool_rows(folder, arguments.stories, arguments.gpus),
        "",
        "## One story: more shots at once, or more GPUs for one shot",
        "",
        "Seconds of waiting per shot of the story, mean over the episodes, weights loaded.",
        "",
        *single_rows(folder),
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    if arguments.out:
        arguments.out.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
