"""The conformance kit's contract of backbones, on the animatic."""

from __future__ import annotations

from typing import Any

import pytest

from storymem.interfaces import Backbone, Capabilities
from storymem.testing import BackboneContract
from storymem_backbones.animatic.backbone import Animatic


class TestAnimatic(BackboneContract):
    handover_error = 0.0

    def size(self, capabilities: Capabilities) -> tuple[int, int]:
        return 208, 128  # large enough for the memory strip

    @pytest.fixture
    def backbone(self) -> Backbone[Any]:
        return Animatic()
