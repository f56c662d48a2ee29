"""What goes wrong in a shot stays in that shot: other branches continue, finished work is kept, a later run resumes."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from core_support import Stage, chain, check_tidy, objects, published, shot, story, tiny_module
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storymem.errors import DamagedFile, MediaError, RunStoreError, ShotError
from storymem.interfaces import Keyframe, MemoryPolicy, MemoryView
from storymem.store.runstore import RunStore
from storymem.values.clip import check_frames
from storymem.values.events import Event, ShotBlocked, ShotFailed, ShotFinished
from storymem.values.storyboard import BoardShot

ALONE = {"policy": "none", "continuation": "first_frame"}
#: Two branches: 1.1 -> 1.2 -> 1.3 by handed-over frames, and 2.1 -> 2.2.
BRANCHES = story(["a", shot("b", cut=False), shot("c", cut=False)], ["d", shot("e", cut=False)])


def test_a_failed_shot_stops_only_what_needs_it_and_a_later_run_resumes(stage: Stage) -> None:
    result = stage.render(BRANCHES, fault={"b": "raise"}, **ALONE)
    assert stage.made() == ["a", "d", "e"]
    assert (result.made, len(result.failures), result.blocked) == (3, 1, 1)
    assert result.film is None
    reason = "shot 1.2: backbone Tiny failed: ValueError: tensor on the wrong device"
    assert dict(result.failures) == {"1.2": reason}
    assert [(e.shot, e.error) for e in stage.of(ShotFailed)] == [("1.2", reason)]
    assert [(e.shot, e.needs) for e in stage.of(ShotBlocked)] == [("1.3", "1.2")]
    with pytest.raises(ShotError, match=r"failed shots: 1, waiting for them: 1; .* render again to resume") as caught:
        result.check()
    assert caught.value.exit_code == 4
    check_tidy(stage.folder())

    result = stage.render(BRANCHES, **ALONE)
    assert stage.made() == ["b", "c"]
    assert result.check().cached == 3
    with stage.store() as store:
        assert store.failures() == {}
    stage.render(BRANCHES, run="undisturbed", **ALONE)
    assert published(stage.folder()) == published(stage.folder("undisturbed"))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("raise", "failed: ValueError: tensor on the wrong device"),
        ("refuse", "weights.bin: cannot be read"),
        ("short", r"returned frames of shape \(4, 16, 32, 3\), not \(5, 16, 32, 3\)"),
        ("long", r"returned frames of shape \(6, 16, 32, 3\)"),
        ("size", r"returned frames of shape \(5, 14, 32, 3\)"),
        ("fps", "returned 9 frames per second, not 8"),
        ("nan", "has NaN or infinite values"),
        ("dtype", "expected uint8 values 0..255, got float32"),
        ("array", "returned ndarray, not a Clip"),
    ],
)
def test_a_backbone_that_breaks_its_contract_is_named(stage: Stage, fault: str, words: str) -> None:
    result = stage.render(chain(2), fault={"p1": fault}, policy="none")
    assert list(result.failures) == ["1.1"]
    (event,) = stage.of(ShotFailed)
    assert event.error.startswith("shot 1.1: ")
    assert "\n" not in event.error
    with pytest.raises(ShotError, match=words):
        result.check()
    assert [e.shot for e in stage.of(ShotFinished)] == ["1.2"]
    check_tidy(stage.folder())


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("raise", "RuntimeError: selector out of memory"),
        ("range", r"the selector returned frames \[5\]; must ascend within 0..4"),
        ("order", r"the selector returned frames \[3, 2\]; must ascend"),
    ],
)
def test_failing_to_choose_keyframes_keeps_the_clip(stage: Stage, fault: str, words: str) -> None:
    result = stage.render(chain(2), selector={"name": "every", "fault": fault})
    assert stage.made() == ["p1"]
    with pytest.raises(ShotError, match=rf"shot 1\.1: choosing keyframes failed: {words}"):
        result.check()
    with stage.store() as store:
        assert [take.shot for take in store.takes()] == ["1.1"]
    check_tidy(stage.folder())

    stage.render(chain(2), selector="every").check()
    assert stage.made() == ["p2"], "the clip of shot 1 is there, only its keyframes were missing"
    stage.render(chain(2), run="undisturbed", selector="every")
    assert published(stage.folder()) == published(stage.folder("undisturbed"))


class Grasping(MemoryPolicy):
    """Recalls what it must not, or admits what nobody proposed; ``how`` says which."""

    how = "more"

    def recall(self, shot: BoardShot, view: MemoryView, budget: int) -> list[Keyframe]:
        everything = list(view)
        if self.how == "twice" and everything:
            return [everything[0]] * 2
        return everything if self.how == "more" else everything[:budget]

    def admit(self, shot: BoardShot, candidates: Any, view: MemoryView) -> Any:
        if self.how == "admit":
            return [*candidates, candidates[0]]
        return candidates


@pytest.mark.parametrize(
    ("how", "words", "failed"),
    [
        ("more", r"policy Grasping: recalled 5 keyframes \(5 different\) for shot 1.2, budget 2", "1.2"),
        ("twice", r"policy Grasping: recalled 2 keyframes \(1 different\) for shot 1.2", "1.2"),
        ("admit", "policy Grasping: admit returned keyframes that were not candidates", "1.1"),
    ],
)
def test_a_policy_that_breaks_its_contract_is_named(stage: Stage, how: str, words: str, failed: str) -> None:
    policy = Grasping()
    policy.how = how
    result = stage.render(chain(2), policy=policy, budget=2, selector={"name": "every", "step": 1})
    assert list(result.failures) == [failed]
    with pytest.raises(ShotError, match=words):
        result.check()


# -- hanging ----------------------------------------------------------------------------------------------


@pytest.fixture
def let_go() -> Iterator[None]:
    """Release backbones that hang in threads of this process when the test is over."""
    before = set(threading.enumerate())
    yield
    tiny_module().LET_GO.set()
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
    tiny_module().LET_GO.clear()


@pytest.mark.usefixtures("let_go")
def test_a_backbone_that_hangs_in_a_thread_is_given_up(stage: Stage) -> None:
    result = stage.render(BRANCHES, fault={"a": "hang"}, shot_timeout=0.3, **ALONE)
    assert result.failures["1.1"] == "shot 1.1: gave up after 0.3 s (shot_timeout)"
    assert "the backbone hangs (shot 1.1: gave up" in result.failures["2.1"]
    assert "executor=process" in result.failures["2.1"]
    assert result.made == 0


@pytest.mark.usefixtures("let_go")
def test_shots_that_wait_for_a_hanging_one_are_given_up_too(stage: Stage) -> None:
    script = story(["a"], ["b"], ["c"])
    result = stage.render(script, workers=3, concurrent=False, fault={"a": "hang"}, shot_timeout=0.4, policy="none")
    assert result.failures["1.1"] == "shot 1.1: gave up after 0.4 s (shot_timeout)"
    assert set(result.failures) == {"1.1", "2.1", "3.1"}
    assert stage.made() == []


def test_waiting_for_a_turn_is_not_hanging(stage: Stage) -> None:
    """Shots that share a backbone wait for each other; together they may take longer than one is allowed to."""
    slow = dict.fromkeys("abcd", "slow")
    script = story(["a"], ["b"], ["c"], ["d"])
    stage.render(script, workers=4, concurrent=False, fault=slow, shot_timeout=1.3, policy="none").check()


def test_a_process_that_hangs_is_killed_and_replaced(stage: Stage) -> None:
    result = stage.render(
        BRANCHES, fault={"a": "hang", "e": "die"}, executor="process", workers=2, shot_timeout=15, **ALONE
    )
    assert result.failures == {
        "1.1": "shot 1.1: gave up after 15 s (shot_timeout)",
        "2.2": "shot 2.2: worker process ended with exit code 9 (killed, or out of memory?)",
    }
    assert stage.made() == ["d"]
    assert not multiprocessing.active_children()
    check_tidy(stage.folder())


def test_a_process_that_dies_between_shots_is_replaced(stage: Stage) -> None:
    def watch(event: Event) -> None:
        if isinstance(event, ShotFinished) and event.shot != "1.2":
            for child in multiprocessing.active_children():
                child.kill()
                child.join()

    stage.render(chain(3), on_event=watch, executor="process", policy="none").check()
    assert stage.made() == ["p1", "p2", "p3"]


# -- the disk ---------------------------------------------------------------------------------------------


@contextmanager
def full_disk(limit: int) -> Iterator[None]:
    """Let no file grow beyond ``limit`` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize(
    ("limit", "transition", "words"),
    [
        (30_000, "cut", r"sqlite: cannot be (used|written): "),
        (1_000_000, "cut", r"shot 1\.2: .*master\.mkv: cannot write video: .*File too large"),
        (1_500_000, "cut", r"film\.mp4: cannot join shots: .*File too large"),
        (1_500_000, {"name": "dissolve", "frames": 1}, r"film\.mp4: cannot write film: .*File too large"),
    ],
)
def test_a_full_disk_is_one_line_and_what_is_there_stays(
    stage: Stage, limit: int, transition: object, words: str
) -> None:
    """The limit is on the size of a file: first the database is full, then a master, then the film."""
    script, options = chain(2, cut=False), {"policy": "none", "size": (256, 256), "crf": 0}
    stage.render(script, continuation=transition, **options)
    before = published(stage.folder())
    longer = story(["p1", shot("p2", cut=False, frames=9), *(f"q{i}" for i in range(6))])
    assert stage.folder().joinpath("film.mp4").stat().st_size < 1_000_000
    with full_disk(limit), pytest.raises((MediaError, RunStoreError, ShotError), match=words) as caught:
        stage.render(longer, continuation=transition, **options).check()
    assert "\n" not in str(caught.value)
    stage.made()
    stage.render(script, continuation=transition, **options)
    assert stage.made() == []
    assert published(stage.folder()) == before
    check_tidy(stage.folder())


