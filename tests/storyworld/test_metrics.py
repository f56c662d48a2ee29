from dataclasses import replace

import pytest

from storymem_storyworld.language.understand import Concepts, understand
from storymem_storyworld.measure.metrics import measure, merged
from storymem_storyworld.readout.read import ClipReading, true_reading
from storymem_storyworld.stories.episodes import sample_episode

EPISODE = sample_episode(0, "medium")
TOLD = [understand(shot.caption) for shot in EPISODE.shots]


def true_readings() -> list[ClipReading]:
    return [true_reading(shot.spec) for shot in EPISODE.shots]


def test_the_truth_has_no_drift_and_is_all_there() -> None:
    summary = measure(TOLD, true_readings()).summary()
    drifts = [value for name, value in summary.items() if "drift" in name]
    rest = [value for name, value in summary.items() if "drift" not in name]
    assert drifts == pytest.approx([0.0] * len(drifts))
    assert rest == pytest.approx([1.0] * len(rest))


def test_a_changed_colour_counts_as_drift_at_its_gap() -> None:
    entity, look = next(iter(EPISODE.characters.items()))
    positions = EPISODE.appearances(entity)
    readings = true_readings()
    at = positions[1]
    figure = readings[at].figures[look.kind]
    lighter = tuple(value + 0.3 for value in figure.coat)
    changed = replace(figure, coat=lighter, hat="cap" if figure.hat != "cap" else "none")
    readings[at] = replace(readings[at], figures=readings[at].figures | {look.kind: changed})
    measured = measure(TOLD, readings)
    drifted = [sample for sample in measured.identity_drift if sample.value > 0]
    assert [sample.gap for sample in drifted] == [positions[1] - positions[0]]
    assert drifted[0].value == pytest.approx(0.15)
    assert sum(1 - sample.value for sample in measured.accessories) == pytest.approx(1 / 3)


def test_a_missing_character_counts_as_absent_and_not_as_drift() -> None:
    readings = true_readings()
    readings[-1] = replace(readings[-1], figures={})
    measured = measure(TOLD, readings)
    due = sum(len(EPISODE.appearances(entity)) for entity in EPISODE.characters)
    missing = len(EPISODE.shots[-1].spec.actors)
    assert measured.summary()["presence"] == pytest.approx(1 - missing / due)
    assert measured.summary()["identity_drift"] == 0
    assert measured.summary()["adherence/cast"] == pytest.approx(1 - 1 / len(EPISODE.shots))


def test_wrong_places_and_motions_lower_adherence_and_palettes_drift() -> None:
    readings = [replace(r, place="nowhere", palette=(r.palette[0] + 0.2, r.palette[1])) for r in true_readings()]
    readings[0] = true_readings()[0]
    summary = measure(TOLD, readings).summary()
    assert summary["adherence/place"] == pytest.approx(1 / len(EPISODE.shots))
    assert 0 < summary["place_drift"] <= 0.1 + 1e-9
    assert summary["adherence/motion"] == 1


def test_merging_weighs_films_by_their_samples() -> None:
    short = measure(TOLD[:5], true_readings()[:5])
    films = [measure(TOLD, true_readings()), short]
    both = merged(films)
    assert len(both.presence) == len(films[0].presence) + len(short.presence)
    assert len(both.adherence["place"]) == len(EPISODE.shots) + 5


def test_every_shot_needs_a_reading() -> None:
    with pytest.raises(ValueError, match="0 readings"):
        measure(TOLD, [])


def test_what_a_prompt_does_not_tell_is_not_asked_for() -> None:
    summary = measure([Concepts()], true_readings()[:1]).summary()
    assert summary == {"adherence/pan": 1.0, "adherence/cast": 0.0}


TELLING = [sample_episode(seed, "told") for seed in range(4)]
TELLS = [[understand(shot.caption) for shot in episode.shots] for episode in TELLING]
SHOWN = [[true_reading(shot.spec) for shot in episode.shots] for episode in TELLING]


def test_told_looks_are_counted_by_what_memory_says() -> None:
    summary = merged(measure(*film) for film in zip(TELLS, SHOWN, strict=True)).summary()
    told = {name.removeprefix("told/"): value for name, value in summary.items() if name.startswith("told/")}
    assert set(told) >= {"colour/first", "colour/later", "colour/against", "accessory/against", "binding"}
    assert set(told.values()) == {1.0}


def exchanged(reading: ClipReading) -> ClipReading:
    kinds = list(reading.figures)
    return replace(reading, figures=dict(zip(kinds, reversed(reading.figures.values()), strict=True)))


def test_looks_on_the_wrong_character_are_not_obeyed() -> None:
    films = (measure(told, [exchanged(one) for one in shown]) for told, shown in zip(TELLS, SHOWN, strict=True))
    assert merged(films).summary()["told/binding"] < 0.6


def test_two_of_one_kind_are_not_the_cast_that_was_told() -> None:
    readings = true_readings()
    figures = {kind: replace(figure, twice=True) for kind, figure in readings[0].figures.items()}
    readings[0] = replace(readings[0], figures=figures)
    assert measure(TOLD, readings).summary()["adherence/cast"] == pytest.approx(1 - 1 / len(EPISODE.shots))
