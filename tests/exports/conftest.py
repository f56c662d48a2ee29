"""A finished run with every way of joining shots, and what others read of its exports."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from exports_support import STORY, rendered


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of a small film; tests only read it."""
    return rendered(tmp_path_factory.mktemp("exports") / "run", STORY)
