"""Training runs on the processor, whatever the machine has, each test with an accelerator of its own."""

import pytest
from accelerate.state import AcceleratorState


@pytest.fixture(autouse=True)
def _on_the_cpu(monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)
