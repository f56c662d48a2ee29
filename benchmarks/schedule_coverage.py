"""How well memory policies recall what a shot needs, and how much of a story they let run side by side. No GPU.

Usage: python benchmarks/schedule_coverage.py ../shared/data/entitybench

The folder holds EntityBench episodes in easy/, medium/ and hard/. For every policy and budget each shot
recalls from keyframes of the shots it may see (one a shot; it shows all entities scheduled for its shot). An
entity is *needed* if the shot shows it and an earlier shot showed it; its *gap* is the distance to the latest
such shot. Coverage is the share of needed entities that the recalled keyframes show. The critical path is the
longest chain of shots that wait for each other, as a share of all shots; a shot that is no cut waits for the
one before it. Speed-up is simulated with shots of equal length, started in story order as soon as what they
wait for is done and a worker is free.

Generations say how often a recalled look was made from a look that was itself made: 1 if the keyframe is of the
entity's first shot or a reference image, else one more than the looks that keyframe was made from, on average.

Policies that compare pictures (prompt_topk, dual_query, diverse) are not here: a schedule has no pictures.
Writes benchmarks/results/schedule_coverage.{md,json} and docs/images/schedule_coverage.svg.
"""

from __future__ import annotations

import argparse
import heapq
import json
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from schedule_report import markdown, plot

from storymem.graph import ShotGraph, build_graph
from storymem.interfaces import Keyframe, MemoryPolicy, MemoryView
from storymem.plugin import Kind, PluginHost
from storymem.script.cast import cast_of
from storymem.script.loader import load_script
from storymem.values.storyboard import BoardShot, Storyboard
from storymem_memory_policies.covering import greedy_order

ROOT = Path(__file__).parent
TIERS = ("easy", "medium", "hard")
GAPS = {"1": 1, "2-3": 3, "4-7": 7, "8-15": 15, "16+": 10**9}
WORKERS = (1, 2, 4, 8)
BUDGETS = (2, 4, 8)
MISSES = (0.0, 0.1, 0.2, 0.3, 0.5)
#: TFLOP of one forward of one expert at 832x480x81: without memory, and for each keyframe (measured, see
#: docs).
FORWARD, PER_KEYFRAME, FULL_MEMORY = 1678.0, 141.6, 10


class EarlyTies(MemoryPolicy):
    """The yardstick: greedy coverage that prefers, among equal covers, shots early in the graph."""

    def __init__(self, budget: int) -> None:
        super().__init__()
        self.budget = budget
        self._plans: dict[int, list[list[int]]] = {}

    def sees(self, board: Storyboard, shot: BoardShot) -> Sequence[int]:
        """Return the planned shots."""
        if id(board) not in self._plans:
            self._plans[id(board)] = self._plan(board)
        return self._plans[id(board)][shot.position]

    def recall(self, shot: BoardShot, view: MemoryView, budget: int) -> Sequence[Keyframe]:
        """Return their keyframes."""
        return view[:budget]

    def _plan(self, board: Storyboard) -> list[list[int]]:
        cast, depth, plan = cast_of(board).by_shot, [], []
        for shot in board:
            earlier = cast[: shot.position]
            order = greedy_order(earlier, cast[shot.position], self.budget, lambda p: (depth[p], p))
            waits = [*order, *([] if shot.cut else [shot.position - 1])]
            depth.append(1 + max((depth[p] for p in waits), default=0))
            plan.append(sorted(order))
        return plan


@dataclass
class Tally:
    """Counts over the episodes of one tier."""

    covered: Counter[str] = field(default_factory=Counter)
    needed: Counter[str] = field(default_factory=Counter)
    frames: list[int] = field(default_factory=list)
    generations: list[float] = field(default_factory=list)
    paths: list[float] = field(default_factory=list)
    speedups: dict[int, list[float]] = field(default_factory=lambda: {w: [] for w in WORKERS})
    chain_first: dict[int, list[float]] = field(default_factory=lambda: {w: [] for w in WORKERS})

    def numbers(self) -> dict[str, Any]:
        """Return shares and means; a gap that never occurs is left out."""
        forwards = [FORWARD + PER_KEYFRAME * count for count in self.frames]
        return {
            "coverage": self.covered.total() / max(1, self.needed.total()),
            "by_gap": {gap: self.covered[gap] / self.needed[gap] for gap in GAPS if self.needed[gap]},
            "needed": dict(self.needed),
            "frames": fmean(self.frames),
            "generations": fmean(self.generations) if self.generations else 0.0,
            "forward": fmean(forwards) / (FORWARD + PER_KEYFRAME * FULL_MEMORY),
            "critical_path": fmean(self.paths),
            "speedup": {str(w): fmean(values) for w, values in self.speedups.items()},
            "speedup_chain_first": {str(w): fmean(values) for w, values in self.chain_first.items()},
        }


def gap_name(gap: int) -> str:
    return next(name for name, most in GAPS.items() if gap <= most)


