"""The backbone keeps the framework's contract, on tiny random weights."""

import pytest

from storymem.testing import BackboneContract
from storymem_backbones.wan.backbone import WanBackbone
from storymem_backbones.wan.settings import WanSettings


@pytest.fixture(scope="module")
def loaded(tiny_folder):
    backbone = WanBackbone(WanSettings(weights=str(tiny_folder), profile="cpu", steps=2))
    yield backbone
    backbone.close()


class TestWanContract(BackboneContract):
    handover_error = None  # random weights repeat nothing

    @pytest.fixture
    def backbone(self, loaded):
        return loaded
