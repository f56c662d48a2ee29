"""The numbers the policies are known for, on EntityBench's hard episodes (read from ../shared; never copied)."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from storymem.graph import build_graph
from storymem.interfaces import Keyframe, MemoryView
from storymem.plugin import Kind, PluginHost
from storymem.script.loader import load_script
from storymem.values.storyboard import Storyboard

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "entitybench" / "hard"
HOST = PluginHost()

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="EntityBench episodes are not at ../shared")


@pytest.fixture(scope="module")
def boards() -> list[Storyboard]:
    return [Storyboard(load_script(path, HOST)) for path in sorted(FOLDER.glob("*.json"))]


def measure(boards: list[Storyboard], name: str, budget: int, **settings: Any) -> tuple[float, float]:
    """Return the share of needed entities recalled, and the mean critical path as a share of the shots."""
    covered = needed = 0
    paths = []
    for board in boards:
        policy: Any = HOST.build(Kind.MEMORY_POLICY, name, settings)
        graph = build_graph(board, policy, [0 if shot.cut else 1 for shot in board])
        frames = [Keyframe(s.id, s.id, s.position, 0, s.entities) for s in board]
        for shot in board:
            view = MemoryView(board, [frames[p] for p in graph.visible[shot.position]])
            shown = {e for k in policy.recall(shot, view, budget) for e in k.entities}
            wanted = [e for e in set(shot.entities) if board.appearances(e, shot.position)]
            covered, needed = covered + sum(e in shown for e in wanted), needed + len(wanted)
        paths.append(len(graph.critical_path()) / len(board))
    return covered / needed, fmean(paths)


def test_sink_recent_forgets_in_the_middle(boards: list[Storyboard]) -> None:
    coverage, path = measure(boards, "sink_recent", 8)
    assert coverage == pytest.approx(0.901, abs=0.001)
    assert path == 1.0


def test_scheduled_coverage_recalls_all_on_a_short_path(boards: list[Storyboard]) -> None:
    _, bound = measure(boards, "none", 0)
    coverage, path = measure(boards, "scheduled_coverage", 4)
    assert coverage > 0.998
    assert bound < path < 0.36
    assert measure(boards, "scheduled_coverage", 2, frames=2)[0] > 0.96
    assert measure(boards, "scheduled_coverage", 8, frames=8)[0] == 1.0