def test_a_folder_that_cannot_be_made_is_named(stage: Stage) -> None:
    (stage.root / "run").write_text("a file, not a folder")
    with pytest.raises(RunStoreError, match="run: cannot be written: ") as caught:
        stage.render(chain(1))
    assert caught.value.exit_code == 5


@pytest.fixture
def powerless() -> Iterator[Callable[[], None]]:
    """Return what takes root's power to write anywhere; others have none."""
    before = os.geteuid()
    yield lambda: os.seteuid(65534) if before == 0 else None
    os.seteuid(before)


@pytest.mark.parametrize("exists", [False, True])
def test_a_read_only_folder_is_named(stage: Stage, powerless: Callable[[], None], exists: bool) -> None:
    stage.render(chain(1), run="run" if exists else "elsewhere")
    stage.journal.unlink()
    for folder in (stage.root, *stage.root.rglob("*/")):
        folder.chmod(0o555)
    powerless()
    try:
        # The store alone: without root's power the checkout itself may be out of reach.
        with pytest.raises(RunStoreError, match="run: cannot be written: Permission denied"):
            RunStore(stage.root / "run", write=True)
    finally:
        os.seteuid(os.getuid())
        stage.root.chmod(0o755)


def test_a_database_that_is_no_database_is_named(stage: Stage) -> None:
    stage.folder().mkdir()
    (stage.folder() / "run.sqlite").write_bytes(b"not a database, but long enough to be taken for one" * 40)
    with pytest.raises(RunStoreError, match=r"run\.sqlite: cannot be used: file is not a database"):
        stage.render(chain(1))


