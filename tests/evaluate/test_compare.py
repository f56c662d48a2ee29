"""Intervals, verdicts, the page, and ``storymem compare`` on films that are there and on policies to be rendered."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from core_support import Program, chain, story
from gate_support import GATE, GateStage
from hypothesis import given, settings
from hypothesis import strategies as st

from storymem.errors import SettingsError
from storymem.evaluate.charts import line_chart, scatter
from storymem.evaluate.comparison import Comparison, Method, compare
from storymem.evaluate.page import comparison_page
from storymem.evaluate.pictures import PictureRow
from storymem.evaluate.results import ColumnResult, Evaluation
from storymem.evaluate.statistics import difference, interval, values_of
from storymem.interfaces import Measurement, Scope

SHOTS = [f"1.{i}" for i in range(1, 13)]


def shots(values: Sequence[float]) -> list[Measurement]:
    return [Measurement(Scope.SHOT, (f"1.{i + 1}",), value) for i, value in enumerate(values)]


def of_shots(measurements: Sequence[Measurement]) -> dict[tuple[str, ...], tuple[str, ...]]:
    return {m.subject: m.subject for m in measurements}


# -- intervals --------------------------------------------------------------------------------------------------


def test_two_values_may_be_drawn_as_either() -> None:
    found = interval(values_of(two := shots([0, 1]), of_shots(two)))
    assert (found.mean, found.low, found.high, found.units) == (0.5, 0, 1, 2)


def test_equal_values_leave_no_doubt_and_one_value_no_interval() -> None:
    same = interval(values_of(one := shots([0.3] * 5), of_shots(one)))
    assert (same.low, same.high) == pytest.approx((0.3, 0.3))
    assert not same.is_noise
    alone = interval(values_of(one := shots([0.3]), of_shots(one)))
    assert (alone.low, alone.high, alone.units) == (0.3, 0.3, 1)
    assert alone.is_noise, "one shot tells nothing"


def test_means_are_weighted_by_samples() -> None:
    values = [Measurement(Scope.SHOT, ("1.1",), 0.0, 3), Measurement(Scope.SHOT, ("1.2",), 1.0, 1)]
    assert interval(values_of(values, of_shots(values))).mean == 0.25


def test_the_interval_of_a_normal_mean_is_that_of_the_textbook() -> None:
    numbers = np.random.default_rng(1).normal(2, 1, 400)
    found = interval(values_of(many := shots(list(numbers)), of_shots(many)))
    half = 1.96 * numbers.std() / 20
    assert (found.low, found.high) == pytest.approx((numbers.mean() - half, numbers.mean() + half), abs=0.02)


def test_pairs_that_share_shots_are_not_taken_for_independent() -> None:
    """66 pairs of twelve shots, each the sum of what its shots are: the doubt is that of twelve, not of 66."""
    effect = dict(zip(SHOTS, np.random.default_rng(2).normal(0, 1, 12), strict=True))
    pairs = [
        Measurement(Scope.PAIR, (a, b), float(effect[a] + effect[b]))
        for i, a in enumerate(SHOTS)
        for b in SHOTS[i + 1 :]
    ]
    by_shot = interval(values_of(pairs, of_shots(pairs)))
    by_pair = interval(values_of(pairs, {m.subject: (" ".join(m.subject),) for m in pairs}))
    assert by_shot.high - by_shot.low > 1.8 * (by_pair.high - by_pair.low)


@settings(max_examples=25, deadline=None)
@given(numbers=st.lists(st.floats(-5, 5), min_size=2, max_size=12), shift=st.floats(-3, 3))
def test_a_paired_shift_has_no_doubt_whatever_the_values(numbers: list[float], shift: float) -> None:
    changed = difference(shots(numbers), shots([number + shift for number in numbers]))
    found = interval(values_of(changed, of_shots(changed)), draws=200)
    assert (found.mean, found.low, found.high) == pytest.approx((shift, shift, shift), abs=1e-6)


def test_differences_are_taken_on_what_both_have() -> None:
    first, second = shots([1, 2]), [*shots([3])]
    assert difference(first, second) == [Measurement(Scope.SHOT, ("1.1",), 2)]


# -- comparison -------------------------------------------------------------------------------------------------


def film(values: Sequence[float], title: str = "Tale", better: str = "higher") -> Evaluation:
    measured = (Measurement(Scope.FILM, (), float(np.mean(values))), *shots(values)) if values else ()
    column = ColumnResult("s", "quality", better, "all", "us", False, (), "", measured, "" if values else "no model")
    return Evaluation(title, f"runs/{title}", tuple(SHOTS[: len(values)]), {}, (column,))


def two(first: Sequence[float], second: Sequence[float], better: str = "higher") -> Comparison:
    return compare(
        [Method("a", {"Tale": film(first, better=better)}), Method("b", {"Tale": film(second, better=better)})]
    )


@pytest.mark.parametrize(
    ("second", "better", "verdict"),
    [
        ([0.9, 1.0, 0.8, 0.95], "higher", "better"),
        ([0.9, 1.0, 0.8, 0.95], "lower", "worse"),
        ([0.9, 1.0, 0.8, 0.95], "neither", "higher"),
        ([0.0, 0.9, 0.0, 0.6], "higher", "within noise"),
        ([0.9], "higher", "too few to tell"),
    ],
)
def test_verdicts(second: list[float], better: str, verdict: str) -> None:
    (row,) = two([0.1, 0.2, 0.3, 0.4], second, better).rows
    assert row.cells[1].verdict(better) == verdict
    assert row.cells[0].verdict(better) == ""
    assert row.units == "shots"


def test_from_five_stories_on_stories_are_drawn() -> None:
    def method(label: str, shift: float) -> Method:
        films = [film([0.1 * i + shift, 0.1 * i + shift], f"T{i}") for i in range(5)]
        return Method(label, {f.title: f for f in films})

    comparison = compare([method("a", 0.0), method("b", 0.2)])
    (row,) = comparison.rows
    assert row.units == "stories"
    assert row.cells[1].change is not None
    assert row.cells[1].change.units == 5
    assert row.cells[1].verdict("higher") == "better"


def test_stories_that_one_method_lacks_are_left_out_and_said() -> None:
    first = Method("a", {"Tale": film([1, 2]), "Other": film([1, 2], "Other")})
    comparison = compare([first, Method("b", {"Tale": film([1, 2])})])
    assert comparison.stories == ("Tale",)
    assert "Other" in comparison.notes[0]
    with pytest.raises(SettingsError, match="no story in common"):
        compare([first, Method("b", {"Third": film([1], "Third")})])
    with pytest.raises(SettingsError, match="at least two methods"):
        compare([first])
    with pytest.raises(SettingsError, match="different names, not a, a"):
        compare([first, first])


def test_a_column_without_values_is_empty_for_all() -> None:
    (row,) = two([], [0.1, 0.2]).rows
    assert row.cells[0].value is None
    assert row.cells[1].change is None


# -- the page ---------------------------------------------------------------------------------------------------


class Balance(HTMLParser):
    """Fails on tags that are not closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in ("meta", "img", "line", "circle", "polyline"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("line", "circle", "polyline"):
            assert self.open.pop() == tag


def balanced(text: str) -> None:
    parser = Balance()
    parser.feed(text)
    assert parser.open == []


def test_the_page_is_whole_escapes_names_and_fetches_nothing() -> None:
    comparison = compare(
        [
            Method("<none>", {"A & B": film([0.1, 0.2, 0.3], "A & B")}, 1.5),
            Method("b", {"A & B": film([0.4, 0.5, 0.9], "A & B")}, 2.5),
        ]
    )
    rows = {"A & B": {"fox": {"b": PictureRow("the <fox>", {"1.1": "data:image/jpeg;base64,AAAA"})}}}
    page = comparison_page(comparison, rows)
    balanced(page)
    assert "<none>" not in page
    assert "&lt;none&gt;" in page
    assert "the &lt;fox&gt;" in page
    assert "A &amp; B" in page
    assert "seconds a shot" in page
    assert not re.findall(r"(?:src|href)=\"(?!data:)", page)
    assert "<script" not in page


def test_charts_hold_their_points_inside_and_survive_odd_values() -> None:
    chart = line_chart({"a": [(0, 1.0), (1, 2.0)], "b": [(0, float("nan")), (1, 1.5)]}, ["1.1", "1.2"], "x < y")
    balanced(chart)
    ys = [float(y) for y in re.findall(r'cy="([-0-9.]+)"', chart)]
    assert len(ys) == 3
    assert all(12 <= y <= 186 for y in ys)
    assert "x &lt; y" in chart
    balanced(scatter({"a": (1.0, 0.5), "b": (1.0, 0.5)}, "s", "q"))
    balanced(line_chart({}, [], "nothing"))


# -- the command ------------------------------------------------------------------------------------------------


def test_runs_are_compared_and_the_page_is_written(stage: GateStage, program: Program) -> None:
    people = [{"id": "anna"}, {"id": "ben"}]
    script = story(
        [{"prompt": f"p{i}", "entities": ["anna"], "cut": i == 0} for i in range(3)],
        entities=people,
    )
    stage.render(script, run="none", policy="none")
    stage.render(script, run="recent", policy="recent")
    out = stage.root / "page.html"
    done = program("compare", "none", "recent", "-o", out, "--no-cache", "--suite", "colour", cwd=stage.root)
    assert done.returncode == 0, done.stderr
    assert any(line.startswith("colour.seam") and "recent - none:" in line for line in done.stdout.splitlines())
    page = out.read_text()
    balanced(page)
    assert page.count("data:image/jpeg") == 6
    assert "colour.seam" in page


def test_policies_are_rendered_and_kept(stage: GateStage, program: Program, tmp_path: Path) -> None:
    path = tmp_path / "tale.json"
    path.write_text(chain(2, cut=False).model_dump_json())
    plugins = ("--plugin", str(GATE), "--plugin", str(Path(GATE).with_name("tiny_plugin.py")))
    asked = ("compare", path, "--policy", "none", "--policy", "recent", "--backbone", "blocks", *plugins,
             "--json", "--no-cache", "--quiet")  # fmt: skip
    first = program(*map(str, asked), cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    result = json.loads(first.stdout)
    assert result["methods"] == ["none", "recent"]
    assert result["stories"] == ["Tale"]
    verdicts = {row["column"]: row["cells"][1]["verdict"] for row in result["rows"]}
    assert verdicts["colour.seam"] == "too few to tell"
    made = {p: p.stat().st_mtime_ns for p in (tmp_path / "films").rglob("*.mkv")}
    again = program(*map(str, asked), cwd=tmp_path)
    assert json.loads(again.stdout)["rows"] == result["rows"]
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "films").rglob("*.mkv")} == made


def test_what_is_no_run_is_named(stage: GateStage, program: Program) -> None:
    done = program("compare", "nothing", "neither", "--no-cache", cwd=stage.root)
    assert done.returncode == 5
    assert "nothing: is no run folder and holds none" in done.stderr
