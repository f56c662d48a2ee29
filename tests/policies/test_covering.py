"""Set cover: exact against brute force, greedy as prefixes, plans of least depth."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from storymem.script.cast import Cast, cast_of
from storymem.testing import storyboards
from storymem.values.script import Entity, Scene, Shot, ShotOverrides, StoryScript
from storymem.values.storyboard import Storyboard
from storymem_memory_policies.covering import best_cover, greedy_order
from storymem_memory_policies.planning import Plan, make_plan

quick = settings(deadline=None, max_examples=60)


def held(masks: list[int], chosen: tuple[int, ...] | list[int], goal: int) -> int:
    union = 0
    for index in chosen:
        union |= masks[index]
    return (union & goal).bit_count()


@quick
@given(masks=st.lists(st.integers(0, 63), max_size=7), most=st.integers(0, 4), goal=st.integers(0, 63))
def test_best_cover_equals_trying_everything(masks: list[int], most: int, goal: int) -> None:
    found = best_cover(masks, most, goal)
    tries = [c for k in range(min(most, len(masks)) + 1) for c in combinations(range(len(masks)), k)]
    best = max(held(masks, chosen, goal) for chosen in tries)
    fewest = min(len(chosen) for chosen in tries if held(masks, chosen, goal) == best)
    assert held(masks, found, goal) == best
    assert len(found) == fewest


def test_best_cover_beats_greedy_where_greedy_errs() -> None:
    # Greedy takes the set of four first and then needs two more; two sets of three are enough.
    masks = [0b011110, 0b000111, 0b111000]
    assert sorted(best_cover(masks, 3, 0b111111)) == [1, 2]
    assert held(masks, best_cover(masks, 3, 0b111111, effort=0), 0b111111) == 6


sets_of_names = st.lists(st.frozensets(st.sampled_from("abcde")), max_size=6)


@quick
@given(sets=sets_of_names, most=st.integers(0, 6), miss=st.sampled_from([0.0, 0.3]))
def test_a_shorter_greedy_answer_is_a_prefix(sets: list[frozenset[str]], most: int, miss: float) -> None:
    longer = greedy_order(sets, "abcde", most + 1, lambda i: i, miss)
    assert greedy_order(sets, "abcde", most, lambda i: i, miss) == longer[:most]
    assert len(set(longer)) == len(longer)


@quick
@given(sets=sets_of_names)
def test_greedy_without_a_limit_holds_everything_there_is_and_nothing_twice(sets: list[frozenset[str]]) -> None:
    order = greedy_order(sets, "abcde", 10, lambda i: i)
    covered: set[str] = set()
    for index in order:
        assert sets[index] - covered, "a set that adds nothing was chosen"
        covered |= sets[index]
    assert covered == set().union(*sets)


def test_expected_misses_ask_for_second_views() -> None:
    sets = [frozenset("ab"), frozenset("ab"), frozenset("a")]
    assert greedy_order(sets, "ab", 3, lambda i: i) == [0]
    assert greedy_order(sets, "ab", 3, lambda i: i, miss=0.3) == [0, 1, 2]


def longest_chains(board: Storyboard, plan: Plan) -> list[int]:
    depth: list[int] = []
    for shot in board:
        waits = [*plan.remembered[shot.position], *([] if shot.cut else [shot.position - 1])]
        depth.append(1 + max((depth[p] for p in waits), default=0))
    return depth


def least_depths(board: Storyboard, cast: Cast) -> list[int]:
    """The least depth of each shot if every needed entity must be seen, with as many frames as it takes."""
    depth: list[int] = []
    for shot in board:
        needs = [min(depth[p] for p in cast.appearances(e, shot.position)) for e in cast.of(shot)
                 if cast.appearances(e, shot.position)]  # fmt: skip
        waits = [*needs, *([] if shot.cut else [depth[shot.position - 1]])]
        depth.append(1 + max(waits, default=0))
    return depth


@quick
@given(board=storyboards(max_shots=12, scheduled=True))
def test_a_plan_with_frames_enough_covers_everything_at_the_least_depth(board: Storyboard) -> None:
    cast = cast_of(board)
    plan = make_plan(board, cast, frames=8)
    for shot in board:
        shown = {e for p in plan.remembered[shot.position] for e in cast.by_shot[p]}
        assert {e for e in cast.of(shot) if cast.appearances(e, shot.position)} <= shown
    assert list(plan.depth) == longest_chains(board, plan) == least_depths(board, cast)


@quick
@given(board=storyboards(max_shots=12, scheduled=True), frames=st.integers(1, 3), miss=st.sampled_from([0.0, 0.4]))
def test_a_short_plan_keeps_its_limit_and_covers_what_it_can(board: Storyboard, frames: int, miss: float) -> None:
    cast = cast_of(board)
    plan = make_plan(board, cast, frames, miss)
    assert list(plan.depth) == longest_chains(board, plan)
    for shot in board:
        seen = plan.remembered[shot.position]
        assert len(seen) <= frames
        needed = set(cast.of(shot))
        most = max(
            (len(needed & {e for p in c for e in cast.by_shot[p]})
             for c in combinations(range(shot.position), min(frames, shot.position))),
            default=0,
        )  # fmt: skip
        assert len(needed & {e for p in seen for e in cast.by_shot[p]}) == most


@quick
@given(board=storyboards(max_shots=10, scheduled=True))
def test_second_views_make_no_shot_deeper(board: Storyboard) -> None:
    cast = cast_of(board)
    assert make_plan(board, cast, 6, miss=0.5).depth == make_plan(board, cast, 6).depth


def story(*shots: tuple[str, bool], references: str = "") -> Storyboard:
    """Shots given as (letters of the entities, whether a cut)."""
    ids = sorted({letter for letters, _ in shots for letter in letters})
    entities = tuple(Entity(id=i, references=("face.png",) if i in references else ()) for i in ids)
    listed = tuple(Shot(prompt="x", entities=tuple(letters), cut=cut) for letters, cut in shots)
    return Storyboard(StoryScript(title="t", entities=entities, scenes=(Scene(shots=listed),)))


def plan_of(board: Storyboard, frames: int = 4, anchor: int = 0) -> Plan:
    return make_plan(board, cast_of(board), frames, anchor=anchor)


def test_of_equal_covers_the_shallower_is_remembered() -> None:
    # Shot 2 repeats a and is one deeper than shot 0; shot 3 needs a and takes it from shot 0.
    board = story(("a", True), ("b", True), ("ab", True), ("a", True))
    assert plan_of(board).remembered == ((), (), (0, 1), (0,))
    assert plan_of(board).depth == (1, 1, 2, 2)


def test_one_deep_shot_is_only_taken_where_frames_are_short() -> None:
    board = story(("a", True), ("b", True), ("ab", True), ("ab", True))
    assert plan_of(board, frames=2).remembered[3] == (0, 1)
    assert plan_of(board, frames=1).remembered[3] == (2,)


def test_what_a_continued_shot_waits_for_anyway_is_free() -> None:
    board = story(("a", True), ("ab", True), ("c", False), ("ab", False))
    assert plan_of(board).remembered[3] == (1,)
    assert plan_of(board).depth == (1, 2, 3, 4)


def test_reference_images_need_no_earlier_shot() -> None:
    board = story(("a", True), ("a", True), ("ab", True), ("b", True), references="a")
    assert plan_of(board).remembered == ((), (), (), (2,))


def test_the_anchor_is_remembered_by_all_later_shots() -> None:
    board = story(("a", True), ("b", True), ("c", True))
    assert plan_of(board, anchor=1).remembered == ((), (0,), (0,))


def test_a_shot_with_a_budget_of_its_own_is_planned_for_it() -> None:
    board = story(("a", True), ("b", True), ("ab", True), ("ab", True))
    shots = list(board.script.scenes[0].shots)
    for budget, expected in ((None, (0, 1)), (1, (2,)), (0, ())):
        shots[3] = shots[3].model_copy(update={"overrides": ShotOverrides(budget=budget)})
        scenes = (Scene(shots=tuple(shots)),)
        changed = Storyboard(board.script.model_copy(update={"scenes": scenes}))
        assert plan_of(changed).remembered[3] == expected


def test_long_stories_are_planned_too() -> None:
    board = story(*[("abcde"[k % 5] + "abcde"[k % 3], True) for k in range(700)])
    plan = plan_of(board)
    assert max(plan.depth) <= 6
    assert all(len(seen) <= 2 for seen in plan.remembered)
