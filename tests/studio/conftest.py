"""Lets the tests of the studio find what they share, and serves a studio of a finished run over real HTTP."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from studio_support import Client, render_small, served


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Queues are kept in the user's state folder; those of tests are not."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two finished runs that no test changes: ``tale``, and ``strict``, whose filter refuses all."""
    root = tmp_path_factory.mktemp("finished")
    render_small(root / "tale")
    render_small(root / "strict", filters=[{"name": "sharpness", "threshold": 1e9}])
    return root


@pytest.fixture
def client(finished: Path) -> Iterator[Client]:
    """A client of a studio of the finished run."""
    with served(finished) as address, Client(address) as client:
        yield client