def needed_entities(board: Storyboard, shot: BoardShot) -> dict[str, str]:
    """Return the entities a shot needs, each with the name of its gap."""
    last = {e: board.appearances(e, shot.position) for e in dict.fromkeys(shot.entities)}
    return {e: gap_name(shot.position - seen[-1]) for e, seen in last.items() if seen}


def pictures(board: Storyboard, per_shot: int) -> list[list[Keyframe]]:
    """Return the keyframes that every shot would admit."""
    return [
        [Keyframe(f"{s.position}.{k}", s.id, s.position, k, Path(), s.entities) for k in range(per_shot)] for s in board
    ]


def references(board: Storyboard) -> list[Keyframe]:
    """Return the reference images the script names."""
    return [
        Keyframe(f"ref:{e.id}", f"ref:{e.id}", -1, 0, Path(), (e.id,)) for e in board.script.entities if e.references
    ]


def with_references(board: Storyboard) -> Storyboard:
    """Return the story with a reference image for every entity that recurs."""
    script = board.script
    entities = tuple(
        e.model_copy(update={"references": ("face.png",)}) if len(board.appearances(e.id, len(board))) > 1 else e
        for e in script.entities
    )
    return Storyboard(script.model_copy(update={"entities": entities}))


def graph_of(board: Storyboard, policy: MemoryPolicy[Any]) -> ShotGraph:
    return build_graph(board, policy, [0 if shot.cut else 1 for shot in board])


def simulate(graph: ShotGraph, workers: int, chain_first: bool) -> float:
    """Return the speed-up over one worker; among ready shots the earliest in the story starts, or the longest chain."""
    ids = [shot.id for shot in graph.board]
    waiting = {i: len(graph.parents(i)) for i in ids}
    left = remaining_chain(graph)
    order = {i: (-left[i] if chain_first else 0, position) for position, i in enumerate(ids)}
    ready = [(order[i], i) for i in ids if not waiting[i]]
    heapq.heapify(ready)
    ticks = 0
    while ready:
        ticks += 1
        for _, done in [heapq.heappop(ready) for _ in range(min(workers, len(ready)))]:
            for child in graph.children(done):
                waiting[child] -= 1
                if not waiting[child]:
                    heapq.heappush(ready, (order[child], child))
    return len(ids) / ticks


def remaining_chain(graph: ShotGraph) -> dict[str, int]:
    left: dict[str, int] = {}
    for shot in reversed(graph.board.shots):
        left[shot.id] = 1 + max((left[child] for child in graph.children(shot.id)), default=0)
    return left


def add_story(tally: Tally, board: Storyboard, policy: MemoryPolicy[Any], budget: int) -> None:
    """Let every shot of one story recall, and add what came of it."""
    graph, admitted, given = graph_of(board, policy), pictures(board, 1), references(board)
    handed: dict[tuple[int, str], float] = {}  # by shot and entity: through how many generations its look came
    for shot in board:
        visible = [k for p in graph.visible[shot.position] for k in admitted[p]]
        recalled = policy.recall(shot, MemoryView(board, given + visible), budget)
        tally.frames.append(len(recalled))
        for entity, gap in needed_entities(board, shot).items():
            shown = [handed.get((k.position, entity), 0.0) for k in recalled if entity in k.entities]
            tally.needed[gap] += 1
            tally.covered[gap] += bool(shown)
            if shown:
                handed[shot.position, entity] = 1 + fmean(shown)
                tally.generations.append(1 + fmean(shown))
    tally.paths.append(len(graph.critical_path()) / len(board))
    for workers in WORKERS:
        tally.speedups[workers].append(simulate(graph, workers, chain_first=False))
        tally.chain_first[workers].append(simulate(graph, workers, chain_first=True))


def contenders(host: PluginHost, budget: int) -> dict[str, MemoryPolicy[Any]]:
    """Return the policies under comparison, by the name the tables give them."""
    settings: dict[str, tuple[str, Mapping[str, Any]]] = {
        "none": ("none", {}),
        "recent": ("recent", {}),
        "sink_recent": ("sink_recent", {}),
        "reservoir": ("reservoir", {}),
        "recency_frequency": ("recency_frequency", {}),
        "graph_ancestors": ("graph_ancestors", {}),
        "entity_bank": ("entity_bank", {}),
        "earliest_appearance": ("earliest_appearance", {}),
        "greedy_coverage": ("greedy_coverage", {}),
        "scheduled_coverage": ("scheduled_coverage", {"frames": budget}),
        "scheduled_coverage, miss=0": ("scheduled_coverage", {"frames": budget, "miss": 0}),
        "scheduled_coverage, anchor=1": ("scheduled_coverage", {"frames": budget, "anchor": 1}),
    }
    built: dict[str, Any] = {n: host.build(Kind.MEMORY_POLICY, name, s) for n, (name, s) in settings.items()}
    built["(greedy, early ties)"] = EarlyTies(budget)
    return built


