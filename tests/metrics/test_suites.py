"""All suites on tiny random weights, and their arithmetic on features that a test knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from metrics_support import ListedFilm, film, noise, story, without
from numpy.typing import NDArray

from storymem.evaluate.evaluator import Evaluator
from storymem.evaluate.results import ColumnResult, Evaluation, csv_of, table
from storymem.evaluate.run import evaluate
from storymem.interfaces import Box, Scope
from storymem.values.clip import Clip, Frames
from storymem.values.script import StoryScript
from storymem_plugins.metrics.colour import ColourSuite
from storymem_plugins.metrics.entitybench import EntityBenchSuite, padded_crop
from storymem_plugins.metrics.st_bench import StBenchSuite
from storymem_plugins.metrics.vbench import VBenchSuite
from storymem_plugins.metrics.vistorybench import Still, ViStoryBenchSuite, matched

SUITES = {
    "colour": {"red_mean", "colour_change", "colour_drift", "seam"},
    "st_bench": {"aesthetic", "prompt_global", "prompt_single", "consistency_overall", "consistency_top10"},
    "vbench": {
        "subject_consistency",
        "background_consistency",
        "temporal_flickering",
        "overall_consistency",
        "aesthetic_quality",
        "imaging_quality",
        "dynamic_degree",
    },
    "entitybench": {"presence_character", "cs_face", "gap_decay", "cs_transition_boundary"},
    "vistorybench": {"cids_cross", "cids_self", "occm", "copy_paste", "style_cross", "style_self"},
}
FAST = {"raft": {"iterations": 1}}


def run(evaluator: Evaluator, one: ListedFilm) -> Evaluation:
    return evaluate(one, evaluator._suites, evaluator.features, evaluator._models)


@pytest.mark.parametrize("suite", SUITES)
def test_a_whole_suite_on_tiny_random_weights(suite: str, weights: Path) -> None:
    models = FAST if suite == "vbench" else {}
    with Evaluator([suite], weights, models) as evaluator:
        result = run(evaluator, film(2, fps=8) if suite == "vbench" else film())
    filled = {column.name for column in result.columns if column.film is not None}
    assert filled >= SUITES[suite]
    assert all(model.weights for model in result.models if model.role != "judge")
    assert all(len(digest) == 64 for model in result.models for digest in model.weights.values())
    for column in result.columns:
        assert all(np.isfinite(value.value) for value in column.values)
        assert column.reimplementation == (suite != "colour")
    assert csv_of([result]).count("\n") == 1 + sum(len(column.values) for column in result.columns)


def test_missing_weights_leave_their_columns_empty_and_say_what_to_get(weights: Path, tmp_path: Path) -> None:
    lacking = without(weights, tmp_path / "weights", "musiq*", "dino-vitb16", "raft*")
    with Evaluator(["vbench"], lacking) as evaluator:
        result = run(evaluator, film(2, fps=8))
    empty = {column.name: column.empty for column in result.columns if column.empty}
    assert set(empty) == {"subject_consistency", "imaging_quality", "dynamic_degree"}
    assert "musiq_spaq_ckpt-358bb6af.pth does not exist; get musiq_spaq" in empty["imaging_quality"]
    assert "0.1 GB" in empty["imaging_quality"]
    lines = list(table([result]))
    assert any(line.startswith("vbench.imaging_quality") and line.endswith("-") for line in lines)
    assert any("vbench.imaging_quality: empty: musiq" in line for line in lines)
    assert {model.role for model in result.models if model.missing} == {"dino", "musiq", "raft"}


def test_without_a_folder_of_weights_what_needs_none_is_measured() -> None:
    with Evaluator(["vbench"]) as evaluator:
        result = run(evaluator, film(2, fps=8))
    assert [column.name for column in result.columns if column.film is not None] == ["temporal_flickering"]
    assert "name its folder with --weights" in result.column("vbench.subject_consistency").empty


def test_evaluating_again_after_a_redo_computes_one_shot(weights: Path, tmp_path: Path) -> None:
    """Nothing is computed twice: neither in another process, nor for the shots that are as they were."""
    one = film(2, fps=8)
    with Evaluator(["vbench"], weights, FAST, cache=tmp_path / "features.sqlite") as evaluator:
        first = run(evaluator, one)
        assert evaluator.features["vbench"].computed["dino"] == 8
    one._clips["1.3"] = Clip(noise(2, 128, 160, seed=77), 8)  # type: ignore[index]
    with Evaluator(["vbench"], weights, FAST, cache=tmp_path / "features.sqlite") as evaluator:
        again = run(evaluator, one)
        computed = evaluator.features["vbench"].computed
    assert computed["dino"] == 2
    assert computed["viclip"] == 1
    assert computed["raft"] == 1
    label = "vbench.subject_consistency"
    before, after = ({v.subject: v.value for v in r.column(label).of(Scope.SHOT)} for r in (first, again))
    assert [shot for shot in before if before[shot] != after[shot]] == [("1.3",)]


def test_models_are_loaded_once_for_all_suites(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from storymem_plugins.extractors.viclip import ViclipEncoder

    loads: list[str] = []
    load = ViclipEncoder.load
    monkeypatch.setattr(ViclipEncoder, "load", lambda self: loads.append("viclip") or load(self))
    with Evaluator(["st_bench", "vbench"], weights, FAST) as evaluator:
        for _ in range(2):
            run(evaluator, film(2, fps=8))
    assert loads == ["viclip"]


# -- arithmetic on known features -------------------------------------------------------------------------------


class Known:
    """Features by the brightness of a picture's first pixel: every model gives the row of that number."""

    def __init__(self, rows: Mapping[int, Sequence[float]], texts: Mapping[str, Sequence[float]], **extra: Any) -> None:
        self._rows, self._texts, self._extra = rows, texts, extra

    def images(self, role: str, frames: Frames) -> NDArray[np.float32]:
        return np.asarray([self._rows[int(frame[0, 0, 0])] for frame in frames], dtype=np.float32)

    def clip(self, role: str, frames: Frames) -> NDArray[np.float32]:
        return self.images(role, frames[:1])[0]

    def texts(self, role: str, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.asarray([self._texts[text] for text in texts], dtype=np.float32)

    def boxes(self, role: str, frame: Frames, phrase: str, threshold: float) -> list[Box]:
        found: list[Box] = self._extra["boxes"](int(frame[0, 0, 0]), phrase)
        return [box for box in found if box.confidence > threshold]

    def agreement(self, role: str, frame: Frames, text: str) -> float:
        return float(self._extra["judge"](int(frame[0, 0, 0])))

    def clip_frames(self, role: str) -> int:
        return 8

    def missing(self, role: str) -> str:
        absent = {"judge", "laion_head", "musiq", "raft"} - set(self._extra)
        return f"{role}: none" if role in absent else ""

    def has(self, role: str) -> bool:
        return not self.missing(role)


def grey(*levels: int, size: int = 32, fps: int = 8) -> Clip:
    frames = np.asarray(levels, dtype=np.uint8)[:, None, None, None]
    return Clip(np.broadcast_to(frames, (len(levels), size, size, 3)).copy(), fps)


def columns(suite: Any, one: ListedFilm, known: Known) -> dict[str, ColumnResult]:
    result = evaluate(one, {"s": suite}, {"s": known})  # type: ignore[dict-item]
    return {column.name: column for column in result.columns}


def two_shots(second: Mapping[str, Any] | None = None, **fields: Any) -> StoryScript:
    shots = [{"prompt": "one"}, {"prompt": "two", **(second or {})}]
    return StoryScript.model_validate({"title": "T", "overview": "all", "scenes": [{"shots": shots}], **fields})


def test_st_bench_by_hand() -> None:
    script = StoryScript.model_validate(
        {"title": "T", "overview": "all", "scenes": [{"shots": [{"prompt": p} for p in ("one", "two", "three")]}]}
    )
    known = Known(
        {1: [1, 0], 2: [0.6, 0.8], 3: [0, 1]},
        {"one": [1, 0], "two": [0.8, 0.6], "three": [0, 1], "all": [0.6, 0.8]},
    )
    one = ListedFilm(script, {f"1.{i}": grey(*[i] * 8) for i in (1, 2, 3)})
    found = columns(StBenchSuite(), one, known)
    assert found["prompt_global"].film == pytest.approx(0.6)
    assert found["prompt_single"].film == pytest.approx((1 + 0.96 + 1) / 3)
    assert found["consistency_overall"].film == pytest.approx((0.6 + 0 + 0.8) / 3)
    assert found["consistency_top10"].film == pytest.approx((0.6 + 0 + 0.8) / 3), "fewer than ten pairs are all pairs"
    pairs = {v.subject: v.value for v in found["consistency_overall"].of(Scope.PAIR)}
    assert pairs == pytest.approx({("1.1", "1.2"): 0.6, ("1.1", "1.3"): 0.0, ("1.2", "1.3"): 0.8})


def test_vbench_pools_consistency_over_frames_and_others_over_shots() -> None:
    known = Known({1: [1, 0], 2: [0, 1]}, {"one": [1, 0], "two": [1, 0]})
    one = ListedFilm(two_shots(), {"1.1": grey(1, 1, 1, 1), "1.2": grey(1, 2)})
    found = columns(VBenchSuite(), one, known)
    # Three frames like those before and first; then one unlike both.
    assert found["subject_consistency"].film == pytest.approx(3 / 4)
    assert [v.value for v in found["subject_consistency"].of(Scope.SHOT)] == pytest.approx([1, 0])
    assert found["temporal_flickering"].film == pytest.approx((1 + (1 - 1 / 255)) / 2)


def test_colour_of_chains_and_seams_by_hand() -> None:
    script = two_shots({"cut": False})
    first, last = grey(100, 100), grey(110, 110)
    first.frames[:, :16] = 50  # mean 75, deviation 25
    last.frames[:, :16] = 70  # mean 90, deviation 20
    found = columns(ColourSuite(), ListedFilm(script, {"1.1": first, "1.2": last}), Known({}, {}))
    assert found["red_mean"].film == pytest.approx(0.2)
    assert found["blue_deviation"].film == pytest.approx(-0.2)
    assert found["colour_change"].film == pytest.approx(0.2)
    assert found["colour_drift"].film == pytest.approx(0.2)
    assert found["seam"].film == pytest.approx(10 * np.log10(255**2 / ((20**2 + 10**2) / 2)))
    assert [v.subject for v in found["red_mean"].of(Scope.CHAIN)] == [("1.1", "1.2")]


def test_a_black_chain_has_no_relative_change() -> None:
    one = ListedFilm(two_shots({"cut": False}), {"1.1": grey(0, 0), "1.2": grey(9, 9)})
    found = columns(ColourSuite(), one, Known({}, {}))
    assert found["red_mean"].film is None
    assert "not finite" in " ".join(found["red_mean"].problems)
    assert found["seam"].film == pytest.approx(20 * np.log10(255 / 9))


def box(left: float, right: float, confidence: float = 0.9) -> Box:
    return Box(left, 0, right, 32, confidence)


def entity_film(levels: Sequence[int], kind: str = "character") -> ListedFilm:
    shots = [{"prompt": f"p{i}", "entities": ["e"]} for i in range(len(levels))]
    entities = [{"id": "e", "look": "a red fox " * 9, "kind": kind}]
    script = StoryScript.model_validate({"title": "T", "scenes": [{"shots": shots}], "entities": entities})
    return ListedFilm(script, {f"1.{i + 1}": grey(*[level] * 5) for i, level in enumerate(levels)})


def entity_features(**extra: Callable[..., Any]) -> Known:
    """Level 0 is unlike the text, 1 and 2 are like it and 60 degrees apart; nothing is found at level 9."""
    rows = {9: [0, 1, 0], 0: [0, 0, 1], 1: [0.5, 0, np.sqrt(0.75)], 2: [0.5, 0.75, np.sqrt(0.75) / 2]}
    return Known(rows, {"a red fox " * 9: [1, 0, 0], ("a red fox " * 9).strip(): [1, 0, 0]}, **extra)


def test_entitybench_presence_and_consistency_by_hand() -> None:
    queries: set[str] = set()

    def boxes(level: int, phrase: str) -> list[Box]:
        queries.add(phrase)
        return [] if level == 9 else [box(0, 32)]

    found = columns(EntityBenchSuite(), entity_film([1, 0, 2, 9]), entity_features(boxes=boxes))
    assert queries == {" ".join(("a red fox " * 9).split()[:12])}
    assert found["presence_character"].film == pytest.approx(2 / 4), "weak and missing ones do not count"
    cosine = 0.5 * 0.5 + 0.75 / 2
    assert found["cs_face"].film == pytest.approx(np.sqrt((1 + cosine) / 2))
    gaps = {v.subject: v.value for v in found["gap_decay"].of(Scope.GAP)}
    assert gaps == pytest.approx({("2-3",): cosine})
    assert "no object was found in two shots" in found["cs_object"].empty
    assert found["cs_face"].note.endswith("without judge")


def test_a_judge_keeps_what_is_something_else_out_of_consistency() -> None:
    known = entity_features(boxes=lambda level, phrase: [box(0, 32)], judge=lambda level: 0.9 if level == 1 else 0.4)
    found = columns(EntityBenchSuite(), entity_film([1, 2, 1]), known)
    assert found["presence_character"].film == 1
    assert found["cs_face"].film == pytest.approx(1), "only the two equal ones are left"
    assert "judge" in found["cs_face"].models


def test_the_best_box_wins_by_agreement_sharpness_and_size() -> None:
    """Both boxes agree alike; the greater one is more usable."""
    known = entity_features(boxes=lambda level, phrase: [box(0, 2), box(0, 32)])
    shapes: list[tuple[int, ...]] = []
    images = known.images

    def watch(role: str, frames: Frames) -> NDArray[np.float32]:
        if role == "dinov2":
            shapes.append(frames.shape)
        return images(role, frames)

    known.images = watch  # type: ignore[method-assign]
    columns(EntityBenchSuite(), entity_film([1, 2]), known)
    assert (1, 32, 32, 3) in shapes
    assert not [shape for shape in shapes if shape[2] < 32]


@pytest.mark.parametrize(
    ("one", "shape"),
    [
        (Box(10, 10, 20, 20, 1), (12, 12)),
        (Box(-5.5, 10.9, 20.9, 20.1, 1), (12, 22)),
        (Box(90, 90, 120, 120, 1), (11, 11)),
        (Box(150, 10, 170, 20, 1), (12, 0)),
    ],
)
def test_crops_are_a_tenth_wider_and_stay_inside(one: Box, shape: tuple[int, int]) -> None:
    assert padded_crop(np.zeros((100, 100, 3), dtype=np.uint8), one).shape[:2] == shape


def test_vistorybench_by_hand() -> None:
    shots = [{"prompt": "p", "entities": ["a", "b"]}, {"prompt": "q", "entities": ["a"]}]
    entities = [{"id": "a"}, {"id": "b"}]
    script = StoryScript.model_validate({"title": "T", "scenes": [{"shots": shots}], "entities": entities})
    rows = {1: [1, 0], 2: [0, 1], 3: [0.6, 0.8]}
    references = {"a": [grey(1).frames[0]], "b": [grey(2).frames[0]]}
    one = ListedFilm(script, {"1.1": grey(1, 2), "1.2": grey(3, 3)}, references)
    known = Known(rows, {}, boxes=lambda level, phrase: [box(0, 32)])
    found = columns(ViStoryBenchSuite(), one, known)
    # Shot 1 shows one character, which is a; shot 2 shows one, which is a as well, at cosine 0.6.
    assert found["cids_cross"].film == pytest.approx((0.8 + 0) / 2), "one that is never found counts 0"
    assert found["cids_self"].film == pytest.approx((0.6 + 0) / 2)
    assert found["occm"].film == pytest.approx((100 * np.exp(-0.5) + 100) / 2, rel=1e-4)
    assert "two reference images" in found["copy_paste"].empty
    assert found["style_cross"].film == pytest.approx((1 + 0.6) / 2)
    assert found["style_self"].film == pytest.approx(0.6)


def test_a_box_goes_to_the_character_it_is_most_like() -> None:
    references = {"a": np.array([[1, 0]], dtype=np.float32), "b": np.array([[0, 1]], dtype=np.float32)}
    rows = np.array([[0.8, 0.6], [0.6, 0.8]], dtype=np.float32)
    assert matched(Still(("a", "b"), rows), references) == {"a": 0, "b": 1}
    assert matched(Still(("a", "b"), rows[:1]), references) == {"a": 0}, "b's only box is more like a"
    assert matched(Still(("a", "b"), rows[:0]), references) == {}


def test_story_fixture_covers_every_kind() -> None:
    assert {str(entity.kind) for entity in story().entities} == {"character", "object", "place"}
