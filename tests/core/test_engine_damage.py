"""Files damaged on disk are found by their hash and made again; they are never silently used."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from core_support import (
    Stage,
    chain,
    check_stores_agree,
    check_tidy,
    digest,
    flip,
    objects,
    published,
    quarantined,
    rows,
    shot,
    story,
)

from storymem.errors import DamagedFile, RunStoreError
from storymem.store.objects import FileRecord, ObjectStore, verified
from storymem.values.events import DamageFound, Event, FilmWritten, ShotFinished
from storymem.values.files import FileRef

SCRIPT = story(["p1", shot("p2", cut=False), "p3"])
OPTIONS = {"budget": 2}


def files(stage: Stage, suffix: str, name: str) -> list[Path]:
    """Return a shot's stored files: its masters (.mkv), viewing copies (.mp4) or keyframes (.png)."""
    with stage.store() as store:
        current = {c.shot: c for c in store.current()}
        takes = {(t.shot, t.number): t.master for t in store.takes()}
        pictures = [store.picture(id_) for id_ in store.selections()[current[name].selection]]
        found = {
            ".mkv": [takes[name, current[name].take]],
            ".mp4": [current[name].view],
            ".png": [picture.digest for picture in pictures if picture],
        }[suffix]
        return [store.objects.path(d, suffix) for d in found]


@pytest.fixture
def finished(stage: Stage) -> tuple[Stage, dict[str, str]]:
    stage.render(SCRIPT, **OPTIONS).check()
    stage.made()
    return stage, published(stage.folder())


WRECKS: dict[str, Callable[[Path], None]] = {
    "flipped": flip,
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-7]) and None,
    "empty": lambda path: path.write_bytes(b"") and None,
    "gone": Path.unlink,
}


@pytest.mark.parametrize("wreck", WRECKS)
@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".png"])
def test_a_damaged_file_is_found_and_made_again(
    finished: tuple[Stage, dict[str, str]], suffix: str, wreck: str
) -> None:
    stage, before = finished
    (path, *_) = files(stage, suffix, "1.2")
    content = digest(path)
    WRECKS[wreck](path)
    stage.render(SCRIPT, **OPTIONS).check()
    assert stage.made() == (["p2"] if suffix == ".mkv" else [])
    assert [event.shots for event in stage.of(DamageFound)] == [("1.2",)]
    assert [event.shot for event in stage.of(ShotFinished) if not event.cached] == ["1.2"]
    assert digest(path) == content
    assert published(stage.folder()) == before
    check_tidy(stage.folder())
    stage.render(SCRIPT, **OPTIONS)
    assert not stage.of(DamageFound)


@pytest.mark.parametrize("wreck", ["flipped", "gone"])
def test_a_damaged_film_is_joined_again(finished: tuple[Stage, dict[str, str]], wreck: str) -> None:
    stage, before = finished
    WRECKS[wreck](stage.folder() / "film.mp4")
    stage.render(SCRIPT, **OPTIONS)
    assert not stage.of(FilmWritten)[0].cached
    assert published(stage.folder()) == before
    assert stage.made() == []


def test_a_film_whose_time_was_restored_is_still_found(finished: tuple[Stage, dict[str, str]]) -> None:
    stage, before = finished
    flip(stage.folder() / "film.mp4", keep_time=True)
    stage.render(SCRIPT, **OPTIONS)
    assert published(stage.folder()) == before


def test_handed_over_frames_are_checked_when_they_are_read(finished: tuple[Stage, dict[str, str]]) -> None:
    """Their file's time says that it is untouched, so only reading it can tell; the clip they end is not made again."""
    stage, _ = finished
    with stage.store() as store:
        tail = store.current("1.1")[0].tail
    flip(store.objects.path(tail, ".mkv"), keep_time=True)
    changed = story(["p1", shot("new", cut=False), "p3"])
    stage.render(changed, **OPTIONS).check()
    assert stage.made() == ["new"]
    assert [event.shots for event in stage.of(DamageFound)] == [("1.1",)]
    stage.render(changed, run="undisturbed", **OPTIONS)
    assert published(stage.folder()) == published(stage.folder("undisturbed"))
    check_tidy(stage.folder())