def compare(host: PluginHost, stories: Mapping[str, Sequence[Storyboard]]) -> list[dict[str, Any]]:
    rows = []
    for budget in BUDGETS:
        for name, policy in contenders(host, budget).items():
            for tier, boards in stories.items():
                rows.append(row(name, policy, budget, tier, boards))
        policy = contenders(host, budget)["scheduled_coverage"]
        for tier, boards in stories.items():
            illustrated = [with_references(board) for board in boards]
            rows.append(row("scheduled_coverage + reference images", policy, budget, tier, illustrated))
    return rows


def row(name: str, policy: Any, budget: int, tier: str, boards: Iterable[Storyboard]) -> dict[str, Any]:
    tally = Tally()
    for board in boards:
        add_story(tally, board, policy, budget)
    return {"policy": name, "budget": budget, "tier": tier, **tally.numbers()}


def noisy_coverage(
    policy: MemoryPolicy[Any], boards: Sequence[Storyboard], budget: int, miss: float, known: bool
) -> tuple[float, float]:
    """Return coverage, in truth, and keyframes recalled, when keyframes show only part of their shot's cast.

    Each of a shot's three keyframes misses each entity with probability ``miss``; four draws. ``known`` tells the
    policy what each keyframe really shows.
    """
    covered = needed = shots = frames = 0
    for seed in range(4):
        for number, board in enumerate(boards):
            draw = random.Random(f"{seed}/{number}")
            graph = graph_of(board, policy)
            truth = [[_partial(k, draw, miss) for k in shot] for shot in pictures(board, 3)]
            really = {k.id: k.entities for shot in truth for k in shot}
            believed = truth if known else pictures(board, 3)
            for shot in board:
                visible = [k for p in graph.visible[shot.position] for k in believed[p]]
                recalled = policy.recall(shot, MemoryView(board, visible), budget)
                shots, frames = shots + 1, frames + len(recalled)
                shown = {entity for keyframe in recalled for entity in really[keyframe.id]}
                wanted = needed_entities(board, shot)
                needed += len(wanted)
                covered += sum(entity in shown for entity in wanted)
    return covered / needed, frames / shots


def _partial(keyframe: Keyframe, draw: random.Random, miss: float) -> Keyframe:
    return replace(keyframe, entities=tuple(e for e in keyframe.entities if draw.random() >= miss))


def noise_table(host: PluginHost, boards: Sequence[Storyboard]) -> list[dict[str, Any]]:
    plain: dict[str, Any] = {"frames": 4, "miss": 0}
    tested: list[tuple[str, str, dict[str, Any], int, bool]] = [
        ("sink_recent", "sink_recent", {}, 8, False),
        ("earliest_appearance", "earliest_appearance", {}, 8, False),
        ("greedy_coverage", "greedy_coverage", {}, 4, False),
        ("scheduled_coverage, miss=0", "scheduled_coverage", plain, 4, False),
        ("scheduled_coverage, miss=0, told what is shown", "scheduled_coverage", plain, 4, True),
        ("scheduled_coverage", "scheduled_coverage", {"frames": 4}, 4, False),
        ("scheduled_coverage, told what is shown", "scheduled_coverage", {"frames": 4}, 4, True),
        ("scheduled_coverage", "scheduled_coverage", {"frames": 8}, 8, False),
    ]
    rows = []
    for label, name, settings, budget, known in tested:
        policy: Any = host.build(Kind.MEMORY_POLICY, name, settings)
        found = {str(miss): noisy_coverage(policy, boards, budget, miss, known) for miss in MISSES}
        coverage = {miss: share for miss, (share, _) in found.items()}
        rows.append({"policy": label, "budget": budget, "frames": found["0.3"][1], "coverage_by_miss": coverage})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder with easy/, medium/ and hard/")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "schedule_coverage")
    parser.add_argument("--plot", type=Path, default=ROOT.parent / "docs" / "images" / "schedule_coverage.svg")
    arguments = parser.parse_args()
    host = PluginHost()
    paths = {tier: sorted((arguments.folder / tier).glob("*.json")) for tier in TIERS}
    stories = {tier: [Storyboard(load_script(path, host)) for path in found] for tier, found in paths.items() if found}
    if not stories:
        parser.error(f"{arguments.folder}: holds no episodes in easy/, medium/ or hard/")
    result = {
        "episodes": {tier: len(boards) for tier, boards in stories.items()},
        "rows": compare(host, stories),
        "noise": noise_table(host, [board for boards in stories.values() for board in boards]),
    }
    arguments.out.with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")
    arguments.out.with_suffix(".md").write_text(markdown(result))
    arguments.plot.write_text(plot(result))
    print(f"wrote {arguments.out}.md, {arguments.out}.json and {arguments.plot}")


if __name__ == "__main__":
    main()
