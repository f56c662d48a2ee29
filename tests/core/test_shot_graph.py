"""The shot graph: what it promises for any story and any policy, its errors, and its pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from random import Random
from xml.etree import ElementTree

import networkx as nx
import pytest
from core_support import shot, story
from hypothesis import given, settings
from hypothesis import strategies as st

from storymem.errors import GraphError
from storymem.graph import Edge, ShotGraph, build_graph
from storymem.graph.export import to_dot, to_json, to_mermaid, to_svg
from storymem.interfaces import Keyframe, MemoryPolicy, MemoryView
from storymem.values.storyboard import BoardShot, Storyboard


class Table(MemoryPolicy):
    """Sees what a table says."""

    def __init__(self, table: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.table = table

    def sees(self, board: Storyboard, shot: BoardShot) -> Sequence[int]:
        return self.table[shot.position]

    def recall(self, shot: BoardShot, view: MemoryView, budget: int) -> Sequence[Keyframe]:
        return ()


def board(count: int, prompt: str = "a shot") -> Storyboard:
    return Storyboard(story(*[[f"{prompt} {i}"] for i in range(count)]))


@st.composite
def graphs(draw: st.DrawFn) -> tuple[ShotGraph, list[Sequence[int]], list[int]]:
    """Any story of up to 12 shots, with sets or ranges as what is seen, and handed-over frames at will."""
    count = draw(st.integers(1, 12))
    table: list[Sequence[int]] = []
    for position in range(count):
        some = st.lists(st.integers(0, position - 1), max_size=6) if position else st.just([])
        start = st.integers(0, position).map(lambda s, p=position: range(s, p))
        table.append(draw(some | start))
    handovers = [0, *draw(st.lists(st.sampled_from([0, 1, 5]), min_size=count - 1, max_size=count - 1))]
    return build_graph(board(count), Table(table), handovers), table, handovers


@given(graphs())
@settings(deadline=None, max_examples=60)
def test_edges_point_forward_and_reach_everything_seen(case: tuple[ShotGraph, list[Sequence[int]], list[int]]) -> None:
    graph, table, handovers = case
    place = {s.id: s.position for s in graph.board}
    assert set(graph.digraph) == set(place)
    assert all(place[a] < place[b] for a, b in graph.digraph.edges)
    for one in graph.board:
        ancestors = {place[a] for a in nx.ancestors(graph.digraph, one.id)}
        needed = set(table[one.position]) | ({one.position - 1} if handovers[one.position] else set())
        assert needed <= ancestors
        assert list(graph.visible[one.position]) == sorted(set(table[one.position]))


@given(graphs())
@settings(deadline=None, max_examples=60)
def test_reduction_loses_nothing_and_keeps_the_reasons(case: tuple[ShotGraph, list[Sequence[int]], list[int]]) -> None:
    graph, table, handovers = case
    full: nx.DiGraph[str] = nx.DiGraph()
    full.add_nodes_from(graph.digraph)
    shots = graph.board.shots
    for one in shots:
        full.add_edges_from((shots[p].id, one.id) for p in table[one.position])
        if handovers[one.position]:
            full.add_edge(shots[one.position - 1].id, one.id)
            kinds = graph.kinds(shots[one.position - 1].id, one.id)
            assert Edge.CONTINUES in kinds
            assert (Edge.REMEMBERS in kinds) == (one.position - 1 in table[one.position])
    assert nx.transitive_closure(graph.digraph).edges == nx.transitive_closure(full).edges
    assert graph.digraph.number_of_edges() <= full.number_of_edges()
    continued = {(shots[i - 1].id, shots[i].id) for i in range(len(shots)) if handovers[i]}
    assert set(graph.digraph.edges) <= set(nx.transitive_reduction(full).edges) | continued


@given(graphs(), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=60)
def test_a_walk_in_any_legal_order_never_gets_stuck(
    case: tuple[ShotGraph, list[Sequence[int]], list[int]], random: Random
) -> None:
    graph, _, _ = case
    left, done = [shot.id for shot in graph.board], set[str]()
    while left:
        ready = [name for name in left if done.issuperset(graph.parents(name))]
        assert ready, "a walk never gets stuck"
        name = random.choice(ready)
        left.remove(name)
        done.add(name)


@given(graphs())
@settings(deadline=None, max_examples=60)
def test_the_critical_path_is_a_longest_one(case: tuple[ShotGraph, list[Sequence[int]], list[int]]) -> None:
    graph, _, _ = case
    path = graph.critical_path()
    assert len(path) == nx.dag_longest_path_length(graph.digraph) + 1
    assert all(graph.digraph.has_edge(a, b) for a, b in pairwise(path))


@given(graphs())
@settings(deadline=None, max_examples=30)
def test_neighbours_agree_with_networkx(case: tuple[ShotGraph, list[Sequence[int]], list[int]]) -> None:
    graph, _, _ = case
    for one in graph.board:
        assert set(graph.children(one.id)) == set(graph.digraph.successors(one.id))
        assert graph.descendants(one.id) == nx.descendants(graph.digraph, one.id)
        assert graph.parents(one.id) == sorted(graph.parents(one.id), key=lambda i: graph.board.shot(i).position)


def test_a_story_that_sees_everything_needs_one_edge_a_shot() -> None:
    graph = build_graph(board(200), Table([range(i) for i in range(200)]), [0] * 200)
    assert graph.digraph.number_of_edges() == 199
    assert len(graph.critical_path()) == 200


# -- errors -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ([[], [1]], r"shot 2\.1: its memory policy lets it see position 1, which is not before its own, 1"),
        ([[], [2], []], r"shot 2\.1: .* position 2"),
        ([[], [-1]], r"shot 2\.1: .* position -1"),
        ([[], [7]], r"shot 2\.1: .* position 7"),
        ([range(1), []], r"shot 1\.1: .* position 0"),
    ],
)
def test_a_policy_that_sees_what_is_not_there_yet_is_named(table: list[Sequence[int]], words: str) -> None:
    with pytest.raises(GraphError, match=words):
        build_graph(board(len(table)), Table(table), [0] * len(table))


def test_the_first_shot_cannot_continue() -> None:
    with pytest.raises(GraphError, match=r"shot 1\.1: is the first shot and cannot continue another; make it a cut"):
        build_graph(board(2), Table([[], []]), [1, 0])


def test_an_unknown_shot_is_named() -> None:
    graph = build_graph(board(3), Table([[], [], []]), [0, 0, 0])
    for ask in (graph.parents, graph.children, graph.descendants, graph.board.shot):
        with pytest.raises(GraphError, match=r"shot 9\.9: no such shot; the story has 1\.1 to 3\.1"):
            ask("9.9")


# -- pictures ---------------------------------------------------------------------------------------------


@pytest.fixture
def drawn() -> ShotGraph:
    """Six shots whose prompts hold every character that a text form could choke on."""
    prompts = ['he says "run" & <leaves>', "back\\slash", "new\nline", "emoji \U0001f98a", "x" * 300, "tab\t]"]
    script = story([shot(p) for p in prompts[:3]], [shot(p) for p in prompts[3:]])
    table = [[], [0], [0, 1], [], [2, 3], range(5)]
    return build_graph(Storyboard(script), Table(table), [0, 1, 0, 0, 5, 0])


def test_json_holds_shots_edges_and_the_critical_path(drawn: ShotGraph) -> None:
    data = json.loads(to_json(drawn))
    assert [s["id"] for s in data["shots"]] == [s.id for s in drawn.board]
    assert data["shots"][4]["sees"] == [["1.3", "2.1"]]
    assert data["critical_path"] == drawn.critical_path()
    assert {(e["from"], e["to"]) for e in data["edges"]} == set(drawn.digraph.edges)
    kinds = {(e["from"], e["to"]): e["kinds"] for e in data["edges"]}
    assert kinds["1.1", "1.2"] == ["continues", "remembers"]


def test_svg_is_well_formed_and_shows_every_shot(drawn: ShotGraph) -> None:
    root = ElementTree.fromstring(to_svg(drawn))
    name = "{http://www.w3.org/2000/svg}"
    titles = [t.text for t in root.iter(f"{name}title")]
    assert titles == [s.prompt for s in drawn.board]
    texts = [t.text for t in root.iter(f"{name}text")]
    assert texts[::2] == [s.id for s in drawn.board]
    lines = [p for p in root.iter(f"{name}path") if p.get("marker-end")]
    assert len(lines) == drawn.digraph.number_of_edges()
    dashed = [p for p in lines if p.get("stroke-dasharray")]
    assert len(dashed) == sum(Edge.CONTINUES not in drawn.kinds(a, b) for a, b in drawn.digraph.edges)
    places = [(r.get("x"), r.get("y")) for r in root.iter(f"{name}rect") if r.get("rx")]
    assert len(set(places)) == len(drawn.board), "no shot hides another"


def test_dot_names_every_shot_and_edge(drawn: ShotGraph) -> None:
    text = to_dot(drawn)
    assert text.startswith("digraph story {")
    assert text.endswith("}\n")
    for one in drawn.board:
        assert f'"{one.id}" [tooltip=' in text
    assert text.count(" -> ") == drawn.digraph.number_of_edges()
    assert text.count("style=solid") == sum(Edge.CONTINUES in drawn.kinds(a, b) for a, b in drawn.digraph.edges)
    for line in text.splitlines()[3:-1]:
        assert line.count('"') - line.count('\\"') - 2 * line.count('\\\\"') in range(2, 12, 2), line


def test_mermaid_names_every_shot_and_edge(drawn: ShotGraph) -> None:
    lines = to_mermaid(drawn).splitlines()
    assert lines[0] == "flowchart LR"
    nodes = [line for line in lines if '["' in line]
    assert nodes == [f'  s{s.id.replace(".", "_")}["{s.id}"]' for s in drawn.board]
    assert len(lines) == 2 + len(nodes) + drawn.digraph.number_of_edges()
    assert "  s1_1 --> s1_2" in lines
    assert "  s2_1 --> s2_2" in lines
