"""Folders with damaged databases, and folders that belong to somebody else."""

from __future__ import annotations

import pytest
from core_support import Stage, chain

from storymem.errors import RunStoreError


@pytest.mark.parametrize("name", ["run.sqlite", "memory.sqlite"])
def test_a_database_with_damaged_pages_is_named(stage: Stage, name: str) -> None:
    stage.render(chain(1))
    path = stage.folder() / name
    data = path.read_bytes()
    path.write_bytes(data[:4096] + b"Z" * (len(data) - 4096))
    with pytest.raises(RunStoreError, match=rf"{name}: cannot be (read|used): database disk image is malformed"):
        stage.render(chain(1))


@pytest.mark.parametrize("name", ["tmp", "objects"])
def test_a_folder_with_files_of_others_is_refused(stage: Stage, name: str) -> None:
    theirs = stage.folder() / name / "notes.txt"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("not a run's")
    with pytest.raises(RunStoreError, match=f"run: is not a run folder, but has files in {name}/"):
        stage.render(chain(1))
    assert theirs.read_text() == "not a run's"


def test_a_folder_among_the_objects_is_left_alone(stage: Stage) -> None:
    stage.render(chain(1))
    theirs = stage.folder() / "objects" / "notes"
    theirs.mkdir()
    assert stage.render(chain(1)).cached == 1
    assert theirs.is_dir()
