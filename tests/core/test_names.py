"""Readable names: never a path, never in the way of the run folder's own files."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from core_support import Stage, chain, published, shot, story
from hypothesis import example, given, settings
from hypothesis import strategies as st

from storymem.errors import MediaError, RunStoreError
from storymem.film.names import safe_title, shot_name


@given(title=st.text(min_size=1, max_size=200))
@example(title="../../etc/passwd")
@example(title="objects")
@example(title="Film.MP4")
@example(title="\U00020000" * 200)
@settings(deadline=None)
def test_a_title_is_one_folder_name(title: str) -> None:
    name = safe_title(title)
    assert Path(name).name == name
    assert name not in {"", ".", ".."}
    assert len(name.encode()) < 255
    own = {"objects", "tmp", "shots", "keyframes", "film", "run", "memory", "lock", "quarantine"}
    assert name.lower().split(".")[0] not in own


@pytest.mark.parametrize("title", ["objects", "film.mp4", "run.sqlite", "../up", "ß" * 200])
def test_any_title_can_be_laid_out(stage: Stage, title: str) -> None:
    script = chain(1, title=title)
    stage.render(script, layout="entitybench").check()
    first = published(stage.folder())
    (copy,) = stage.folder().glob(f"{safe_title(title)}/001_001.mp4")
    assert copy.samefile(stage.folder() / "shots" / "01_01.mp4")
    assert stage.render(script, layout="entitybench").made == 0
    assert published(stage.folder()) == first
    assert {p.name for p in stage.root.iterdir()} == {"run", "journal.txt"}, "nothing is made beside the run folder"


def test_inserted_shots_keep_their_letter(stage: Stage) -> None:
    assert [shot_name(i) for i in ("1.2", "1.2a", "12.345")] == ["01_02", "01_02a", "12_345"]
    stage.render(story([shot("a", id="1.2"), shot("b", id="1.2a")]), layout="entitybench")
    assert {p.name for p in (stage.folder() / "Tale").iterdir()} == {"001_002.mp4", "001_002a.mp4"}


def test_two_shots_never_share_a_name() -> None:
    with pytest.raises(ValueError, match=r"'01\.02' must be scene\.shot, such as 2\.3"):
        story([shot("a", id="1.2"), shot("b", id="01.02")])


IN_THE_WAY = r"(cannot be written: |is in the way and was not made by storymem|which would be in the way; )"


@pytest.mark.parametrize("name", ["film.mp4/", "shots", "shots/01_01.mp4/", "keyframes"])
def test_what_stands_in_the_way_of_a_name_is_said(stage: Stage, name: str) -> None:
    blocking = stage.folder() / name
    blocking.parent.mkdir(parents=True, exist_ok=True)
    blocking.mkdir() if name.endswith("/") else blocking.write_text("a file of the user's")
    with pytest.raises((MediaError, RunStoreError), match=rf"{name.split('/', maxsplit=1)[0]}.*{IN_THE_WAY}") as caught:
        stage.render(chain(1)).check()
    assert "\n" not in str(caught.value)
    blocking.rmdir() if name.endswith("/") else blocking.unlink()
    assert stage.render(chain(1)).check().frames == 5, "nothing was begun, and nothing is in the way any more"


WINDOWS = {"con", "prn", "aux", "nul", *(f"{p}{n}" for p in ("com", "lpt") for n in range(1, 10))}


@given(title=st.text(min_size=1, max_size=200))
@example(title="CON")
@example(title="nul.txt")
@example(title="LPT\u00b9")
@example(title="Aux.")
@example(title="Part 2: the end. ")
@example(title="\uff23\uff2f\uff2e")
@example(title="\ufb01lm")
@settings(deadline=None)
def test_every_system_can_hold_a_title(title: str) -> None:
    name = safe_title(title)
    assert not set(name) & set('<>:"/\\|?*\x00')
    assert not name.endswith((".", " "))
    assert name == unicodedata.normalize("NFC", name)
    stem = unicodedata.normalize("NFKC", name).casefold().split(".")[0]
    assert stem not in WINDOWS | {"film", "objects", "shots"}


def test_vowel_signs_stay_in_a_title() -> None:
    assert safe_title("हिन्दी की कहानी") == "हिन्दी_की_कहानी"
    assert safe_title(unicodedata.normalize("NFD", "José's film")) == "José_s_film"
