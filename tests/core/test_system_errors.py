"""Whatever the file system refuses is one line with a documented exit code, and changes nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from core_support import Program, Stage, chain, digest, published

from storymem.errors import StoryMemError
from storymem.runs import open_run
from storymem.values.events import Event, ShotFinished

DOCUMENTED = {2, 3, 4, 5, 6}


def at_the_first_shot(do: Callable[[], object]) -> Callable[[Event], None]:
    """Return a receiver of events that does something when the first shot is finished."""

    def receive(event: Event) -> None:
        if isinstance(event, ShotFinished) and event.shot == "1.1":
            do()

    return receive


@pytest.mark.parametrize("what", ["run", "run/objects", "run/tmp"])
def test_a_folder_moved_in_the_middle_is_one_line(stage: Stage, what: str) -> None:
    away = stage.root / "away"
    with pytest.raises(StoryMemError) as caught:
        stage.render(chain(3, cut=False), on_event=at_the_first_shot(lambda: (stage.root / what).rename(away))).check()
    assert caught.value.exit_code in DOCUMENTED
    assert "\n" not in str(caught.value)
    if (stage.root / what).exists():
        shutil.rmtree(stage.root / what)
    away.rename(stage.root / what)
    stage.made()
    stage.render(chain(3, cut=False)).check()
    assert "p1" not in stage.made(), "the shot that was finished is kept"
    stage.render(chain(3, cut=False), run="undisturbed")
    assert published(stage.folder()) == published(stage.folder("undisturbed"))


def test_an_emptied_temporary_folder_costs_one_shot(stage: Stage) -> None:
    def empty() -> None:
        shutil.rmtree(stage.folder() / "tmp")
        (stage.folder() / "tmp").mkdir()

    with pytest.raises(StoryMemError) as caught:
        stage.render(chain(2), on_event=at_the_first_shot(empty)).check()
    assert caught.value.exit_code in DOCUMENTED
    stage.made()
    stage.render(chain(2)).check()
    assert stage.made() == ["p2"]


@pytest.mark.parametrize("name", ["film.mp4", "shots/01_01.mp4"])
def test_a_folder_in_place_of_a_file_is_set_aside(stage: Stage, name: str) -> None:
    stage.render(chain(1))
    before = published(stage.folder())
    (stage.folder() / name).unlink()
    (stage.folder() / name / "mine").mkdir(parents=True)
    stage.render(chain(1)).check()
    assert published(stage.folder()) == before
    assert (stage.folder() / "quarantine" / Path(name).name / "mine").is_dir()


def test_a_folder_in_place_of_an_object_is_one_line(stage: Stage) -> None:
    stage.render(chain(1))
    with stage.store() as store:
        path = store.file_ref(store.takes("1.1")[0].master).path
    content = path.read_bytes()
    path.unlink()
    path.mkdir()
    with open_run(stage.folder(), write=True) as run, pytest.raises(StoryMemError, match="Is a directory"):
        run.verify()
    path.rmdir()
    path.write_bytes(content)
    with open_run(stage.folder(), write=True) as run:
        assert run.verify() == []


@pytest.mark.parametrize(
    "command", ["status", "takes", "resume", "redo", "pin", "prune", "verify", "film", "repair", "trust"]
)
def test_a_name_that_is_too_long_is_one_line(program: Program, tmp_path: Path, command: str) -> None:
    more = ["1.1"] if command in {"takes", "redo", "pin"} else []
    done = program(command, "n" * 300, *more, cwd=tmp_path)
    assert done.returncode in DOCUMENTED
    assert (done.stdout, done.stderr.count("\n")) == ("", 1)


@pytest.mark.parametrize("command", ["status", "takes", "resume", "redo", "pin", "prune", "verify", "film", "repair"])
@pytest.mark.parametrize("content", [b"", b"not a database, but long enough to be taken for one" * 99, None])
def test_a_folder_with_a_wrong_database_is_one_line(
    program: Program, tmp_path: Path, command: str, content: bytes | None
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    database = folder / "run.sqlite"
    database.mkdir() if content is None else database.write_bytes(content)
    more = ["1.1"] if command in {"takes", "redo", "pin"} else []
    done = program(command, folder, *more, cwd=tmp_path)
    assert done.returncode in DOCUMENTED
    assert (done.stdout, done.stderr.count("\n")) == ("", 1)
    assert content is None or digest(database) == digest(_written(tmp_path / "same", content))


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_no_rights_are_one_line(stage: Stage) -> None:
    stage.render(chain(1))
    objects = stage.folder() / "objects"
    rights = os.geteuid()
    objects.chmod(0)
    if rights == 0:
        os.chown(stage.folder(), 65534, -1)
        for path in stage.folder().rglob("*"):
            os.chown(path, 65534, -1)
        stage.root.chmod(0o755)
        os.seteuid(65534)
    try:
        with pytest.raises(StoryMemError, match="Permission denied") as caught:
            stage.store(write=True)
        assert caught.value.exit_code in DOCUMENTED
    finally:
        os.seteuid(rights)
        objects.chmod(0o755)
