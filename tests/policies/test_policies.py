"""What each policy recalls and sees, on stories small enough to check by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from storymem.errors import PluginError, SettingsError
from storymem.graph import build_graph
from storymem.interfaces import ImageTextEncoder, Keyframe, MemoryPolicy, MemoryView
from storymem.plugin import Kind, PluginHost
from storymem.testing import DictStore
from storymem.values.script import Scene, Shot, StoryScript
from storymem.values.storyboard import BoardShot, Storyboard
from storymem_memory_policies.compose import Compose, ComposeSettings

HOST = PluginHost()
MakeBoard = Callable[..., Storyboard]
MakeKeyframe = Callable[..., Keyframe]


def build(name: str, **settings: Any) -> MemoryPolicy[Any]:
    policy = HOST.build(Kind.MEMORY_POLICY, name, settings)
    assert isinstance(policy, MemoryPolicy)
    return policy


class Table(ImageTextEncoder):
    """Texts and pictures have the vectors they are given; of pictures only stored ones."""

    def __init__(self, vectors: Mapping[str, Sequence[float]]) -> None:
        super().__init__()
        self.vectors = {name: np.asarray(v, dtype=np.float32) / np.linalg.norm(v) for name, v in vectors.items()}

    @property
    def dimension(self) -> int:
        return len(next(iter(self.vectors.values())))

    def encode_images(self, frames: Any) -> NDArray[np.float32]:
        raise AssertionError("every picture's embedding is stored")

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.stack([self.vectors[text] for text in texts])


def view(
    board: Storyboard, keyframes: Sequence[Keyframe], vectors: Mapping[str, Sequence[float]] | None = None
) -> MemoryView:
    if vectors is None:
        return MemoryView(board, keyframes)
    encoder, store = Table(vectors), DictStore()
    store.put_embeddings(encoder.fingerprint(), {k.id: encoder.vectors[k.id] for k in keyframes})
    return MemoryView(board, keyframes, encoder, store)


def ids(recalled: Sequence[Keyframe]) -> list[str]:
    return [keyframe.id for keyframe in recalled]


@pytest.fixture
def line(make_board: MakeBoard, make_keyframe: MakeKeyframe) -> tuple[BoardShot, list[Keyframe], Storyboard]:
    """Ten shots of one entity, one keyframe each, and the last shot."""
    board = make_board(*["a"] * 10)
    return board.shots[9], [make_keyframe(board, k) for k in range(9)], board


@pytest.mark.parametrize(
    ("name", "settings", "budget", "expected"),
    [
        ("none", {}, 8, []),
        ("recent", {}, 3, ["6.0", "7.0", "8.0"]),
        ("recent", {}, 20, [f"{k}.0" for k in range(9)]),
        ("sink_recent", {}, 5, ["0.0", "1.0", "2.0", "7.0", "8.0"]),
        ("sink_recent", {}, 3, ["0.0", "1.0", "2.0"]),
        ("sink_recent", {"sink": 5}, 3, ["0.0", "1.0", "2.0"]),
        ("sink_recent", {"sink": 0}, 2, ["7.0", "8.0"]),
        ("earliest_appearance", {}, 8, ["0.0"]),
        ("entity_bank", {}, 8, ["0.0"]),
        ("greedy_coverage", {}, 8, ["0.0"]),
        ("scheduled_coverage", {"miss": 0}, 8, ["0.0"]),
        ("scheduled_coverage", {}, 8, ["0.0", "1.0", "2.0", "3.0"]),
        ("greedy_coverage", {"miss": 0.5}, 3, ["0.0", "1.0", "2.0"]),
        ("graph_ancestors", {}, 3, ["6.0", "7.0", "8.0"]),
        ("recency_frequency", {}, 2, ["7.0", "8.0"]),
    ],
)
def test_on_a_story_of_one_entity(
    line: tuple[BoardShot, list[Keyframe], Storyboard],
    name: str,
    settings: dict[str, Any],
    budget: int,
    expected: list[str],
) -> None:
    shot, keyframes, board = line
    assert ids(build(name, **settings).recall(shot, view(board, keyframes), budget)) == expected


def test_coverage_takes_few_frames_that_show_all(make_board: MakeBoard, make_keyframe: MakeKeyframe) -> None:
    board = make_board("a", "b", "abc", "d", "abcd")
    keyframes = [make_keyframe(board, k) for k in range(4)]
    for name in ("greedy_coverage", "scheduled_coverage"):
        assert ids(build(name, miss=0).recall(board.shots[4], view(board, keyframes), 8)) == ["2.0", "3.0"]
        assert ids(build(name, miss=0).recall(board.shots[4], view(board, keyframes), 1)) == ["2.0"]
    assert ids(build("earliest_appearance").recall(board.shots[4], view(board, keyframes), 8)) == [
        "0.0", "1.0", "2.0", "3.0",
    ]  # fmt: skip


def test_ties_go_to_the_shallower_shot_and_then_to_the_better_frame(
    make_board: MakeBoard, make_keyframe: MakeKeyframe
) -> None:
    board = make_board("a", "a", "a")
    worse, better = make_keyframe(board, 0, 0, 1.0), make_keyframe(board, 0, 1, 2.0)
    deeper = make_keyframe(board, 1, 0, 9.0)
    seen = view(board, [worse, better, deeper])
    assert ids(build("scheduled_coverage", miss=0).recall(board.shots[2], seen, 4)) == ["0.1"]
    assert ids(build("greedy_coverage").recall(board.shots[2], seen, 4)) == ["1.0"]
    assert ids(build("greedy_coverage", rank_by=["aesthetic"]).recall(board.shots[2], seen, 4)) == ["0.0"]


def test_a_reference_image_comes_first(make_board: MakeBoard, make_keyframe: MakeKeyframe) -> None:
    board = make_board("a", "a")
    reference, frame = make_keyframe(board, -1, 0, 0.0, "a"), make_keyframe(board, 0, 0, 9.0)
    for name in ("entity_bank", "scheduled_coverage", "earliest_appearance"):
        assert ids(build(name).recall(board.shots[1], view(board, [frame, reference]), 1)) == ["-1.0"]


def test_the_bank_keeps_its_choice(make_board: MakeBoard, make_keyframe: MakeKeyframe) -> None:
    board = make_board(*["a"] * 6)
    keyframes = [make_keyframe(board, k, 0, score) for k, score in enumerate([1.0, 3.0, 2.0, 9.0, 9.0])]
    for position in (3, 4, 5):
        recalled = build("entity_bank").recall(board.shots[position], view(board, keyframes[:position]), 8)
        assert ids(recalled) == ["1.0"]


def test_similarity_decides_what_a_keyframe_shows(make_board: MakeBoard, make_keyframe: MakeKeyframe) -> None:
    board = make_board("ab", "ab", "ab")
    keyframes = [make_keyframe(board, 0), make_keyframe(board, 1)]
    vectors = {"a": [1, 0, 0], "b": [0, 1, 0], "0.0": [1, 0, 0.1], "1.0": [0, 1, 0.1]}
    seen = view(board, keyframes, vectors)
    assert ids(build("greedy_coverage").recall(board.shots[2], seen, 8)) == ["0.0"]
    looking = build("greedy_coverage", shown="similarity", min_similarity=0.5)
    assert looking.needs_encoder
    assert ids(looking.recall(board.shots[2], seen, 8)) == ["0.0", "1.0"]
    with pytest.raises(SettingsError, match="encoder: this policy compares pictures and needs one"):
        looking.recall(board.shots[2], view(board, keyframes), 8)


def test_retrieval_by_prompt_and_story(make_board: MakeBoard, make_keyframe: MakeKeyframe) -> None:
    board = make_board("a", "a", "a", "a", overview="the story")
    keyframes = [make_keyframe(board, k) for k in range(3)]
    vectors = {
        "prompt 3": [1, 0], "the story": [0, 1], "0.0": [0, 1], "1.0": [1, 0.1], "2.0": [0.5, 0.5],
    }  # fmt: skip
    seen = view(board, keyframes, vectors)
    assert ids(build("prompt_topk", k=1).recall(board.shots[3], seen, 8)) == ["1.0", "2.0"]
    assert ids(build("prompt_topk", k=1, first_of_last=False).recall(board.shots[3], seen, 8)) == ["1.0"]
    assert ids(build("prompt_topk", k=1).recall(board.shots[3], seen, 1)) == ["1.0"]
    assert ids(build("dual_query", shot_frames=1, story_frames=1).recall(board.shots[3], seen, 8)) == ["0.0", "1.0"]
    assert ids(build("diverse").recall(board.shots[3], seen, 2)) == ["0.0", "1.0"]


@settings(deadline=None, max_examples=30)
@given(count=st.integers(1, 30), budget=st.integers(1, 8))
def test_a_reservoir_changes_by_one_at_most(count: int, budget: int) -> None:
    script = StoryScript(title="t", scenes=(Scene(shots=tuple(Shot(prompt="x") for _ in range(count + 1))),))
    board = Storyboard(script)
    shot = board.shots[count]
    keyframes = [Keyframe(f"k{k}", board.shots[k].id, k, 0, Path("x")) for k in range(count)]
    before = set(ids(build("reservoir").recall(shot, view(board, keyframes[:-1]), budget)))
    after = set(ids(build("reservoir").recall(shot, view(board, keyframes), budget)))
    assert after - before <= {f"k{count - 1}"}
    assert len(after) == min(count, budget)


def test_a_reservoir_is_fair_and_follows_its_seed(line: tuple[BoardShot, list[Keyframe], Storyboard]) -> None:
    shot, keyframes, board = line
    counts = dict.fromkeys(ids(keyframes), 0)
    for seed in range(300):
        for name in ids(build("reservoir", seed=seed).recall(shot, view(board, keyframes), 3)):
            counts[name] += 1
    assert min(counts.values()) > 70
    assert max(counts.values()) < 130


def test_recency_frequency_weighs_both(make_board: MakeBoard, make_keyframe: MakeKeyframe) -> None:
    board = make_board("a", "a", "a", "b", "c")
    keyframes = [make_keyframe(board, k) for k in range(4)]
    often, lately = build("recency_frequency", decay=1.0), build("recency_frequency", decay=0.3)
    assert ids(often.recall(board.shots[4], view(board, keyframes), 1)) == ["2.0"]
    assert ids(lately.recall(board.shots[4], view(board, keyframes), 1)) == ["3.0"]


def test_shots_that_share_nothing_are_independent(make_board: MakeBoard) -> None:
    board = make_board("a", "b", "a", "b", "+b", "a")
    handovers = [0 if shot.cut else 1 for shot in board]
    for name in ("earliest_appearance", "entity_bank", "greedy_coverage", "scheduled_coverage"):
        graph = build_graph(board, build(name), handovers)
        assert [shot.id for shot in board if not graph.parents(shot.id)] == ["1.1", "1.2"], name
        assert "1.3" not in graph.descendants("1.2"), name
    chained = build_graph(board, build("sink_recent"), handovers)
    assert [shot.id for shot in board if not chained.parents(shot.id)] == ["1.1"]
    assert build("graph_ancestors", sink=0).sees(board, board.shots[4]) == [1, 3]


def test_a_camera_remembers_its_take(make_board: MakeBoard) -> None:
    board = make_board("a", "b", "+c", "+d")
    assert build("graph_ancestors", sink=0).sees(board, board.shots[3]) == [1, 2]
    assert build("graph_ancestors", sink=1).sees(board, board.shots[3]) == [0, 1, 2]


def test_a_composition_fills_the_budget_part_by_part(line: tuple[BoardShot, list[Keyframe], Storyboard]) -> None:
    shot, keyframes, board = line
    seen = view(board, keyframes)
    assert ids(build("compose").recall(shot, seen, 4)) == ["0.0", "1.0", "2.0", "3.0"]
    parts = [{"policy": "entity_bank"}, {"policy": {"name": "sink_recent", "sink": 1}, "most": 2}, {"policy": "recent"}]
    composed = build("compose", parts=parts)
    assert ids(composed.recall(shot, seen, 4)) == ["0.0", "1.0", "7.0", "8.0"]
    assert composed.sees(board, shot) == range(9)
    narrow = build("compose", parts=[{"policy": "earliest_appearance"}, {"policy": "entity_bank"}])
    assert narrow.sees(board, shot) == [0, 1, 2]
    assert build("compose", parts=[{"policy": "none"}]).admit(shot, keyframes, seen) == []
    assert ids(build("compose", parts=[{"policy": "none"}, {"policy": "recent"}]).admit(shot, keyframes, seen)) == ids(
        keyframes
    )


def test_a_composition_names_a_bad_part() -> None:
    with pytest.raises(PluginError, match=r"unknown policy 'entity_bnk': did you mean 'entity_bank'"):
        build("compose", parts=[{"policy": "entity_bnk"}])
    with pytest.raises(SettingsError, match="policy 'sink_recent': sink"):
        build("compose", parts=[{"policy": {"name": "sink_recent", "sink": -1}}])
    with pytest.raises(SettingsError, match="parts"):
        build("compose", parts=[])


def test_a_composition_is_built_by_whom_it_is_told(line: tuple[BoardShot, list[Keyframe], Storyboard]) -> None:
    asked: list[tuple[str, str]] = []

    def build_part(kind: str, name: str, settings: Mapping[str, Any]) -> MemoryPolicy[Any]:
        asked.append((kind, name))
        return build("diverse")

    composed = Compose(ComposeSettings.model_validate({"parts": [{"policy": "mine"}]}))
    composed.build_parts(build_part)
    assert asked == [("policy", "mine")]
    assert composed.needs_encoder
    assert build("diverse").fingerprint() in composed.fingerprint()


def test_settings_are_checked_by_name() -> None:
    with pytest.raises(SettingsError, match="policy 'scheduled_coverage': frames"):
        build("scheduled_coverage", frames=0)
    with pytest.raises(SettingsError, match="unknown key"):
        build("greedy_coverage", depth=1)
