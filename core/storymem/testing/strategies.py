"""Hypothesis strategies for what plugins work on. All values are small, valid and shrink well."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from storymem.graph import ShotGraph, build_graph
from storymem.interfaces import Keyframe, MemoryPolicy, MemoryView
from storymem.numbers import SEED_LIMIT
from storymem.testing.fakes import DictStore, FakeEncoder, hash_vector
from storymem.values.clip import Clip, Frames
from storymem.values.keyframe import REFERENCE_POSITION
from storymem.values.script import Entity, EntityKind, Scene, Shot, StoryScript
from storymem.values.storyboard import BoardShot, Storyboard

_NAMES = ("Anna", "Ben", "the harbour", "red kite", "Old Tom")
_ACTIONS = ("walks", "waits", "looks up", "runs", "sits down")


@st.composite
def shots(draw: st.DrawFn, entities: Sequence[str], first: bool) -> Shot:
    """One shot that shows some of ``entities``; a story's first shot is a cut."""
    shown = draw(st.lists(st.sampled_from(entities), unique=True)) if entities else []
    who = " and ".join(shown) or draw(st.sampled_from(_NAMES))
    return Shot(
        prompt=f"In the evening {who} {draw(st.sampled_from(_ACTIONS))}.",
        cut=first or draw(st.booleans()),
        entities=tuple(shown),
    )


@st.composite
def scripts(draw: st.DrawFn, max_shots: int = 8, scheduled: bool | None = None) -> StoryScript:
    """A story of 1 to ``max_shots`` shots in scenes.

    Args:
        draw: Given by hypothesis.
        max_shots: Most shots.
        scheduled: Whether shots list entities; None for either.
    """
    with_entities = draw(st.booleans()) if scheduled is None else scheduled
    names = draw(st.lists(st.sampled_from(_NAMES), unique=True, min_size=1)) if with_entities else []
    listed = [draw(shots(names, first=i == 0)) for i in range(draw(st.integers(1, max_shots)))]
    breaks = draw(st.sets(st.integers(1, len(listed) - 1), max_size=3)) if len(listed) > 1 else set()
    edges = [0, *sorted(breaks), len(listed)]
    return StoryScript(
        title=draw(st.sampled_from(("A kite", "Zwei", "3"))),
        overview=draw(st.sampled_from(("", "Two friends look for a lost kite."))),
        style=draw(st.sampled_from(("", "Soft light."))),
        seed=draw(st.integers(0, SEED_LIMIT - 1)),
        entities=tuple(Entity(id=name, kind=draw(st.sampled_from(EntityKind))) for name in names),
        scenes=tuple(Scene(shots=tuple(listed[a:b])) for a, b in pairwise(edges)),
    )


def storyboards(max_shots: int = 8, scheduled: bool | None = None) -> st.SearchStrategy[Storyboard]:
    """The flat form of :func:`scripts`."""
    return scripts(max_shots=max_shots, scheduled=scheduled).map(Storyboard)


class _Listed(MemoryPolicy):
    def __init__(self, visible: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.visible = visible

    def sees(self, board: Storyboard, shot: BoardShot) -> Sequence[int]:
        return self.visible[shot.position]

    def recall(self, shot: BoardShot, view: MemoryView, budget: int) -> Sequence[Keyframe]:
        return view[:budget]


@st.composite
def graphs(draw: st.DrawFn, max_shots: int = 8) -> ShotGraph:
    """A valid shot graph in which every shot sees any earlier shots; shots that are no cuts continue."""
    board = draw(storyboards(max_shots))
    visible = [sorted(draw(st.sets(st.integers(0, k - 1)))) if k else [] for k in range(len(board))]
    return build_graph(board, _Listed(visible), [0 if shot.cut else 1 for shot in board])


@st.composite
def keyframes(draw: st.DrawFn, board: Storyboard, before: int | None = None) -> list[Keyframe]:
    """Keyframes of the shots below ``before``, and reference images, in any order; a few pictures recur.

    They have no files: use them with a view whose store holds embeddings (:func:`memory_views`).
    """
    found: list[Keyframe] = []
    for shot in board.shots[:before]:
        for frame in sorted(draw(st.sets(st.integers(0, 80), max_size=3))):
            found.append(_keyframe(draw, shot.id, shot.position, frame, shot.entities))
    for entity in board.entities:
        if draw(st.integers(0, 3)) == 0:
            found.append(_keyframe(draw, f"ref:{entity}", REFERENCE_POSITION, 0, (entity,)))
    return draw(st.permutations(found))


def _keyframe(draw: st.DrawFn, shot: str, position: int, frame: int, entities: tuple[str, ...]) -> Keyframe:
    picture = draw(st.sampled_from((f"{shot}/{frame}", f"{shot}/{frame}", f"{shot}/{frame}", "same")))
    return Keyframe(
        id=hashlib.sha256(picture.encode()).hexdigest(),
        shot=shot,
        position=position,
        frame=frame,
        entities=entities,
        scores=draw(st.sampled_from(({}, {"sharpness": 10.0}, {"sharpness": 20.0}))),
    )


def view_of(board: Storyboard, found: Sequence[Keyframe]) -> MemoryView:
    """Return a view of keyframes, with a :class:`FakeEncoder` and made-up embeddings in a store."""
    encoder, store = FakeEncoder(), DictStore()
    store.put_embeddings(encoder.fingerprint(), {k.id: hash_vector(k.id) for k in found})
    return MemoryView(board, found, encoder, store)


@st.composite
def memory_views(draw: st.DrawFn, max_shots: int = 8) -> tuple[BoardShot, MemoryView]:
    """A shot and a view of keyframes of all shots before it, with embeddings."""
    board = draw(storyboards(max_shots))
    shot = draw(st.sampled_from(board.shots))
    return shot, view_of(board, draw(keyframes(board, shot.position)))


@st.composite
def frames(draw: st.DrawFn, count: int = 1, size: tuple[int, int] | None = None) -> Frames:
    """``count`` pictures, uint8 RGB (count, H, W, 3): flat, gradient or noise."""
    width, height = size or (draw(st.integers(8, 48)), draw(st.integers(8, 48)))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    kind = draw(st.sampled_from(("noise", "flat", "gradient")))
    if kind == "noise":
        return random.integers(0, 256, size=(count, height, width, 3), dtype=np.uint8)
    flat = random.integers(0, 256, size=(count, 1, 1, 3)).repeat(height, axis=1).repeat(width, axis=2)
    if kind == "gradient":
        return (flat * np.linspace(0, 1, width)[None, None, :, None]).astype(np.uint8)
    return flat.astype(np.uint8)


@st.composite
def clips(draw: st.DrawFn, max_frames: int = 9) -> Clip:
    """A clip of 1 to ``max_frames`` frames."""
    return Clip(draw(frames(draw(st.integers(1, max_frames)))), fps=draw(st.integers(1, 30)))
