"""``storymem subtitles``: what is written is read back the same, in time, and what is too fast is named."""

from __future__ import annotations

import html
import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pysubs2
import pytest
from exports_support import STORY, rendered
from hypothesis import given
from hypothesis import strategies as st

from storymem.errors import MediaError, ScriptError
from storymem.export.cues import LONGEST, ROW, ROWS, cues, findings
from storymem.export.subtitles import write_subtitles
from storymem.script.speech import columns
from storymem.values.timeline import SpokenLine, Timeline, TimelineShot

PROGRAM = Path(sys.executable).with_name("storymem")


def film(*lines: SpokenLine, frames: int = 160) -> Timeline:
    """Return a film of one shot that is silent and one with these lines, 16 frames a second."""
    shots = [
        TimelineShot("1.1", 0, "p", (), Path("m"), 16, 0, 16),
        TimelineShot("1.2", 0, "p", (), Path("m"), frames, 0, frames, lines=lines),
    ]
    return Timeline("T", 16, (64, 48), ("",), tuple(shots))


@pytest.mark.parametrize("suffix", [".srt", ".vtt", ".ass"])
def test_a_films_lines_are_read_back_in_order_and_in_time(run: Path, tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"film{suffix}"
    done = write_subtitles(run, target)
    read = pysubs2.load(str(target), encoding="utf-8")
    assert [event.plaintext for event in read] == ["One windy morning.", "Higher!", "Yes."]
    assert [event.start for event in read] == [round(c.start * 1000, -1 if suffix == ".ass" else 0) for c in done.cues]
    # Shot 1.1 is 13 frames long; 1.3 is cut in the middle of its dissolve.
    assert done.cues[0].start == 0
    assert done.cues[0].end <= 13 / 8
    assert done.cues[1].start == 23 / 8
    if suffix == ".ass":
        assert [event.name for event in read] == ["", "Anna", "A voice"]
        assert r"{\i1}One windy morning.{\i0}" in target.read_text("utf-8")


@pytest.mark.parametrize("suffix", [".srt", ".vtt"])
def test_speakers_are_named_if_asked_for(run: Path, tmp_path: Path, suffix: str) -> None:
    write_subtitles(run, tmp_path / f"film{suffix}", speakers=True)
    read = pysubs2.load(str(tmp_path / f"film{suffix}"))
    assert [event.plaintext for event in read] == ["One windy morning.", "Anna: Higher!", "A voice: Yes."]


@pytest.mark.parametrize("suffix", [".srt", ".vtt", ".ass"])
def test_text_is_never_taken_for_commands(tmp_path: Path, suffix: str) -> None:
    hostile = r"{\b1}a <i>b</i> & C:\new --> 00:01 {c}"
    line = {"speaker": "A, {b}", "text": f"{hostile}\n\n2\n00:00:00,000 --> no"}
    story = {"title": "T\nx", "scenes": [{"shots": [{"prompt": "a", "frames": 21, "dialogue": [line]}]}]}
    run = rendered(tmp_path / "run", story)
    done = write_subtitles(run, tmp_path / f"film{suffix}")
    text = (tmp_path / f"film{suffix}").read_text("utf-8")
    assert text.count("-->") == (0 if suffix == ".ass" else len(done.cues)) + (2 if suffix == ".ass" else 0)
    read = pysubs2.load(str(tmp_path / f"film{suffix}"))
    assert len(read) == len(done.cues)
    shown = html.unescape(" ".join(event.plaintext.replace("\n", " ") for event in read))
    plain = shown.translate(str.maketrans("｛｝＼＜＞", "{}\\<>"))  # noqa: RUF001 - what stands in for them
    assert plain == " ".join(line["text"].split())


@given(
    texts=st.lists(st.text(st.characters(categories=["L", "P", "Zs"]), max_size=300), max_size=4),
    frames=st.integers(2, 400),
)
def test_cues_fill_their_shot_and_never_meet(texts: list[str], frames: int) -> None:
    found = cues(film(*(SpokenLine(text) for text in texts), frames=frames))
    assert all(cue.start < cue.end <= 1 + frames / 16 + 0.001 for cue in found)
    assert all(before.end <= after.start for before, after in pairwise(found))
    assert all(cue.end - cue.start <= LONGEST + 0.001 and len(cue.rows) <= ROWS for cue in found)
    assert all(len(row) <= ROW for cue in found for row in cue.rows)
    joined = "".join("".join(cue.rows) for cue in found)
    assert "".join(joined.split()) == "".join("".join(texts).split()), "no letter is lost"


def test_a_long_line_becomes_balanced_rows() -> None:
    text = "Higher than the church and all of the trees around it, please, before the rain begins."
    (first, second) = cues(film(SpokenLine(text)))
    assert first.rows == ("Higher than the church and all of the", "trees around it, please, before the rain")
    assert second.rows == ("begins.",)


def test_wide_letters_count_double() -> None:
    assert columns("ab") == 2
    assert columns("狐狸") == 4
    (cue,) = cues(film(SpokenLine("狐狸" * 20)))
    assert [len(row) for row in cue.rows] == [20, 20]


def test_what_cannot_be_read_is_named_with_what_it_needs() -> None:
    assert list(findings(cues(film(SpokenLine("Slow."))), 16)) == []
    fast = cues(film(SpokenLine("A line of thirty-four characters."), frames=16))
    (finding,) = findings(fast, 16)
    assert finding == (
        "shot 1.2: 'A line of thirty-four characters.' is shown for 0.9 s, 36 characters a second; 17 can be read: "
        "shorten it or give the shot 17 more frames"
    )
    assert list(findings(fast, 16, readable=40)) == []


def test_the_command_counts_and_can_be_strict(run: Path, tmp_path: Path) -> None:
    def command(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [PROGRAM, "subtitles", run, *words], cwd=tmp_path, capture_output=True, text=True, check=False
        )

    done = command("-o", "film.vtt", "--speed", "60")
    assert (done.returncode, done.stdout) == (0, "film.vtt (3 subtitles, 2 too fast)\n")
    assert done.stderr.startswith("warning: shot 1.3: 'Higher!' is shown for 0.")
    strict = command("-o", "film.vtt", "--strict", "--force", "--json")
    assert strict.returncode == 1
    assert json.loads(strict.stdout)["subtitles"] == 3
    again = command("-o", "film.vtt")
    assert again.stderr == "error: film.vtt: exists; choose another name with --out, or add --force to replace it\n"


def test_bad_options_are_one_line(run: Path, tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"unknown kind of subtitles '\.txt'; use \.srt, \.vtt, \.ass"):
        write_subtitles(run, tmp_path / "film.txt")
    silent = rendered(tmp_path / "run", {"title": "T", "scenes": [{"shots": [{"prompt": "a", "frames": 5}]}]})
    with pytest.raises(ScriptError, match="no finished shot has a line; give shots narration or dialogue"):
        write_subtitles(silent, tmp_path / "film.srt")


def test_lines_change_no_shot(tmp_path: Path) -> None:
    """Words are not pictures: with other lines, nothing is made again."""
    run = rendered(tmp_path / "run", STORY)
    before = {path.name for path in (run / "objects").iterdir()}
    changed = json.loads(json.dumps(STORY))
    changed["scenes"][0]["shots"][0]["narration"] = "Another morning."
    rendered(run, changed)
    assert {path.name for path in (run / "objects").iterdir()} == before
    write_subtitles(run, tmp_path / "film.srt")
    assert "Another morning." in (tmp_path / "film.srt").read_text("utf-8")