def test_a_keyframe_is_checked_when_it_is_recalled(finished: tuple[Stage, dict[str, str]]) -> None:
    stage, _ = finished
    flip(files(stage, ".png", "1.1")[0], keep_time=True)
    changed = story(["p1", shot("p2", cut=False), "new"])
    stage.render(changed, **OPTIONS).check()
    assert stage.made() == ["new"]
    assert stage.of(DamageFound)[0].shots == ("1.1",)
    stage.render(changed, run="undisturbed", **OPTIONS)
    assert published(stage.folder()) == published(stage.folder("undisturbed"))


def test_a_viewing_copy_is_checked_when_the_film_is_joined(finished: tuple[Stage, dict[str, str]]) -> None:
    stage, before = finished
    flip(files(stage, ".mp4", "1.3")[0], keep_time=True)
    (stage.folder() / "film.mp4").unlink()
    stage.render(SCRIPT, **OPTIONS).check()
    assert stage.of(DamageFound)[0].shots == ("1.3",)
    assert stage.made() == []
    assert published(stage.folder()) == before


def test_a_master_is_checked_when_it_is_dissolved(stage: Stage) -> None:
    script = story(["p1", shot("p2", transition={"name": "dissolve", "settings": {"frames": 2}})])
    stage.render(script)
    before = published(stage.folder())
    stage.made()
    flip(files(stage, ".mkv", "1.2")[0], keep_time=True)
    (stage.folder() / "film.mp4").unlink()
    stage.render(script).check()
    assert stage.made() == ["p2"]
    assert published(stage.folder()) == before


def test_a_file_touched_but_unchanged_is_kept(finished: tuple[Stage, dict[str, str]]) -> None:
    stage, before = finished
    for suffix in (".mkv", ".mp4", ".png"):
        for path in files(stage, suffix, "1.1"):
            path.touch()
    stage.render(SCRIPT, **OPTIONS)
    assert stage.made() == []
    assert not stage.of(DamageFound)
    assert published(stage.folder()) == before


def test_readable_names_that_lead_elsewhere_are_put_right(finished: tuple[Stage, dict[str, str]]) -> None:
    stage, before = finished
    view = stage.folder() / "shots" / "01_01.mp4"
    content = bytearray(view.read_bytes())
    view.unlink()
    content[100] ^= 0xFF
    view.write_bytes(content)  # a file of its own now, of the same size
    (stage.folder() / "shots" / "01_02.mp4").unlink()
    shutil.rmtree(stage.folder() / "keyframes")
    stage.render(SCRIPT, **OPTIONS)
    assert stage.made() == []
    assert published(stage.folder()) == before


def test_everything_damaged_at_once(finished: tuple[Stage, dict[str, str]]) -> None:
    stage, before = finished
    for path in (stage.folder() / "objects").iterdir():
        flip(path)
    stage.render(SCRIPT, **OPTIONS).check()
    assert stage.made() == ["p1", "p2", "p3"]
    assert published(stage.folder()) == before
    check_tidy(stage.folder())


def test_the_memory_store_may_be_lost(finished: tuple[Stage, dict[str, str]]) -> None:
    stage, before = finished
    for path in stage.folder().glob("memory.sqlite*"):
        path.unlink()
    stage.render(SCRIPT, **OPTIONS).check()
    assert stage.made() == []
    assert published(stage.folder()) == before


def test_verify_finds_what_times_hide(finished: tuple[Stage, dict[str, str]]) -> None:
    stage, before = finished
    (path,) = files(stage, ".mp4", "1.1")
    flip(path, keep_time=True)
    with stage.opened(write=True) as run:
        assert run.verify() == [path.relative_to(stage.folder()).as_posix()]
        assert run.verify() == []
    assert quarantined(stage.folder()) == {
        path.name: f"does not have its recorded content {path.stem}; it belonged to shot 1.1\n"
    }
    check_stores_agree(stage.folder())
    stage.render(SCRIPT, **OPTIONS).check()
    assert stage.made() == []
    assert published(stage.folder()) == before


def test_files_of_a_killed_run_are_set_aside_when_the_next_one_starts(finished: tuple[Stage, dict[str, str]]) -> None:
    stage, _ = finished
    known = objects(stage.folder())
    (stage.folder() / "tmp" / "1.2-master.mkv").write_bytes(b"half")
    stray = stage.folder() / "objects" / f"{'0' * 64}.png"
    stray.write_bytes(b"adopted, but never committed")
    stage.render(SCRIPT, **OPTIONS)
    assert objects(stage.folder()) == known
    assert quarantined(stage.folder()) == {stray.name: "finished, but not committed: its run was stopped before\n"}
    assert (stage.folder() / "quarantine" / stray.name).read_bytes() == b"adopted, but never committed"
    check_tidy(stage.folder())


