"""The shot graph: typed edges, validation, ready sets and the critical path.

A shot *continues* the one whose frames it is handed, and *remembers* the ones its memory policy lets it see.
``remembers`` edges are stored transitively reduced: a shot that sees all earlier shots needs one edge, not a
thousand. What a shot sees is kept beside the graph, exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import networkx as nx

from storymem.errors import GraphError
from storymem.interfaces.memory import MemoryPolicy
from storymem.values.storyboard import BoardShot, Storyboard


class Edge(StrEnum):
    """Why one shot waits for another."""

    CONTINUES = "continues"
    REMEMBERS = "remembers"


class ShotGraph:
    """Which shots wait for which.

    Attributes:
        board: The shots.
        digraph: Nodes are shot ids; an edge goes from the shot needed to the shot that needs it, its attribute
            ``kinds`` the set of :class:`Edge` reasons.
        visible: For each position, the positions of the shots it may remember, ascending.
    """

    def __init__(self, board: Storyboard, visible: Sequence[Sequence[int]], digraph: nx.DiGraph[str]) -> None:
        self.board = board
        self.visible = tuple(visible)
        self.digraph = digraph

    def parents(self, shot_id: str) -> list[str]:
        """Return the shots that must be finished before ``shot_id``, in story order."""
        return sorted(self.digraph.predecessors(self.board.shot(shot_id).id), key=self._position)

    def children(self, shot_id: str) -> list[str]:
        """Return the shots that wait directly for ``shot_id``, in story order."""
        return sorted(self.digraph.successors(self.board.shot(shot_id).id), key=self._position)

    def descendants(self, shot_id: str) -> set[str]:
        """Return every shot that directly or indirectly needs ``shot_id``."""
        return set(nx.descendants(self.digraph, self.board.shot(shot_id).id))

    def remaining(self) -> list[int]:
        """Return, for each position, the length of the longest chain of shots that starts with it."""
        lengths = [1] * len(self.board)
        for shot in reversed(self.board.shots):
            for child in self.digraph.successors(shot.id):
                lengths[shot.position] = max(lengths[shot.position], 1 + lengths[self._position(child)])
        return lengths

    def critical_path(self) -> list[str]:
        """Return the longest chain of shots: with any number of workers a run takes at least as long as it."""
        longest: dict[str, tuple[int, str | None]] = {}
        for shot in self.board:
            before = [(longest[p][0], p) for p in self.parents(shot.id)]
            length, parent = max(before, key=lambda pair: pair[0], default=(0, None))
            longest[shot.id] = (length + 1, parent)
        end: str | None = max(longest, key=lambda shot_id: longest[shot_id][0])
        path: list[str] = []
        while end is not None:
            path.append(end)
            end = longest[end][1]
        return path[::-1]

    def kinds(self, parent: str, child: str) -> frozenset[Edge]:
        """Return why ``child`` waits for ``parent``."""
        return frozenset(self.digraph.edges[parent, child]["kinds"])

    def _position(self, shot_id: str) -> int:
        return self.board.shot(shot_id).position


def build_graph(board: Storyboard, policy: MemoryPolicy, handovers: Sequence[int]) -> ShotGraph:
    """Build and validate the graph of a story.

    Args:
        board: The shots.
        policy: Says what each shot sees.
        handovers: For each shot, how many frames its transition takes from the one before.

    Raises:
        GraphError: The policy lets a shot see itself, a later shot or one that does not exist, or the first
            shot continues something.
    """
    digraph: nx.DiGraph[str] = nx.DiGraph()
    closures: list[int] = []  # bit p of closures[k]: shot k waits, directly or not, for shot p
    visible: list[Sequence[int]] = []
    for shot in board:
        digraph.add_node(shot.id)
        seen = _checked(policy.sees(board, shot), shot)
        closure = 0
        if handovers[shot.position]:
            closure |= _connect(digraph, closures, board, shot, shot.position - 1, Edge.CONTINUES)
        for position in _needed(seen, closure, closures):
            closure |= _connect(digraph, closures, board, shot, position, Edge.REMEMBERS)
        if handovers[shot.position] and shot.position - 1 in seen:
            digraph.edges[board.shots[shot.position - 1].id, shot.id]["kinds"].add(Edge.REMEMBERS)
        visible.append(seen)
        closures.append(closure)
    return ShotGraph(board, visible, digraph)


def _checked(seen: Sequence[int], shot: BoardShot) -> Sequence[int]:
    ordered = seen if isinstance(seen, range) and seen.step == 1 else sorted(set(seen))
    if ordered and (ordered[0] < 0 or ordered[-1] >= shot.position):
        wrong = ordered[0] if ordered[0] < 0 else ordered[-1]
        raise GraphError(
            f"shot {shot.id}: its memory policy lets it see position {wrong}, "
            f"which is not before its own, {shot.position}"
        )
    return ordered


def _needed(seen: Sequence[int], closure: int, closures: Sequence[int]) -> list[int]:
    """Return the positions among ``seen`` that no other needed position already waits for, newest first."""
    mask = ((1 << len(seen)) - 1) << seen[0] if isinstance(seen, range) and seen else sum(1 << p for p in seen)
    needed = []
    covered = closure
    for position in reversed(seen):
        if mask & ~covered == 0:
            break
        if not covered >> position & 1:
            needed.append(position)
            covered |= closures[position] | 1 << position
    return needed


def _connect(
    digraph: nx.DiGraph[str],
    closures: Sequence[int],
    board: Storyboard,
    shot: BoardShot,
    parent: int,
    kind: Edge,
) -> int:
    if parent < 0:
        raise GraphError(f"shot {shot.id}: is the first shot and cannot continue another; make it a cut")
    digraph.add_edge(board.shots[parent].id, shot.id, kinds={kind})
    return closures[parent] | 1 << parent