def test_a_folder_of_a_newer_version_is_refused(stage: Stage) -> None:
    import sqlite3

    stage.render(chain(1))
    before = objects(stage.folder())
    database = sqlite3.connect(stage.folder() / "run.sqlite")
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(RunStoreError, match=r"has schema 99, this version reads \d+; upgrade storymem"):
        stage.render(chain(1))
    assert objects(stage.folder()) == before


def test_a_folder_in_use_by_another_is_refused(stage: Stage) -> None:
    stage.render(chain(1))
    with stage.store(write=True), pytest.raises(RunStoreError, match="is in use by this process: another render"):
        stage.render(chain(1))
    with stage.store(write=True):
        pass  # the refusal left the lock as it was
    assert stage.render(chain(1)).cached == 1


def test_looking_at_what_is_no_run_is_refused(tmp_path: Path) -> None:
    from storymem.store.runstore import RunStore

    with pytest.raises(RunStoreError, match="is not a run folder"):
        RunStore(tmp_path, write=False)


# -- frames -----------------------------------------------------------------------------------------------


@given(
    shape=st.lists(st.integers(0, 3), min_size=0, max_size=5).map(tuple),
    dtype=st.sampled_from([np.uint8, np.int64, np.float32, np.bool_]),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_only_uint8_rgb_arrays_pass_as_frames(shape: tuple[int, ...], dtype: type) -> None:
    frames = np.zeros(shape, dtype)
    good = len(shape) == 4 and shape[-1] == 3 and 0 not in shape and dtype is np.uint8
    if good:
        check_frames(frames, 4, "clip")
        return
    with pytest.raises(MediaError, match=r"^clip: "):
        check_frames(frames, 4, "clip")


def test_a_damaged_file_error_survives_pickling() -> None:
    import pickle

    error = pickle.loads(pickle.dumps(DamagedFile("a.png: gone", "abc")))
    assert (str(error), error.digest) == ("a.png: gone", "abc")