def test_a_disk_that_damages_everything_is_blamed(stage: Stage) -> None:
    """Each time shot 2 reads the frames of shot 1 they are wrong, however often they are made."""

    def spoil(event: Event) -> None:
        if isinstance(event, ShotFinished) and event.shot == "1.1":
            with stage.store() as store:
                tail = store.current("1.1")[0].tail
            flip(store.objects.path(tail, ".mkv"), keep_time=True)

    with pytest.raises(RunStoreError, match="is damaged again after being made again; check the disk"):
        stage.render(chain(2, cut=False), on_event=spoil)


def test_equal_content_is_kept_once(stage: Stage) -> None:
    """Two shots that come out the same share their files; losing one's take leaves the other's."""
    script = story([shot("same", seed=1), shot("same", seed=1)])
    stage.render(script, policy="none", selector={"name": "every", "step": 4})
    with stage.store() as store:
        assert len({take.master for take in store.takes()}) == 1
    before = published(stage.folder())
    flip(files(stage, ".mkv", "1.1")[0])
    stage.made()
    stage.render(script, policy="none", selector={"name": "every", "step": 4}).check()
    assert stage.made() == ["same", "same"]
    assert published(stage.folder()) == before
    check_tidy(stage.folder())


# -- the object store alone -------------------------------------------------------------------------------


def test_adopting_checking_and_setting_aside(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path / "objects", tmp_path / "quarantine")
    store.folder.mkdir()
    new = tmp_path / "new.png"
    new.write_bytes(b"content")
    (record,) = store.adopt([FileRef(new, digest(new))])
    assert not new.exists()
    path = store.path(record.digest, ".png")
    assert verified(FileRef(path, record.digest)) == path
    assert store.intact(record)
    path.write_bytes(b"CONTENT")
    assert not store.intact(FileRecord(record.digest, record.suffix, record.size, 0))
    with pytest.raises(DamagedFile, match="does not have its recorded content") as caught:
        verified(FileRef(path, record.digest))
    assert caught.value.digest == record.digest
    assert store.strays({record.digest}) == []
    assert store.strays(set()) == [path]
    store.set_aside([path], "a reason")
    assert not store.intact(record)
    assert quarantined(tmp_path) == {path.name: "a reason\n"}
    path.write_bytes(b"another version")
    store.set_aside([path], "again")
    assert quarantined(tmp_path) == {path.name: "a reason\n", f"{path.stem}~1.png": "again\n"}
    with pytest.raises(DamagedFile, match="is gone"):
        verified(FileRef(path, record.digest))


# -- files that cannot be read now ------------------------------------------------------------------------


@pytest.fixture
def unreadable(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], None]]:
    """Make opening a file fail as on a failing disk or a lost network share."""
    broken: set[Path] = set()
    really_open = Path.open

    def opening(path: Path, *args: Any, **kwargs: Any) -> Any:
        if path in broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return really_open(path, *args, **kwargs)

    monkeypatch.setattr(Path, "open", opening)
    yield broken.add
    broken.clear()


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".png"])
def test_a_file_that_cannot_be_read_now_changes_nothing(
    finished: tuple[Stage, dict[str, str]], unreadable: Callable[[Path], None], suffix: str
) -> None:
    """An error of the disk says nothing about the file's content: neither a render nor verify drops anything."""
    stage, _ = finished
    (path, *_) = files(stage, suffix, "1.1")
    path.touch()  # so that a render reads it as well
    before = rows(stage.folder())
    unreadable(path)
    with (
        stage.opened(write=True) as run,
        pytest.raises(RunStoreError, match="cannot be read now, and nothing was changed"),
    ):
        run.verify()
    result = stage.render(SCRIPT, **OPTIONS)
    assert "cannot be read now, and nothing was changed" in result.failures["1.1"]
    assert not stage.of(DamageFound)
    assert stage.made() == []
    after = rows(stage.folder(), skip=("meta", "state", "failures"))
    assert after == {name: entries for name, entries in before.items() if not name.endswith(":failures")}
    assert path.exists()
    assert not quarantined(stage.folder())
