"""Fixtures of the planner tests: a real HTTP server on the loopback whose every answer is scripted."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

# Test modules are imported one by one and have no package; what they share is found here.
sys.path.insert(0, str(Path(__file__).parent))

if TYPE_CHECKING:
    from planning_support import ChatServer


@pytest.fixture
def server() -> Iterator[ChatServer]:
    from planning_support import ChatServer

    chat = ChatServer()
    try:
        yield chat
    finally:
        chat.close()
