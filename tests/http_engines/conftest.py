"""What the tests of engines behind HTTP share."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

# Test modules are imported one by one and have no package; what they share is found here.
sys.path.insert(0, str(Path(__file__).parent))
pytest.importorskip("httpx2", reason="needs the client library: pip install 'storymem[http]'")
