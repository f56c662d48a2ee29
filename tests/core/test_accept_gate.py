"""The accept gate: attempts, what is kept and remembered of them, what is recorded, and what is made again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from core_support import Program, chain, rows, story
from gate_support import GateStage, attempts_at, gate_module
from hypothesis import given, settings
from hypothesis import strategies as st

from storymem.engine.accept import attempt_seed, sample
from storymem.engine.cancel import CancelToken
from storymem.errors import Cancelled, SettingsError
from storymem.keys import derived_seed
from storymem.store.records import Take
from storymem.values.events import FrameRejected, ShotStarted, ShotStep

NEVER = 2.0  # no luck is as good


@pytest.fixture
def stage(tmp_path: Path) -> GateStage:
    return GateStage(tmp_path)


@pytest.fixture
def judgements() -> Iterator[list[Any]]:
    """What judging calls; emptied afterwards."""
    told: list[Any] = gate_module().ON_JUDGE
    yield told
    told.clear()


def gate(threshold: float, attempts: int = 3, share: float = 1.0, **luck: Any) -> dict[str, Any]:
    return {"attempts": attempts, "share": share, "filters": [{"name": "luck", "threshold": threshold, **luck}]}


def takes(stage: GateStage) -> dict[str, Take]:
    """Return the take of each shot that is in the film."""
    with stage.store() as store:
        current = {(c.shot, c.take) for c in store.current()}
        return {take.shot: take for take in store.takes() if (take.shot, take.number) in current}


def remembered(stage: GateStage) -> dict[str, list[int]]:
    """Return the frames remembered of each shot."""
    return {shot: [k.frame for k in keyframes] for shot, keyframes in stage.keyframes().items()}


# -- attempts ---------------------------------------------------------------------------------------------


def test_without_settings_every_clip_is_kept_and_none_is_judged(stage: GateStage, judgements: list[Any]) -> None:
    asked: list[int] = []
    judgements.append(lambda: asked.append(1))
    with stage.teller() as teller:
        assert teller.settings.accept is None
    stage.render(chain(1, seed=3))
    (take,) = takes(stage).values()
    assert (stage.made(), asked) == (["p1"], [])
    assert take.request["seed"] == derived_seed(3, "1.1")
    assert (take.request["attempts"], take.request["accepted"]) == (1, True)


def test_the_first_accepted_attempt_is_kept_and_the_last_made(stage: GateStage) -> None:
    def late(seed: int) -> bool:
        worst = [min(attempt.lucks) for attempt in attempts_at("1.1", "p1", 3, seed)]
        return worst[2] > max(worst[:2])

    seed = next(seed for seed in range(100) if late(seed))
    tried = attempts_at("1.1", "p1", 3, seed)
    stage.render(chain(1, seed=seed), accept=gate(min(tried[2].lucks), attempts=9))
    (take,) = takes(stage).values()
    assert stage.made() == ["p1"] * 3
    assert (take.clip, take.request["seed"]) == (tried[2].clip, tried[2].seed)
    assert (take.request["attempts"], take.request["accepted"]) == (3, True)
    assert remembered(stage)["1.1"]
    assert not stage.of(FrameRejected) or all(not e.filter.startswith("accept:") for e in stage.of(FrameRejected))


@pytest.mark.parametrize("threshold", [0.5, NEVER])
def test_if_none_is_accepted_the_best_is_kept(stage: GateStage, threshold: float) -> None:
    def rank(number: int) -> tuple[float, float]:
        return tried[number].share(threshold), sum(tried[number].lucks)

    for seed in range(100):
        tried = attempts_at("1.1", "p1", 4, seed)
        best = max(range(4), key=rank)
        if best in (1, 2) and all(attempt.share(threshold) < 1 for attempt in tried):
            break
    stage.render(chain(1, seed=seed), accept=gate(threshold, attempts=4))
    (take,) = takes(stage).values()
    assert stage.made() == ["p1"] * 4
    assert (take.clip, take.request["seed"]) == (tried[best].clip, tried[best].seed)
    assert (take.request["attempts"], take.request["accepted"]) == (4, False)


def test_a_share_of_the_frames_is_enough_if_so_set(stage: GateStage) -> None:
    (attempt,) = attempts_at("1.1", "p1", 1)
    median = sorted(attempt.lucks)[2]  # three of five frames are at least as lucky
    stage.render(chain(1), accept=gate(median, share=0.6))
    assert attempt.share(median) == 0.6
    assert (takes(stage)["1.1"].request["attempts"], takes(stage)["1.1"].request["accepted"]) == (1, True)
    assert remembered(stage)["1.1"], "an accepted clip is remembered, and its filters choose the frames"


def test_repeated_frames_are_not_judged(stage: GateStage) -> None:
    stage.render(chain(2, cut=False), accept=gate(NEVER, attempts=1))
    frames = {shot: {e.frame for e in stage.of(FrameRejected) if e.shot == shot} for shot in ("1.1", "1.2")}
    assert frames == {"1.1": {0, 1, 2, 3, 4}, "1.2": {1, 2, 3, 4}}


@given(first=st.integers(0, 50), length=st.integers(1, 200), count=st.integers(1, 100))
@settings(deadline=None, max_examples=60)
def test_samples_are_spread_over_the_shots_own_frames(first: int, length: int, count: int) -> None:
    found = sample(first, first + length, count)
    assert found == sorted(set(found))
    assert len(found) == min(count, length)
    assert first <= found[0] <= found[-1] < first + length
    steps = {b - a for a, b in pairwise(found)}
    assert max(steps, default=0) - min(steps, default=0) <= 1


@given(seed=st.integers(0, 2**64 - 1))
@settings(deadline=None, max_examples=30)
def test_attempts_have_their_own_legal_seeds(seed: int) -> None:
    seeds = [attempt_seed(seed, number) for number in range(20)]
    assert seeds[0] == seed
    assert len(set(seeds)) == 20
    assert all(0 <= s < 2**64 for s in seeds)


# -- memory and film ----------------------------------------------------------------------------------------


def test_rejected_shots_are_in_the_film_and_not_in_memory(stage: GateStage) -> None:
    result = stage.render(chain(2), accept=gate(NEVER, attempts=2), budget=4)
    assert result.check().frames == 10
    assert remembered(stage) == {"1.1": [], "1.2": []}
    assert rows(stage.folder())["memory.sqlite:keyframes"] == []
    assert [event.recalled for event in stage.of(ShotStarted)] == [(), ()]
    assert not list((stage.folder() / "keyframes").glob("*"))


def test_later_shots_recall_only_accepted_ones(stage: GateStage) -> None:
    def split(seed: int) -> bool:
        shots = [attempts_at(f"1.{n}", f"p{n}", 1, seed)[0] for n in (1, 2)]
        return shots[0].share(0.5) < 0.5 <= shots[1].share(0.5)

    seed = next(seed for seed in range(200) if split(seed))
    script = story([{"prompt": "p1"}, {"prompt": "p2"}, {"prompt": "p3"}], seed=seed)
    stage.render(script, accept=gate(0.5, attempts=1, share=0.5), budget=4)
    assert remembered(stage)["1.1"] == []
    third = stage.of(ShotStarted)[2]
    assert third.recalled == tuple(f"1.2:{frame}" for frame in remembered(stage)["1.2"])
    assert third.recalled


# -- what is made again -------------------------------------------------------------------------------------


def test_rendering_again_makes_nothing(stage: GateStage) -> None:
    stage.render(chain(2), accept=gate(NEVER, attempts=2))
    before = rows(stage.folder())
    stage.made()
    result = stage.render(chain(2), accept=gate(NEVER, attempts=2))
    assert (stage.made(), result.cached) == ([], 2)
    assert rows(stage.folder()) == before


@pytest.mark.parametrize(
    "changed",
    [gate(NEVER, attempts=1), gate(NEVER, share=0.2), gate(0.0), {**gate(NEVER), "samples": 2}, None],
    ids=["attempts", "share", "threshold", "samples", "off"],
)
def test_another_gate_makes_again_and_the_old_one_finds_its_take(stage: GateStage, changed: Any) -> None:
    stage.render(chain(1), accept=gate(NEVER))
    assert stage.made() == ["p1"] * 3
    stage.render(chain(1), accept=changed)
    assert stage.made()
    stage.render(chain(1), accept=gate(NEVER))
    assert stage.made() == []
    assert takes(stage)["1.1"].number == 1


def test_one_clip_is_remembered_or_not_as_the_gate_in_force_says(stage: GateStage) -> None:
    for _ in range(2):  # the second time, both takes and both selections are there
        stage.render(chain(1), accept=gate(NEVER, attempts=1))
        refused = takes(stage)["1.1"]
        assert remembered(stage)["1.1"] == []
        stage.render(chain(1))
        assert takes(stage)["1.1"].clip == refused.clip
        assert remembered(stage)["1.1"]
    assert stage.made() == ["p1"] * 2


def test_choosing_again_does_not_choose_from_a_rejected_clip(stage: GateStage) -> None:
    stage.render(chain(1), accept=gate(NEVER))
    reasons = status_of(stage)["1.1"]["rejections"]
    stage.made()
    stage.render(chain(1), accept=gate(NEVER), selector={"name": "every", "step": 1}, filters=[])
    assert stage.made() == []
    assert remembered(stage)["1.1"] == []
    assert status_of(stage)["1.1"]["rejections"] == reasons != []


# -- what is said -------------------------------------------------------------------------------------------


def status_of(stage: GateStage) -> dict[str, dict[str, Any]]:
    with stage.opened() as run:
        return {shot: status.to_json() for shot, status in run.status().items()}


def test_status_shows_what_was_refused_by_what(stage: GateStage, program: Program) -> None:
    stage.render(chain(1), accept=gate(NEVER, attempts=2))
    done = program("status", stage.folder(), "--json", cwd=stage.root)
    (shown,) = json.loads(done.stdout)["shots"]
    best = max(attempts_at("1.1", "p1", 2), key=lambda attempt: sum(attempt.lucks))
    expected = {"filter": "accept:luck", "threshold": NEVER, "reason": "unlucky"}
    assert shown["rejections"] == [{"frame": i, "score": luck, **expected} for i, luck in enumerate(best.lucks)]
    assert (shown["state"], shown["keyframes"]) == ("finished", [])
    assert [e.score for e in stage.of(FrameRejected)] == list(best.lucks)
    plain = program("status", stage.folder(), cwd=stage.root).stdout
    assert f"0 by accept:luck ({best.lucks[0]:.3g} < 2)" in plain


def test_takes_says_how_often_a_shot_was_tried(stage: GateStage, program: Program) -> None:
    stage.render(chain(1), accept=gate(NEVER, attempts=2))
    (take,) = json.loads(program("takes", stage.folder(), "1.1", "--json", cwd=stage.root).stdout)
    assert take["request"]["attempts"] == 2
    assert take["request"]["accepted"] is False
    assert take["request"]["seed"] in [attempt.seed for attempt in attempts_at("1.1", "p1", 2)]


def test_every_attempt_starts_with_a_step(stage: GateStage) -> None:
    stage.render(chain(1), accept=gate(NEVER, attempts=4))
    assert [(e.step, e.total) for e in stage.of(ShotStep)].count((0, 1)) == 4


def test_cancelling_while_a_clip_is_judged_stops_before_the_next(stage: GateStage, judgements: list[Any]) -> None:
    cancel = CancelToken()
    judgements.append(cancel.cancel)
    with pytest.raises(Cancelled):
        stage.render(chain(1), accept=gate(NEVER), cancel=cancel)
    assert stage.made() == ["p1"]
    with stage.store() as store:
        assert store.takes() == []
    judgements.clear()
    assert stage.render(chain(1), accept=gate(NEVER)).film is not None


@pytest.mark.parametrize(
    ("fault", "said"), [("raise", "RuntimeError: no memory left"), ("refuse", "head.bin: cannot be read")]
)
def test_a_gate_that_breaks_fails_the_shot_in_one_line(stage: GateStage, fault: str, said: str) -> None:
    result = stage.render(chain(2), policy="none", accept=gate(NEVER, fault=fault))
    assert result.failures == {f"1.{n}": f"shot 1.{n}: the accept gate failed: {said}" for n in (1, 2)}


# -- before anything is made --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            {"accept": {"filters": ["tinted"]}},
            "filter tinted Tinted compares pictures by an encoder; set one, see storymem plugins encoder",
        ),
        (
            {
                "filters": [{"name": "duplicate", "compare": "embedding"}],
                "accept": {"filters": [{"name": "duplicate", "compare": "pixels"}]},
            },
            "filter duplicate DuplicateFilter compares pictures by an encoder",
        ),
        ({"accept": {"filters": ["luck", "luck"]}}, "accept.filters: 'luck' is listed twice"),
        ({"accept": {"attempts": 0}}, "accept.attempts"),
        ({"accept": {"filters": [{"name": "luck", "treshold": 1}]}}, "treshold"),
    ],
)
def test_wrong_gates_are_errors_before_anything_is_made(stage: GateStage, wrong: Any, message: str) -> None:
    with pytest.raises(SettingsError) as error:
        stage.render(chain(1), **wrong)
    assert message in str(error.value)
    assert not stage.folder().exists()


def test_a_gate_with_an_encoder_runs(stage: GateStage) -> None:
    stage.render(chain(2), encoder="colours", accept={"filters": ["tinted"]})
    assert [take.request["accepted"] for take in takes(stage).values()] == [True, True]
