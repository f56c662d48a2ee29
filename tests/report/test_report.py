"""``storymem report``: what a run says of itself, for every run, on one page that asks for nothing."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from report_support import Page

from storymem import Storyteller
from storymem.errors import RunStoreError
from storymem.report.album import Album
from storymem.report.reading import read_report
from storymem.report.writing import write_report
from storymem.runs import open_run
from storymem.testing import FakeBackbone, FakeBackboneSettings
from storymem.values.keyframe import Keyframe

PROGRAM = Path(sys.executable).with_name("storymem")
HOSTILE = '</style><script>alert(1)</script>"><img src=http://x/y onerror=z> &amp; \x07'

STORY: dict[str, Any] = {
    "title": "The kite",
    "style": "Soft light.",
    "entities": [{"id": "anna", "name": "Anna", "look": "a yellow coat"}, {"id": "kite", "kind": "object"}],
    "scenes": [
        {
            "title": "Morning",
            "shots": [
                {"prompt": "Anna runs.", "entities": ["anna"], "narration": "One windy morning."},
                {"prompt": "The kite rises.", "entities": ["kite"], "cut": False},
            ],
        },
        {"shots": [{"prompt": "Anna goes home.", "entities": ["anna"]}]},
    ],
}


def rendered(folder: Path, story: dict[str, Any], fail: tuple[str, ...] = (), **settings: Any) -> Path:
    backbone = FakeBackbone(FakeBackboneSettings(fail=fail))
    wanted = {"size": (64, 48), "frames": 9, "policy": "recent", **settings}
    with Storyteller(folder, backbone=backbone, **wanted) as teller:
        teller.render(story, check=False)
    return folder


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rendered(tmp_path_factory.mktemp("report") / "run", STORY)


def picture_of(path: Path) -> Image.Image:
    return Image.open(io.BytesIO(path.read_bytes())).convert("RGB")


def page_of(run: Path, folder: Path) -> Page:
    write_report(run, folder / "report.html")
    return Page((folder / "report.html").read_text("utf-8"))


def test_the_page_shows_the_story_and_what_each_shot_recalled(run: Path, tmp_path: Path) -> None:
    page = page_of(run, tmp_path)
    for words in ("3 of 3 finished", "64x48, 8 frames a second", "Scene 1: Morning", "Anna runs.", "a yellow coat"):
        assert words in page.text
    with open_run(run) as opened:
        for shot, status in opened.status().items():
            shown = [label for _, label in page.pictures if label.startswith("recalled: ")]
            assert {f"recalled: {k.name}" for k in status.recalled} <= set(shown)
            assert f"shot-{shot}" in page.ids
        last = opened.status()["2.1"].recalled
    assert last, "otherwise this test shows nothing"
    section = page.html.split('id="shot-2.1"')[1]
    assert re.findall(r'aria-label="recalled: ([^"]*)"', section) == [k.name for k in last], "in recall order"
    assert all(k.reason in section for k in last)
    assert "Handed over 1 frame, which the film leaves out" in page.text
    assert "handed over: 1.1, its end" in {label for _, label in page.pictures}


def test_the_cast_page_has_every_picture_of_an_entity_in_story_order(run: Path, tmp_path: Path) -> None:
    page = page_of(run, tmp_path)
    anna = [label for _, label in page.pictures if label.startswith("Anna in shot")]
    assert anna == ["Anna in shot 1.1", "Anna in shot 2.1"]


def test_a_picture_is_in_the_page_once_however_often_it_is_shown(run: Path, tmp_path: Path) -> None:
    page = page_of(run, tmp_path)
    inside = re.findall(r"data:image/jpeg;base64,([^)]+)", page.html)
    shown = {name.split()[1] for name, _ in page.pictures}
    assert len(inside) == len(shown) < len(page.pictures)


def test_refused_frames_have_their_filter_and_threshold(tmp_path: Path) -> None:
    filters = [{"name": "sharpness", "settings": {"threshold": 1e9}}]
    run = rendered(tmp_path / "run", STORY, filters=filters)
    page = page_of(run, tmp_path)
    with open_run(run) as opened:
        refused = opened.status()["1.1"].rejections
    assert refused
    assert f"{len(refused)} refused frames" in page.text
    for rejection in refused:
        row = f"<td>{rejection.frame}</td><td>sharpness</td><td>{rejection.score:.4g}</td><td>1e+09</td>"
        assert row in page.html


def test_takes_are_listed_and_the_one_in_the_film_is_marked(tmp_path: Path) -> None:
    run = rendered(tmp_path / "run", STORY)
    with open_run(run, write=True) as opened:
        opened.redo("2.1", seed=7, prompt="Anna sits down.")
    rendered(run, STORY)
    page = page_of(run, tmp_path)
    section = page.html.split('id="shot-2.1"')[1].split("</section>")[0]
    assert "2 takes" in section
    assert re.search(r"<td>2</td><td>in the film</td><td>7</td>", section)
    assert "Anna sits down. Soft light." in page.text


def test_no_text_of_a_script_becomes_markup(tmp_path: Path) -> None:
    story = {
        "title": HOSTILE,
        "overview": HOSTILE,
        "style": HOSTILE,
        "entities": [{"id": HOSTILE, "name": HOSTILE, "look": HOSTILE}],
        "scenes": [
            {
                "title": HOSTILE,
                "shots": [
                    {
                        "prompt": HOSTILE,
                        "entities": [HOSTILE],
                        "narration": HOSTILE,
                        "dialogue": [{"speaker": HOSTILE, "text": HOSTILE}],
                    },
                    {"prompt": f"broken {HOSTILE}"},
                ],
            }
        ],
    }
    page = page_of(rendered(tmp_path / "run", story, fail=("broken",)), tmp_path)
    assert page.text.count("<script>alert(1)</script>") >= 8
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in page.html


@pytest.mark.parametrize("fail", [("Anna",), ("The kite",), ("goes home",)])
def test_unfinished_runs_have_a_report_too(tmp_path: Path, fail: tuple[str, ...]) -> None:
    run = rendered(tmp_path / "run", STORY, fail=fail)
    page = page_of(run, tmp_path)
    assert "fake backbone: was told to fail" in page.text
    write_report(run, sheet=tmp_path / "sheet.png", trace=tmp_path / "trace.png")
    assert picture_of(tmp_path / "sheet.png").size == (3 * 240, 160)


def test_a_run_whose_plugins_are_gone_has_a_report_that_says_so(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    with open_run(copy, write=True) as opened:
        opened.store.set_meta({"plugins": json.dumps([str(tmp_path / "gone.py")])})
    page = page_of(copy, tmp_path)
    assert f"which frames shots give to memory is left out: plugin {tmp_path / 'gone.py'}: no such file" in page.text
    assert "Recalled" in page.text


def test_pictures_that_were_pruned_are_said_to_be_gone(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    with open_run(copy) as opened:
        gone = opened.status()["2.1"].recalled[0]
    assert gone.file is not None
    (copy / "objects" / gone.file.path.name).unlink()
    page = page_of(copy, tmp_path)
    assert ("pic none", f"recalled: {gone.name}: no picture") in page.pictures


def test_a_keyframe_without_a_picture_is_none() -> None:
    album = Album()
    name = album.keyframe(Keyframe("a" * 64, "1.1", 0, 3))
    assert album[name] is None
    assert album.picture(name) is None


def test_the_report_changes_nothing_in_the_run(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    write_report(copy, tmp_path / "report.html", sheet=tmp_path / "a.png", trace=tmp_path / "b.png")
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before


def test_the_sheets_have_the_pictures_of_the_run(run: Path, tmp_path: Path) -> None:
    """Each cell holds the picture that belongs there; what is behind the last one is empty."""
    write_report(run, sheet=tmp_path / "sheet.png", trace=tmp_path / "trace.png")
    report = read_report(run)
    trace = picture_of(tmp_path / "trace.png")
    columns = 1 + max(len(shot.recalled) for shot in report.shots)
    assert trace.size == (columns * 240, len(report.shots) * 160)
    for row, shot in enumerate(report.shots):
        for column, shown in enumerate([shot.poster, *shot.recalled]):
            assert shown is not None
            picture = report.album.picture(shown.picture)
            assert picture is not None
            left, bottom = column * 240 + 6, row * 160 + 6 + 160 - 22 - 6
            cell = trace.crop((left, bottom - picture.height, left + picture.width, bottom))
            assert cell.tobytes() == picture.convert("RGB").tobytes()
        empty = trace.crop(((len(shot.recalled) + 1) * 240, row * 160, columns * 240, (row + 1) * 160))
        assert not empty.width or len(empty.getcolors() or []) == 1
    assert picture_of(tmp_path / "sheet.png").size == (3 * 240, 160)


def test_the_command_writes_what_is_asked_for(run: Path, tmp_path: Path) -> None:
    def command(*words: object) -> subprocess.CompletedProcess[str]:
        program = [PROGRAM, "report", *map(str, words)]
        return subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert command(run).stdout == "report.html\n"
    alone = command(run, "--contact-sheet", "sheets/a.png", "--json")
    assert json.loads(alone.stdout) == {"files": ["sheets/a.png"], "shots": 3, "finished": 3}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "sheets"]
    none = command(tmp_path)
    assert none.returncode == 5
    assert none.stderr == f"error: {tmp_path}: is not a run folder (no run.sqlite); render into it first\n"


def test_a_folder_without_a_render_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RunStoreError, match="is not a run folder"):
        write_report(tmp_path, tmp_path / "report.html")
