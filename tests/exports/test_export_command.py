"""``storymem export`` on real runs: the cut of the film that is there, its files, and what is said of it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import opentimelineio as otio
import pytest
from exports_support import STORY, rendered

from storymem.errors import MediaError, PluginError, RunStoreError
from storymem.export.run import export_run
from storymem.media.video import count_frames, iter_frames
from storymem.values.clip import Frames

PROGRAM = Path(sys.executable).with_name("storymem")


def command(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PROGRAM, *map(str, words)], cwd=cwd, capture_output=True, text=True, check=False)


def read(path: Path) -> Any:
    return otio.adapters.read_from_file(str(path))


@pytest.mark.parametrize("media", ["master", "view", "prores"])
def test_the_cut_is_that_of_the_film(run: Path, tmp_path: Path, media: str) -> None:
    """Outside of dissolves, every frame of the film is nearest to the frame of the file that the cut names."""
    film = list(iter_frames(run / "film.mp4"))
    done = export_run(run, "otio", tmp_path / "film.otio", media=media)
    assert done.notes == ()
    assert done.timeline.length == len(film)
    ends = [*(edit.begin for edit in done.timeline.edits()[1:]), len(film)]
    for clip, edit, end in zip(read(done.path).find_clips(), done.timeline.edits(), ends, strict=True):
        frames = list(iter_frames(tmp_path / unquote(clip.media_reference.target_url)))
        assert len(frames) == edit.available == clip.media_reference.available_range.duration.value
        for at in range(edit.start + edit.trail, end):
            assert nearest(film[at], frames) == edit.source + at - edit.start, f"shot {clip.name}, frame {at}"


def nearest(frame: Frames, others: list[Frames]) -> int:
    return int(np.argmin([np.abs(frame.astype(int) - other).mean() for other in others]))


def test_dnxhr_files_have_every_frame_of_their_masters(tmp_path: Path) -> None:
    story = {"title": "T", "scenes": [{"shots": [{"prompt": "a", "frames": 5}]}]}
    run = rendered(tmp_path / "run", story, size=(256, 144))
    done = export_run(run, "fcpxml", tmp_path / "film.fcpxml", media="dnxhr")
    (shot,) = done.timeline.shots
    assert shot.media == tmp_path / "film_media" / "01_01.mov"
    assert count_frames(shot.media) == 5


def test_a_film_too_small_for_dnxhr_is_told_what_is_not(run: Path, tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="DNxHR begins at 256x120 pixels, and the film has 64x48; use --media prores"):
        export_run(run, "otio", tmp_path / "film.otio", media="dnxhr")


def test_the_command_says_where_and_what_was_changed(run: Path, tmp_path: Path) -> None:
    done = command("export", run, "--to", "edl", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "The_kite.edl (5 shots, 52 frames)\n"), done.stderr
    assert done.stderr.startswith("note: 8 frames a second are written as 24, 3 for each, so every cut stays exactly")
    again = command("export", run, "--to", "edl", cwd=tmp_path)
    assert again.returncode == 6
    assert again.stderr == (
        "error: The_kite.edl: exists; choose another name with --out, or add --force to replace it\n"
    )
    forced = command("export", run, "--to", "edl", "--force", "--set", "rate=25", "--json", cwd=tmp_path)
    plain = json.loads(forced.stdout)
    assert (plain["file"], plain["frames"], plain["fps"]) == ("The_kite.edl", 52, 8)
    assert plain["notes"][0].startswith("8 frames a second are written as 25: ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--to", "elc"), "unknown exporter 'elc': did you mean 'edl'"),
        (("--to", "otio", "--media", "film"), "--media 'film': use master, view, prores, dnxhr"),
        (("--to", "edl", "--set", "rate=23"), "exporter 'edl': rate: 23 cannot be written; it holds 24, 25, 30"),
        (("--to", "otio", "--set", "rate=24"), "exporter 'otio': rate: unknown key"),
    ],
)
def test_bad_options_are_one_line(run: Path, tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    done = command("export", run, *words, cwd=tmp_path)
    assert done.returncode in (2, 3)
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_missing_shots_are_left_out_and_named(tmp_path: Path) -> None:
    run = rendered(tmp_path / "run", STORY, fail=("It falls.",))
    done = export_run(run, "otio", tmp_path / "film.otio")
    assert [shot.id for shot in done.timeline.shots] == ["1.1", "1.2", "1.3"], "2.2 continues what is not there"
    assert done.notes == ("shots 2.1, 2.2 are not finished and missing here",)
    timeline = read(done.path)
    assert list(timeline.metadata["storymem"]["notes"]) == list(done.notes)


def test_a_run_without_any_shot_says_what_to_do(tmp_path: Path) -> None:
    run = rendered(tmp_path / "run", {**STORY, "scenes": [{"shots": [{"prompt": "x"}]}]}, fail=("x",))
    with pytest.raises(RunStoreError, match=r"no shot is finished; storymem resume"):
        export_run(run, "otio", tmp_path / "film.otio")


def test_exporting_changes_nothing_in_the_run(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    for form in ("otio", "fcpxml", "folder"):
        export_run(copy, form, tmp_path / form)
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before


def test_a_damaged_master_is_not_exported(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    master = export_run(copy, "otio", tmp_path / "a.otio").timeline.shots[0].media
    master.write_bytes(b"x")
    with pytest.raises(RunStoreError, match="does not have its recorded content"):
        export_run(copy, "otio", tmp_path / "b.otio")


def test_a_film_that_is_older_than_its_shots_is_named(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    (copy / "film.mp4").unlink()
    shutil.copyfile(next((copy / "shots").glob("*.mp4")), copy / "film.mp4")
    frames = count_frames(copy / "film.mp4")
    done = export_run(copy, "csv", tmp_path / "film.csv")
    assert done.notes == (f"film.mp4 has {frames} frames and this cut 52: shots have changed since it was joined",)


def test_a_missing_library_is_named_with_what_to_install(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storymem.plugin.registry._is_there", lambda module: module != "otio_cmx3600_adapter")
    with pytest.raises(PluginError, match=r"exporter 'edl' needs otio_cmx3600_adapter.*pip install 'storymem\[edit\]'"):
        export_run(run, "edl", tmp_path / "film.edl")


def test_a_run_is_never_removed_by_force(run: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(MediaError, match="is there already"):
        export_run(run, "folder", tmp_path / "there", force=True)
