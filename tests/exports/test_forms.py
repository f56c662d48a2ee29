"""Every form is opened again by OpenTimelineIO, and has the cuts that were written, to the frame."""

from __future__ import annotations

import csv
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from urllib.parse import unquote

import opentimelineio as otio
import pytest
from exports_support import cuts, expected, expected_in_edl
from lxml import etree

from storymem.interfaces import Exporter
from storymem.plugin import Kind, PluginHost
from storymem.testing import film_cut
from storymem.values.timeline import Timeline

RATES = [(16, 48), (24, 24), (25, 25), (12, 24), (30, 30), (7, 60)]
DTD = Path(__file__).with_name("fcpxml_parts.dtd")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "the run").mkdir()
    (tmp_path / "out").mkdir()
    return tmp_path


def write(form: str, cut: Timeline, target: Path, **settings: object) -> list[str]:
    exporter = PluginHost().build(Kind.EXPORTER, form, settings)
    assert isinstance(exporter, Exporter)
    return list(exporter.export(cut, target))


@pytest.mark.parametrize("fps", [7, 12, 16, 24])
def test_otio_holds_everything(folder: Path, fps: int) -> None:
    cut, target = film_cut(folder / "the run", fps), folder / "out" / "film.otio"
    assert write("otio", cut, target) == []
    read = otio.adapters.read_from_file(str(target))
    assert cuts(read) == expected(cut)
    assert read.duration() == otio.opentime.RationalTime(cut.length, fps)
    assert list(read.metadata["storymem"]["notes"]) == list(cut.notes)
    assert dict(read.metadata["storymem"]["entities"]) == dict(cut.entities)
    assert [(m.name, m.marked_range.start_time.value) for m in read.tracks.markers] == [
        ("Scene 1: Day", 0),
        ("Scene 2", cut.edits()[3].begin),
    ]
    for clip, shot in zip(read.find_clips(), cut.shots, strict=True):
        known = clip.metadata["storymem"]
        assert (known["prompt"], list(known["entities"])) == (shot.prompt, list(shot.entities))
        assert known["seed"] == shot.details["seed"]
        assert clip.media_reference.available_range.duration.value == shot.available, "handles are there"
        assert (target.parent / unquote(clip.media_reference.target_url)).resolve() == shot.media.resolve()
        assert clip.markers[0].comment == shot.prompt.replace("\x07", "\ufffd")


@pytest.mark.parametrize(("fps", "rate"), RATES)
def test_an_edl_has_the_cuts_at_a_rate_that_it_can_hold(folder: Path, fps: int, rate: int) -> None:
    cut, target = film_cut(folder / "the run", fps), folder / "out" / "film.edl"
    notes = write("edl", cut, target)
    read = otio.adapters.read_from_file(str(target), rate=rate)
    assert cuts(read) == expected_in_edl(cut, rate)
    assert bool(notes) == (fps != rate)
    text = target.read_text("utf-8")
    for note in [*cut.notes, *notes]:
        assert text.count(f"* NOTE: {note}") == 1, "what was changed is noted in the file"
    assert '* SHOT 1.1: A fox says "x" & <b>y</b>; café.\n' in text
    assert text.count("* LOC: ") == 2
    scene = otio.opentime.to_timecode(otio.opentime.RationalTime(cut.edits(rate)[3].begin, rate), rate)
    assert f"* LOC: {scene} PURPLE  Scene 2\n" in text
    assert "* FROM CLIP: ../the run/shot 1.1.mkv\n" in text


@pytest.mark.parametrize(("fps", "rate"), RATES)
def test_final_cut_7_has_the_cuts_at_a_rate_that_it_can_hold(folder: Path, fps: int, rate: int) -> None:
    cut, target = film_cut(folder / "the run", fps), folder / "out" / "film.xml"
    notes = write("fcp7xml", cut, target)
    read = otio.adapters.read_from_file(str(target), "fcp_xml")
    assert cuts(read) == expected(cut, rate)
    tree = etree.parse(target)
    comments = [marker.findtext("comment") for marker in tree.iterfind(".//sequence/marker")]
    assert [comment for comment in comments if comment] == [*cut.notes, *notes]
    assert bool(notes) == (fps != rate)
    assert [m.findtext("name") for m in tree.iterfind(".//sequence/marker")][:2] == ["Scene 1: Day", "Scene 2"]
    shape = tree.find(".//sequence/media/video/format/samplecharacteristics")
    assert shape is not None
    assert [shape.findtext(key) for key in ("width", "height", "rate/timebase")] == ["64", "48", str(rate)]


