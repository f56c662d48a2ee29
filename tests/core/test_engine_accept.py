"""The accept gate: clips that fail are made again with other seeds, the best is kept, and only good ones remembered."""

from __future__ import annotations

from typing import Any

import pytest
from core_support import Stage, chain, published, rows, tiny_module

from storymem.engine.accept import attempt_seed
from storymem.errors import SettingsError
from storymem.keys import derived_seed
from storymem.testing import shot_request
from storymem.values.events import FrameRejected, KeyframesAdmitted, ShotStarted


def gate(least: float, attempts: int = 6, share: float = 1.0) -> dict[str, Any]:
    filters = [{"name": "bright", "least": least}]
    return {"attempts": attempts, "share": share, "samples": 5, "filters": filters}


def darkest(seed: int) -> float:
    """Return the darkest frame's mean of the clip that this seed gives for the prompt p1."""
    frames = tiny_module().draw(shot_request("p1", (32, 16), 5, seed))
    return float(min(frame.mean() for frame in frames)) / 255


SEEDS = [attempt_seed(derived_seed(0, "1.1"), attempt) for attempt in range(6)]


def test_attempts_have_seeds_of_their_own() -> None:
    assert SEEDS[0] == derived_seed(0, "1.1")
    assert len(set(SEEDS)) == 6
    assert all(0 <= seed < 2**63 for seed in SEEDS)


def test_the_first_clip_that_passes_is_kept(stage: Stage) -> None:
    scores = [darkest(seed) for seed in SEEDS]
    wanted = max(scores[0], *scores[1:4]) if scores[0] < max(scores[1:4]) else scores[0]
    first = next(i for i, score in enumerate(scores) if score >= wanted)
    stage.render(chain(1), accept=gate(wanted)).check()
    assert stage.made() == ["p1"] * (first + 1)
    with stage.store() as store:
        (take,) = store.takes()
    assert (take.request["seed"], take.request["attempts"], take.request["accepted"]) == (SEEDS[first], first + 1, True)
    assert stage.of(KeyframesAdmitted)[0].frames


def test_the_best_of_all_is_kept_but_not_remembered_where_none_passes(stage: Stage) -> None:
    stage.render(chain(2), accept=gate(2.0, attempts=3)).check()
    assert stage.made() == ["p1"] * 3 + ["p2"] * 3
    with stage.store() as store:
        take = store.takes("1.1")[0]
    assert (take.request["attempts"], take.request["accepted"]) == (3, False)
    assert take.request["seed"] in SEEDS[:3]
    assert [event.frames for event in stage.of(KeyframesAdmitted)] == [(), ()]
    assert [event.recalled for event in stage.of(ShotStarted)] == [(), ()]
    assert {event.filter for event in stage.of(FrameRejected)} == {"accept:bright"}
    assert published(stage.folder())["film.mp4"]


def test_a_gate_without_filters_judges_by_the_default_ones(stage: Stage) -> None:
    with stage.teller(accept={"filters": []}) as teller:
        assert teller.settings.accept is not None
        assert [choice.name for choice in teller.settings.accept.filters] == ["exposure"]


def test_a_share_of_the_frames_is_enough(stage: Stage) -> None:
    frames = tiny_module().draw(shot_request("p1", (32, 16), 5, SEEDS[0]))
    middle = sorted(float(frame.mean()) / 255 for frame in frames)[2]
    stage.render(chain(1), accept=gate(middle, share=0.6)).check()
    assert stage.made() == ["p1"]


def test_an_accepted_run_resumes_and_does_not_depend_on_workers(stage: Stage) -> None:
    options = {"accept": gate(0.5, attempts=3, share=0.8)}
    stage.render(chain(4), **options).check()
    made = stage.made()
    assert stage.render(chain(4), **options).made == 0
    assert stage.made() == []
    stage.render(chain(4), run="four", workers=4, **options).check()
    assert stage.made() == made
    assert published(stage.folder()) == published(stage.folder("four"))
    assert rows(stage.folder()) == rows(stage.folder("four"))


def test_choosing_again_never_remembers_a_refused_clip(stage: Stage) -> None:
    options = {"accept": gate(2.0, attempts=2)}
    stage.render(chain(1), selector={"name": "every", "step": 2}, **options).check()
    stage.made()
    stage.render(chain(1), selector={"name": "every", "step": 1}, **options).check()
    assert stage.made() == []
    assert rows(stage.folder())["memory.sqlite:keyframes"] == []


@pytest.mark.parametrize(
    ("accept", "words"),
    [
        ({"attempts": 0}, "accept.attempts: .*greater than or equal to 1"),
        ({"share": 0}, "accept.share: .*greater than 0"),
        ({"tries": 3}, "accept.tries: unknown key"),
    ],
)
def test_bad_gates_are_named(stage: Stage, accept: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        stage.teller(accept=accept)
