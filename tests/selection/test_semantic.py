"""The semantic selector: golden indices, lazy gate, one embedding pass, memory."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storymem.errors import PluginError, SettingsError
from storymem_plugins.selection.semantic import SemanticSelector, SemanticSettings, choose

CASES = ["walk_fast", "cuts3", "static", "low_first7"]


def unit(rows):
    rows = np.asarray(rows, dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("case", CASES)
def test_golden_indices_and_threshold(golden, case):
    quality = golden[f"{case}/quality"]
    kept, threshold = choose(golden[f"{case}/emb"], lambda i: bool(quality[i] >= 3.0))
    assert kept == golden[f"{case}/indices"].tolist()
    assert threshold == golden[f"{case}/final_threshold"]


@pytest.mark.parametrize("case", CASES)
def test_selector_reproduces_golden_with_one_pass_and_each_frame_judged_once(
    golden, case, numbered, context_of, gate_of, row_encoder, score_filter
):
    encoder, quality = row_encoder(golden[f"{case}/emb"]), score_filter(golden[f"{case}/quality"])
    context = context_of(numbered(81), encoder=encoder)
    found = SemanticSelector().select(context, gate_of(context, quality=quality))
    assert [c.frame for c in found] == golden[f"{case}/indices"].tolist()
    assert encoder.calls == [81]
    assert len(quality.judged) == len(set(quality.judged))
    assert all(c.scores["quality"] >= 3.0 for c in found)


def test_gate_is_asked_only_where_it_matters(golden, numbered, context_of, gate_of, row_encoder, score_filter):
    encoder, quality = row_encoder(golden["static/emb"]), score_filter(golden["static/quality"])
    context = context_of(numbered(81), encoder=encoder)
    SemanticSelector().select(context, gate_of(context, quality=quality))
    assert quality.judged == [0]  # nothing else differs enough to be a keyframe


def test_memory_golden(golden, numbered, context_of, gate_of, row_encoder, remember):
    frames, bank = golden["memory_compare/emb_keyframes"], golden["memory_compare/emb_bank"]
    frames = frames[[0, 0, 1, 2]]  # the second frame is never a candidate
    encoder = row_encoder(np.concatenate([frames, bank]))
    context = context_of(numbered(4), memory=remember(numbered(2, start=4)), encoder=encoder)
    selector = SemanticSelector(SemanticSettings(threshold=1.0))  # every frame is a candidate
    gate = gate_of(context)
    found = selector.select(context, gate)
    assert [max(0, c.frame - 1) for c in found] == golden["memory_compare/kept"].tolist()
    (refused,) = gate.rejections
    assert (refused.frame, refused.filter, refused.reason) == (2, "semantic", "already in memory")
    assert refused.score < refused.threshold == pytest.approx(0.1)


def test_frames_handed_over_are_not_chosen(numbered, context_of, gate_of, row_encoder):
    context = context_of(numbered(6), first=5, encoder=row_encoder(np.eye(6, dtype=np.float32)))
    assert [c.frame for c in SemanticSelector().select(context, gate_of(context))] == [5]


def test_one_frame_clip(numbered, context_of, gate_of, row_encoder):
    context = context_of(numbered(1), encoder=row_encoder(np.eye(1, dtype=np.float32)))
    assert [c.frame for c in SemanticSelector().select(context, gate_of(context))] == [0]


def test_all_rejected_gives_none_and_every_frame_is_recorded(numbered, context_of, gate_of, row_encoder, score_filter):
    context = context_of(numbered(4), encoder=row_encoder(np.eye(4, dtype=np.float32)))
    gate = gate_of(context, quality=score_filter([1.0] * 4))
    assert SemanticSelector().select(context, gate) == []
    assert [(r.frame, r.filter, r.score, r.threshold) for r in gate.rejections] == [
        (i, "quality", 1.0, 3.0) for i in range(4)
    ]


def test_no_encoder_is_one_clear_line(numbered, context_of, gate_of):
    context = context_of(numbered(2))
    with pytest.raises(SettingsError, match=r"encoder: .* needs one; see storymem plugins encoder"):
        SemanticSelector().select(context, gate_of(context))


def test_memory_of_another_dimension_is_one_clear_line(numbered, context_of, gate_of, row_encoder, remember):
    context = context_of(numbered(2), memory=remember(numbered(1)), encoder=row_encoder(np.eye(2, dtype=np.float32)))
    context.memory_embeddings = np.ones((1, 7), dtype=np.float32)
    with pytest.raises(SettingsError, match=r"embeddings of 2 numbers, but remembered ones have 7; use the enc"):
        SemanticSelector().select(context, gate_of(context))


@pytest.mark.parametrize("rows", [np.ones((1, 4)), np.full((2, 4), np.nan), np.ones(2)])
def test_broken_encoder_is_named(numbered, context_of, gate_of, row_encoder, rows):
    context = context_of(numbered(2), encoder=row_encoder(np.eye(2, dtype=np.float32)))
    context.embeddings = rows.astype(np.float32)
    with pytest.raises(PluginError, match=r"encoder RowEncoder: gave shape .* expected \(2, D\) finite"):
        SemanticSelector().select(context, gate_of(context))


def plain(rows, good, count, threshold, step):
    """The algorithm written out naively: every threshold walks the whole clip again."""
    if not any(good):
        return []
    while True:
        kept = []
        for i in range(len(rows)):
            near = bool(kept) and float(rows[kept[-1]] @ rows[i]) >= threshold
            if good[i] and not near and not (kept and i == 1):
                kept.append(i)
        if len(kept) <= count:
            return kept
        threshold -= step


@given(
    data=st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3), st.booleans()), min_size=1, max_size=25),
    count=st.integers(1, 4),
)
@settings(deadline=None, max_examples=60)
def test_equals_the_naive_walk_and_keeps_its_promises(data, count):
    # Whole-number components: no cosine falls between the two ways of summing.
    rows = unit([[x, y, 4] for x, y, _ in data])
    good = [flag for _, _, flag in data]
    kept, threshold = choose(rows, good.__getitem__, count)
    assert len(kept) <= count
    assert kept == sorted(set(kept))
    assert all(good[i] for i in kept)
    assert bool(kept) == any(good)
    cosines = (rows @ rows.T).astype(np.float64)
    assert all(cosines[a, b] < threshold for a, b in pairwise(kept))
    assert kept == plain(rows, good, count, 0.9, 0.01)


def test_remembered_pictures_are_embedded_once_for_all_shots(
    golden, numbered, context_of, gate_of, row_encoder, remember
):
    encoder = row_encoder(np.eye(5, dtype=np.float32))
    memory = remember(numbered(2, start=3))
    known: dict[str, np.ndarray] = {}
    for _ in range(3):
        context = context_of(numbered(3), memory=memory, encoder=encoder, known=known)
        assert [c.frame for c in SemanticSelector().select(context, gate_of(context))] == [0, 2]
    assert encoder.calls == [3, 1, 1, 3, 3]


def test_the_second_frame_is_kept_only_as_the_first_that_passes() -> None:
    rows = np.eye(4, dtype=np.float32)
    assert choose(rows, lambda i: True, count=4)[0] == [0, 2, 3]
    assert choose(rows, lambda i: i > 0, count=4)[0] == [1, 2, 3]