@pytest.mark.parametrize(("fps", "asked"), [(16, None), (24, None), (16, 24), (7, 30)])
def test_fcpxml_is_valid_and_has_the_cuts(folder: Path, fps: int, asked: int | None) -> None:
    cut, target = film_cut(folder / "the run", fps), folder / "out" / "film.fcpxml"
    notes = write("fcpxml", cut, target, rate=asked)
    tree = etree.parse(target)
    with DTD.open("rb") as file:
        dtd = etree.DTD(file)
    assert dtd.validate(tree), dtd.error_log
    rate = asked or fps
    wanted = [(e.shot.id, *(Fraction(n, rate) for n in (e.start, e.source, e.length))) for e in cut.edits(rate)]
    times = ("offset", "start", "duration")
    assert [(c.get("name"), *(seconds(c.get(t)) for t in times)) for c in tree.iterfind(".//asset-clip")] == wanted
    if rate == fps:  # the adapter counts in frames of the files
        (read,) = otio.adapters.read_from_file(str(target), "fcpx_xml")
        assert [(c.name, c.start, c.source, c.length) for c in cuts(read)] == [
            (name, *(rate * time for time in times)) for name, *times in wanted
        ]
    assert tree.findtext(".//sequence/note") == "\n".join([*cut.notes, *notes])
    assert any(str(rate) in note for note in notes) == (rate != 24 or fps != 24)
    dissolves = [(seconds(t.get("offset")), seconds(t.get("duration"))) for t in tree.iterfind(".//transition")]
    assert dissolves == [
        (Fraction(e.begin, rate), Fraction(e.lead + e.trail, rate)) for e in cut.edits(rate) if e.lead + e.trail
    ]
    for asset, shot in zip(tree.iterfind(".//asset"), cut.shots, strict=True):
        assert seconds(asset.get("duration")) == Fraction(shot.available, fps), "a file keeps its own rate"
        (media,) = asset
        assert (target.parent / unquote(media.get("src"))).resolve() == shot.media.resolve()
    assert tree.find(".//keyword").get("value") == "The fox, old, café"
    assert [m.get("value") for m in tree.iterfind(".//chapter-marker")] == ["Scene 1: Day", "Scene 2"]


def seconds(text: str) -> Fraction:
    return Fraction(text.removesuffix("s"))


def test_the_table_has_a_line_a_shot(folder: Path) -> None:
    cut, target = film_cut(folder / "the run"), folder / "out" / "film.csv"
    assert write("csv", cut, target) == []
    with target.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(r["shot"], int(r["begin"]), int(r["end"]), int(r["media_begin"])) for r in rows] == [
        (e.shot.id, e.begin, e.begin + e.shot.frames, e.shot.first) for e in cut.edits()
    ]
    assert rows[0]["prompt"] == cut.shots[0].prompt
    assert rows[0]["entities"] == "The fox, old; café"
    assert rows[0]["media"] == "../the run/shot 1.1.mkv"


def test_no_text_of_the_table_is_a_formula(folder: Path) -> None:
    """Spreadsheets run a cell that begins so; a script may come from anybody."""
    cut = film_cut(folder / "the run")
    for prompt in ("=HYPERLINK(1)", "+1", "-1", "@sum", "\t=1", "\r=1", "Anna = 1"):
        shots = (replace(cut.shots[0], prompt=prompt), *cut.shots[1:])
        target = folder / "out" / "film.csv"
        write("csv", replace(cut, shots=shots), target)
        with target.open(encoding="utf-8-sig", newline="") as file:
            written = next(csv.DictReader(file))["prompt"]
        assert written == (prompt if prompt[0] == "A" else f"'{prompt}")


def test_the_folder_has_every_file_under_a_name_that_sorts(folder: Path) -> None:
    cut, target = film_cut(folder / "the run"), folder / "out" / "film"
    write("folder", cut, target)
    names = sorted(path.name for path in target.iterdir())
    assert names == [
        *("001_01_01.mkv", "002_01_02.mkv", "003_01_02a.mkv", "004_02_01.mkv", "005_02_02.mkv"),
        *("notes.txt", "shots.csv"),
    ]
    assert (target / "notes.txt").read_text("utf-8") == f"{cut.notes[0]}\n"
    with (target / "shots.csv").open(encoding="utf-8-sig", newline="") as file:
        for row, shot in zip(csv.DictReader(file), cut.shots, strict=True):
            assert (target / row["media"]).read_bytes() == shot.media.read_bytes()


def test_an_edl_of_more_events_than_it_can_number_says_so(folder: Path) -> None:
    cut = film_cut(folder / "the run", 24)
    many = Timeline("T", 24, (64, 48), ("", ""), cut.shots[:1] * 1000)
    notes = write("edl", many, folder / "out" / "film.edl")
    assert notes == ["1000 events; programs that follow the standard read 999"]
