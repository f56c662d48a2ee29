"""What the tests of executors share is found beside them and beside the core's tests."""

from __future__ import annotations

import sys
from pathlib import Path

_HERE = Path(__file__).parent
for _folder in (_HERE, _HERE.parent / "core"):
    sys.path.insert(0, str(_folder))
