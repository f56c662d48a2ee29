"""Fixtures of the core's tests: the tiny backbone, a place for runs, and a stricter look at threads."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

# Test modules are imported one by one and have no package; what they share is found here.
sys.path.insert(0, str(Path(__file__).parent))

from core_support import Program, Stage


@pytest.fixture(autouse=True)
def no_storymem_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("STORYMEM_")]:
        monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def no_daemon_threads_left() -> Iterator[None]:
    """The engine's threads are daemons, because a backbone may hang; none may stay behind all the same."""
    before = set(threading.enumerate())
    yield
    for thread in threading.enumerate():
        if thread not in before:
            thread.join(5)
            assert not thread.is_alive(), f"the test left thread {thread.name!r} running"


@pytest.fixture
def tmp_path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in memory where there is such a place: every run syncs its files, and these need not last."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path_factory.mktemp("core")
        return
    with tempfile.TemporaryDirectory(dir=memory, prefix="storymem-test-") as folder:
        yield Path(folder)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """A folder for runs of the tiny backbone, with a journal of what it made."""
    return Stage(tmp_path)


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Program:
    """The command line, run inside this process."""
    return Program(monkeypatch, capsys)
