"""Training runs on the processor, whatever the machine has, each test with an accelerator of its own."""

import sys
from pathlib import Path

import pytest
from accelerate.state import AcceleratorState

# Test modules are imported one by one and have no package; what they share is found here.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def _on_the_cpu(monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)
