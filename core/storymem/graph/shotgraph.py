"""The shot graph: typed edges, validation, ready sets and the critical path.

A shot *continues* the one whose frames it is handed, *anchors* to the ones whose frames it shows, and *remembers* the
ones its memory policy lets it see. Shots are made in story order, except that a shot comes after those it is anchored
to, wherever they stand in the story; of what a policy lets a shot see, it sees what is made before it.
``remembers`` edges are stored transitively reduced: a shot that sees all earlier shots needs one edge, not a
thousand. What a shot sees is kept beside the graph, exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

import networkx as nx

from storymem.errors import GraphError
from storymem.interfaces.memory import MemoryPolicy
from storymem.values.storyboard import BoardShot, Storyboard


class Edge(StrEnum):
    """Why one shot waits for another."""

    CONTINUES = "continues"
    REMEMBERS = "remembers"
    ANCHORS = "anchors"


class ShotGraph:
    """Which shots wait for which.

    Attributes:
        board: The shots.
        digraph: Nodes are shot ids; an edge goes from the shot needed to the shot that needs it, its attribute
            ``kinds`` the set of :class:`Edge` reasons.
        visible: For each position, the positions of the shots it may remember, ascending.
        order: Positions in an order in which the shots can be made.
    """

    def __init__(
        self, board: Storyboard, visible: Sequence[Sequence[int]], digraph: nx.DiGraph[str], order: Sequence[int]
    ) -> None:
        self.board = board
        self.order = order
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
        for shot in (self.board.shots[position] for position in reversed(self.order)):
            for child in self.digraph.successors(shot.id):
                lengths[shot.position] = max(lengths[shot.position], 1 + lengths[self._position(child)])
        return lengths

    def critical_path(self) -> list[str]:
        """Return the longest chain of shots: with any number of workers a run takes at least as long as it."""
        longest: dict[str, tuple[int, str | None]] = {}
        for shot in (self.board.shots[position] for position in self.order):
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

    def notice(self) -> str:
        """Return a line for the user on shots that are made before earlier ones; empty if none is."""
        if isinstance(self.order, range):
            return ""
        moved, earliest = [], len(self.order)
        for position in reversed(self.order):
            if position > earliest:
                moved.append(position)
            earliest = min(earliest, position)
        names = ", ".join(self.board.shots[i].id for i in sorted(moved))
        return f"anchors: made before shots that come earlier in the story, and without seeing them: {names}"

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
            shot continues something; or anchors name a shot that does not exist or form a cycle.
    """
    order = _making_order(board, handovers)
    rank = {position: index for index, position in enumerate(order)}
    in_story_order = isinstance(order, range)
    digraph: nx.DiGraph[str] = nx.DiGraph()
    digraph.add_nodes_from(shot.id for shot in board)
    closures = [0] * len(board)  # bit p of closures[k]: shot k waits, directly or not, for shot p
    visible: list[Sequence[int]] = [()] * len(board)
    for shot in (board.shots[position] for position in order):
        seen = _checked(policy.sees(board, shot), shot)
        if not in_story_order:
            seen = [position for position in seen if rank[position] < rank[shot.position]]
        closure = 0
        if handovers[shot.position]:
            closure |= _connect(digraph, closures, board, shot, shot.position - 1, Edge.CONTINUES)
        for position in _anchored(board, shot):
            closure |= _connect(digraph, closures, board, shot, position, Edge.ANCHORS)
        latest_last = seen if in_story_order else sorted(seen, key=rank.__getitem__)
        for position in _needed(latest_last, closure, closures):
            closure |= _connect(digraph, closures, board, shot, position, Edge.REMEMBERS)
        if handovers[shot.position] and shot.position - 1 in seen:
            digraph.edges[board.shots[shot.position - 1].id, shot.id]["kinds"].add(Edge.REMEMBERS)
        visible[shot.position] = seen
        closures[shot.position] = closure
    return ShotGraph(board, visible, digraph, order)


def _anchored(board: Storyboard, shot: BoardShot) -> list[int]:
    """Return the positions of the shots whose frames a shot shows."""
    return sorted({board.shot(anchor.shot).position for anchor in shot.shot.anchors if anchor.shot})


def _making_order(board: Storyboard, handovers: Sequence[int]) -> Sequence[int]:
    """Return positions in story order, but each shot after all that it continues or is anchored to."""
    needs = {shot.position: _anchored(board, shot) for shot in board if shot.shot.anchors}
    if all(parent < position for position, parents in needs.items() for parent in parents):
        return range(len(board))
    order: dict[int, None] = {}
    for position in range(len(board)):
        _add_with_parents(position, needs, board, handovers, order)
    return tuple(order)


def _add_with_parents(
    start: int, needs: Mapping[int, list[int]], board: Storyboard, handovers: Sequence[int], order: dict[int, None]
) -> None:
    """Append a shot to ``order`` after everything it needs; a stack, since chains may be long."""
    path: dict[int, list[int]] = {}
    waiting = [start]
    while waiting:
        position = waiting[-1]
        if position in order:
            waiting.pop()
            continue
        before = [position - 1] if handovers[position] and position else []
        parents = path.setdefault(position, [p for p in [*needs.get(position, ()), *before] if p not in order])
        while parents and parents[-1] in order:
            parents.pop()
        if not parents:
            order[position] = None
            waiting.pop()
            del path[position]
        elif parents[-1] in path:
            names = [board.shots[p].id for p in [*list(path)[list(path).index(parents[-1]) :], parents[-1]]]
            raise GraphError(f"anchors: a cycle: shot {' needs '.join(names)}; drop an anchor or make a shot a cut")
        else:
            waiting.append(parents[-1])


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


def _kinds(digraph: nx.DiGraph[str], parent: str, child: str) -> set[Edge]:
    return set(digraph.edges[parent, child]["kinds"]) if digraph.has_edge(parent, child) else set()


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
    digraph.add_edge(board.shots[parent].id, shot.id, kinds={kind} | _kinds(digraph, board.shots[parent].id, shot.id))
    return closures[parent] | 1 << parent
