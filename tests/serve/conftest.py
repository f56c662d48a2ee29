"""A server of ours, as users start it: ``storymem serve`` in a process of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

# Test modules are imported one by one and have no package; what they share is found here.
sys.path.insert(0, str(Path(__file__).parent))
for _module in ("starlette", "uvicorn", "python_multipart", "httpx2"):
    pytest.importorskip(_module, reason="needs the server: pip install 'storymem[serve]'")

if TYPE_CHECKING:
    from serve_support import Served


@pytest.fixture(scope="session")
def animatic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The animatic backbone behind a server that all tests share: none leaves it busy."""
    from serve_support import Served

    with closing(Served(tmp_path_factory.mktemp("served"), "--backbone", "animatic", "--queue", "50")) as served:
        yield served
