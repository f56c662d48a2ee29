"""No take is lost: not with the database, not to a passing error, not to a file that somebody changed."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from core_support import PLUGIN, Program, Stage, chain, digest, flip, published, shot, story

from storymem.errors import DamagedDatabase, DiskFull, MediaError, RunStoreError, StoryMemError, os_error
from storymem.plugin import PluginHost
from storymem.runs import open_run, repair_run
from storymem.store.objects import file_digest
from storymem.store.runstore import RunStore
from storymem.values.events import DamageFound, Notice

SCRIPT = story(["p1", shot("p2", cut=False)], ["p3"])


@pytest.fixture
def finished(stage: Stage) -> Stage:
    """A finished run whose first shot has two takes, the first of them pinned, and an override of the second shot."""
    stage.render(SCRIPT).check()
    with open_run(stage.folder(), write=True) as run:
        run.redo("1.1", seed=5)
    stage.render(SCRIPT).check()
    with open_run(stage.folder(), write=True) as run:
        run.pin("1.1", 1)
        run.redo("1.2", prompt="other")
    stage.render(SCRIPT).check()
    stage.made()
    return stage


def everything(stage: Stage) -> tuple[Any, ...]:
    """Return takes, pins, overrides and what is shown."""
    with stage.store() as store:
        takes = {(t.shot, t.number, t.key, t.master, t.pinned, tuple(k.id for k in t.recalled)) for t in store.takes()}
        return takes, store.overrides(), store.current(), published(stage.folder())


def files(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): digest(p) for p in sorted(folder.rglob("*")) if p.is_file()}


# -- the database -----------------------------------------------------------------------------------------------


def lose(folder: Path) -> None:
    (folder / "run.sqlite").unlink()


def empty(folder: Path) -> None:
    (folder / "run.sqlite").write_bytes(b"")


def cut_short(folder: Path) -> None:
    os.truncate(folder / "run.sqlite", 8192)


def of_another_run(folder: Path) -> None:
    with RunStore(folder.with_name("another"), write=True):
        pass
    shutil.copyfile(folder.with_name("another") / "run.sqlite", folder / "run.sqlite")


def a_pin_changed(folder: Path) -> None:
    database = sqlite3.connect(folder / "run.sqlite")
    database.executescript("DROP TRIGGER takes_update; UPDATE takes SET pinned = 0;")
    database.close()


def a_row_lost(folder: Path) -> None:
    database = sqlite3.connect(folder / "run.sqlite")
    trigger = database.execute("SELECT sql FROM sqlite_master WHERE name = 'takes_delete'").fetchone()[0]
    database.executescript(f"DROP TRIGGER takes_delete; DELETE FROM takes WHERE shot = '2.1'; {trigger}")
    database.close()


LOSSES: list[Callable[[Path], None]] = [lose, empty, cut_short, of_another_run, a_pin_changed, a_row_lost]


@pytest.mark.parametrize("loss", LOSSES)
def test_a_lost_database_moves_nothing_and_is_rebuilt(finished: Stage, loss: Callable[[Path], None]) -> None:
    before = everything(finished)
    loss(finished.folder())
    there = files(finished.folder() / "objects")
    for write in (False, True):
        with pytest.raises(RunStoreError, match="storymem repair"):
            RunStore(finished.folder(), write)
    with pytest.raises(RunStoreError, match="storymem repair"):
        finished.render(SCRIPT)
    assert files(finished.folder() / "objects") == there
    done = repair_run(finished.folder())
    assert (done.database.takes, done.database.lost, done.database.damaged) == (len(before[0]), (), ())
    assert everything(finished) == before
    result = finished.render(SCRIPT)
    assert (result.made, result.cached, finished.made()) == (0, 3, [])
    assert everything(finished) == before
    assert repair_run(finished.folder()).lines() == [f"{finished.folder()}: nothing to repair"]


def test_an_older_database_moves_nothing_and_is_rebuilt(finished: Stage) -> None:
    older = finished.root / "older.sqlite"
    shutil.copyfile(finished.folder() / "run.sqlite", older)
    with open_run(finished.folder(), write=True) as run:
        run.redo("2.1", seed=9)
    finished.render(SCRIPT).check()
    before = everything(finished)
    shutil.copyfile(older, finished.folder() / "run.sqlite")
    there = files(finished.folder() / "objects")
    with pytest.raises(DamagedDatabase, match="is an older copy"):
        finished.store(write=True)
    assert files(finished.folder() / "objects") == there
    repair_run(finished.folder())
    assert everything(finished) == before


def test_a_database_copied_without_its_log_is_an_older_one(stage: Stage) -> None:
    stage.render(SCRIPT)
    with stage.store(write=True) as store:
        store.pin("1.1", 1)
        shutil.copytree(stage.folder(), stage.folder("copy"))
    (stage.folder("copy") / "run.sqlite-wal").unlink()
    with pytest.raises(DamagedDatabase, match="is an older copy"):
        stage.store("copy", write=True)
    with pytest.raises(DamagedDatabase, match="is an older copy"):
        stage.store("copy")


@pytest.mark.parametrize("generation", ["", "{}", "gone"])
def test_the_notes_know_the_generation_too(stage: Stage, generation: str) -> None:
    stage.render(chain(1))
    older = (stage.folder() / "run.sqlite").read_bytes()
    with open_run(stage.folder(), write=True) as run:
        run.pin("1.1", 1)
    (stage.folder() / "run.sqlite").write_bytes(older)
    note = stage.folder() / "generation.json"
    note.unlink() if generation == "gone" else note.write_text(generation)
    with pytest.raises(DamagedDatabase, match="is an older copy"):
        stage.store(write=True)


def test_what_is_finished_and_not_committed_is_set_aside(stage: Stage) -> None:
    stage.render(chain(1))
    stray = stage.folder() / "objects" / f"{'0' * 64}.mkv"
    stray.write_bytes(b"a clip")
    with stage.store(write=True):
        pass
    aside = stage.folder() / "quarantine" / stray.name
    assert aside.read_bytes() == b"a clip"
    assert "not committed" in aside.with_name(f"{aside.name}.why.txt").read_text()


def test_notes_missed_by_a_killed_run_are_written_by_the_next(finished: Stage) -> None:
    before = everything(finished)
    for name in ("generation.json", "takes/1.1.json"):
        (finished.folder() / name).unlink()
    with finished.store(write=True):
        pass
    lose(finished.folder())
    repair_run(finished.folder())
    assert everything(finished) == before


def test_repair_names_the_takes_whose_files_are_gone(finished: Stage) -> None:
    with finished.store() as store:
        take = store.require_take("2.1", 1)
        path = store.file_ref(take.master).path
    path.unlink()
    flip(finished.folder() / "takes" / "1.2.json")
    lose(finished.folder())
    done = repair_run(finished.folder())
    assert done.database.lost == ("shot 2.1 take 1",)
    assert done.database.damaged == ("takes/1.2.json",)
    finished.render(SCRIPT).check()


def test_repair_brings_files_back_from_the_quarantine(finished: Stage) -> None:
    before = everything(finished)
    folder = finished.folder()
    with finished.store() as store:
        take = store.require_take("2.1", 1)
        store.objects.set_aside([store.file_ref(take.master).path], "by mistake")
    lose(folder)
    assert repair_run(folder).database.found == 1
    assert everything(finished) == before


def test_a_folder_without_notes_is_not_rebuilt(stage: Stage) -> None:
    stage.folder().mkdir()
    with pytest.raises(RunStoreError, match="cannot be rebuilt"):
        repair_run(stage.folder())
    assert list(stage.folder().iterdir()) == []


# -- the memory store ---------------------------------------------------------------------------------------------


def swap_embeddings(database: sqlite3.Connection) -> None:
    (one, a), (two, b) = database.execute("SELECT id, vector FROM embeddings LIMIT 2").fetchall()
    database.executemany("UPDATE embeddings SET vector = ? WHERE id = ?", [(b, one), (a, two)])


def no_numbers(database: sqlite3.Connection) -> None:
    ((vector,),) = database.execute("SELECT vector FROM embeddings LIMIT 1").fetchall()
    nothing = np.full(len(vector) // 4, np.nan, "<f4").tobytes()
    database.execute("UPDATE embeddings SET vector = ?", (nothing,))


def change_scores(database: sqlite3.Connection) -> None:
    database.execute("""UPDATE keyframes SET scores = '{"aesthetic": 9.0}'""")


def drop_a_keyframe(database: sqlite3.Connection) -> None:
    database.execute("DELETE FROM keyframes WHERE ordinal = 0")


def break_text(database: sqlite3.Connection) -> None:
    database.execute("UPDATE keyframes SET entities = CAST(x'ff5b' AS TEXT)")


@pytest.mark.parametrize("damage", [swap_embeddings, no_numbers, change_scores, drop_a_keyframe, break_text])
def test_a_changed_memory_store_is_found_and_never_used(
    stage: Stage, damage: Callable[[sqlite3.Connection], None]
) -> None:
    stage.render(SCRIPT).check()
    with open_run(stage.folder(), write=True) as run:
        assert run.memory_store is not None
        owner = next(iter(run.store.selections()))
        pictures = run.memory_store.of(owner)
        vectors = {k.id: np.eye(4, dtype=np.float32)[i] for i, k in enumerate(pictures[:3])}
        run.memory_store.put_embeddings("encoder", vectors)
    before = published(stage.folder())
    database = sqlite3.connect(stage.folder() / "memory.sqlite")
    with database:
        damage(database)
    database.close()
    with open_run(stage.folder()) as run:
        assert run.memory_store is not None
        known = run.memory_store.embeddings("encoder", list(vectors))
        assert all(np.array_equal(known[id_], vectors[id_]) for id_ in known)
    with open_run(stage.folder(), write=True) as run:
        assert any(line.startswith("memory store: ") for line in run.verify())
        assert run.verify() == []
    stage.made()
    stage.render(SCRIPT).check()
    assert (stage.made(), published(stage.folder())) == ([], before)


def test_a_changed_memory_store_is_chosen_again(stage: Stage) -> None:
    stage.render(SCRIPT).check()
    before = published(stage.folder())
    database = sqlite3.connect(stage.folder() / "memory.sqlite")
    with database:
        change_scores(database)
    database.close()
    with open_run(stage.folder()) as run, pytest.raises(RunStoreError, match="are damaged; storymem repair"):
        run.keyframes("1.1")
    stage.made()
    stage.render(SCRIPT).check()
    assert any("has lost keyframes" in notice.text for notice in stage.of(Notice))
    assert (stage.made(), published(stage.folder())) == ([], before)


def test_a_broken_memory_store_is_set_aside_by_repair(stage: Stage) -> None:
    stage.render(SCRIPT).check()
    before = published(stage.folder())
    path = stage.folder() / "memory.sqlite"
    path.write_bytes(path.read_bytes()[:4096] + b"Z" * 20_000)
    done = repair_run(stage.folder())
    assert done.memory
    assert (stage.folder() / "quarantine" / "memory.sqlite").is_file()
    stage.made()
    stage.render(SCRIPT).check()
    assert (stage.made(), published(stage.folder())) == ([], before)


# -- passing errors -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.EIO, errno.EMFILE, errno.ESTALE, errno.ENOMEM, errno.EACCES, errno.EBUSY])
def test_a_file_that_cannot_be_read_now_is_not_damaged(
    finished: Stage, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = everything(finished)

    def refuse(path: Path) -> str:
        if path.suffix == ".mkv":
            raise OSError(number, os.strerror(number))
        return file_digest(path)

    for path in (finished.folder() / "objects").iterdir():
        path.touch()
    monkeypatch.setattr("storymem.store.objects.file_digest", refuse)
    with open_run(finished.folder(), write=True) as run, pytest.raises(RunStoreError, match="cannot be read now"):
        run.verify()
    with pytest.raises(StoryMemError, match="cannot be read now"):
        finished.render(SCRIPT).check()
    monkeypatch.undo()
    assert not finished.of(DamageFound)
    assert everything(finished)[0] == before[0]
    assert not (finished.folder() / "quarantine").exists()


def test_objects_that_are_not_mounted_are_not_lost(finished: Stage) -> None:
    before = everything(finished)
    objects = finished.folder() / "objects"
    objects.rename(finished.root / "elsewhere")
    with pytest.raises(RunStoreError, match="objects: is gone; nothing was changed"):
        finished.render(SCRIPT)
    objects.mkdir()
    with open_run(finished.folder(), write=True) as run, pytest.raises(RunStoreError, match="has none of the run's"):
        run.verify()
    objects.rmdir()
    (finished.root / "elsewhere").rename(objects)
    assert everything(finished) == before


@pytest.mark.parametrize("wreck", [flip, Path.unlink])
def test_a_pin_is_never_lost(finished: Stage, wreck: Callable[[Path], None]) -> None:
    with finished.store() as store:
        take = store.require_take("1.1", 1)
        path = store.file_ref(take.master).path
    content = path.read_bytes()
    wreck(path)
    with pytest.raises(RunStoreError, match=r"shot 1\.1: the file of its pinned take 1 is damaged or gone") as caught:
        finished.render(SCRIPT)
    assert caught.value.exit_code == 5
    with open_run(finished.folder(), write=True) as run:
        assert run.verify() == [f"objects/{path.name}"]
    path.write_bytes(content)
    assert finished.render(SCRIPT).cached == 3
    with finished.store() as store:
        assert store.require_take("1.1", 1).pinned


def test_a_busy_database_waits_and_costs_no_clip(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    stage.render(chain(1))
    stage.made()
    other = sqlite3.connect(stage.folder() / "run.sqlite", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(1.5, other.execute, ["ROLLBACK"])
    timer.start()
    try:
        stage.render(chain(2)).check()
    finally:
        timer.join()
        other.close()
    assert stage.made() == ["p2"]
    assert "run.sqlite: is in use by another program; waiting" in caplog.text


def test_a_memory_store_that_fails_costs_no_clip(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise RunStoreError("memory.sqlite: cannot be written")

    with monkeypatch.context() as patch:
        patch.setattr("storymem_plugins.stores.sqlite.SqliteStore.add", refuse)
        assert stage.render(chain(1)).failures == {"1.1": "shot 1.1: memory.sqlite: cannot be written"}
    assert stage.made() == ["p1"]
    stage.render(chain(1)).check()
    assert stage.made() == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_as_one(number: int) -> None:
    error = os_error("film.mp4: cannot be written", OSError(number, os.strerror(number)), MediaError)
    assert isinstance(error, DiskFull)
    assert error.exit_code == 4


# -- overrides ----------------------------------------------------------------------------------------------------


@pytest.fixture
def project(stage: Stage, program: Program) -> tuple[Path, Callable[..., Any]]:
    """A run made by the command line, and the program in its folder."""
    script = stage.root / "tale.json"
    script.write_text(SCRIPT.model_dump_json())

    def run(*args: str | Path) -> Any:
        return program(*args, cwd=stage.root)

    done = run("render", script, "-o", "run", "--plugin", PLUGIN, "--backbone", "blocks", "--quiet")
    assert done.returncode == 0, done.stderr
    return stage.folder(), run


def test_a_redo_that_fails_its_checks_is_not_recorded(project: tuple[Path, Callable[..., Any]]) -> None:
    folder, run = project
    (folder.parent / "storymem.toml").write_text("budget = 'many'\n")
    done = run("redo", "run", "1.1", "--prompt", "new")
    assert (done.returncode, done.stderr.count("error: ")) == (2, 1)
    (folder.parent / "storymem.toml").unlink()
    with RunStore(folder, write=False) as store:
        assert store.overrides() == {}


def test_a_pin_that_does_not_fit_is_not_recorded(project: tuple[Path, Callable[..., Any]]) -> None:
    folder, run = project
    done = run("render", "tale.json", "-o", "run", "--plugin", PLUGIN, "--backbone", "blocks", "--frames", "9", "-q")
    assert done.returncode == 0, done.stderr
    done = run("pin", "run", "1.1", "1")
    assert done.returncode == 5
    assert "pinned take 1 is 32x16, 5 frames, 8 fps, and does not fit this run" in done.stderr
    with RunStore(folder, write=False) as store:
        assert not any(take.pinned for take in store.takes())


# -- files of others ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["film.mp4", "shots/01_01.mp4", "keyframes/mine.png"])
def test_files_of_others_are_refused_and_set_aside_by_force(stage: Stage, program: Program, name: str) -> None:
    theirs = stage.folder() / name
    theirs.parent.mkdir(parents=True)
    theirs.write_text("mine")
    script = stage.root / "tale.json"
    script.write_text(SCRIPT.model_dump_json())
    line = ["render", script, "-o", "run", "--plugin", PLUGIN, "--backbone", "blocks", "--quiet"]
    done = program(*line, cwd=stage.root)
    assert done.returncode == 5
    assert "in the way" in done.stderr
    assert files(stage.folder()) == {name: digest(theirs)}
    assert program(*line, "--force", cwd=stage.root).returncode == 0
    aside = [path for path in (stage.folder() / "quarantine").rglob("*") if path.is_file()]
    assert "mine" in [path.read_text() for path in aside]


@pytest.mark.parametrize("name", ["film.mp4", "shots/01_01.mp4"])
def test_a_file_that_somebody_changed_is_kept(finished: Stage, name: str) -> None:
    path = finished.folder() / name
    path.unlink()
    path.write_text("edited by hand")
    finished.render(SCRIPT).check()
    assert (finished.folder() / "quarantine" / path.name).read_text() == "edited by hand"


def test_a_foreign_film_is_refused_before_anything_is_made(finished: Stage) -> None:
    with finished.store(write=True) as store, store.changing():
        store.db.change("DELETE FROM meta WHERE key = 'film'")
    with pytest.raises(MediaError, match=r"film\.mp4: is in the way"):
        finished.render(story(["p1", "new"]))
    assert finished.made() == []


def test_the_quarantine_is_emptied_by_prune_alone(finished: Stage, program: Program) -> None:
    stray = finished.folder() / "objects" / f"{'0' * 64}.mkv"
    stray.write_bytes(b"a clip")
    with finished.store(write=True):
        pass
    before = everything(finished)
    done = program("prune", "run", "--quarantine", cwd=finished.root)
    assert done.stdout == "0 takes and 1 files deleted\n"
    assert list((finished.folder() / "quarantine").iterdir()) == []
    assert everything(finished) == before


@pytest.mark.skipif(os.name == "nt", reason="links need rights of their own there")
@pytest.mark.parametrize("name", ["objects", "takes", "shots", "run.sqlite", "quarantine", "film.mp4"])
def test_a_link_in_a_run_folder_is_refused(finished: Stage, name: str) -> None:
    path, elsewhere = finished.folder() / name, finished.root / "elsewhere"
    if path.exists():
        path.rename(elsewhere)
    else:
        elsewhere.mkdir()
    path.symlink_to(elsewhere)
    for write in (False, True):
        with pytest.raises(RunStoreError, match=f"{name}: is a symbolic link"):
            RunStore(finished.folder(), write)


@pytest.mark.skipif(os.name == "nt", reason="folders have no such bits there")
def test_a_read_only_copy_can_be_looked_at(finished: Stage) -> None:
    expected = everything(finished)
    host = PluginHost()  # finds plugins with the rights of whoever installed them
    for path in (finished.root, *finished.root.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    rights = os.geteuid()
    if rights == 0:
        os.seteuid(65534)
    try:
        with open_run(finished.folder(), host=host) as run:
            assert len(run.status()) == 3
        assert everything(finished) == expected
    finally:
        os.seteuid(rights)
        for path in (finished.root, *(p for p in finished.root.rglob("*") if p.is_dir())):
            path.chmod(0o755)
