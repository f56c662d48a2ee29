"""The built-in filters that need settings, and selectors with unusual ones, keep the public contracts."""

import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from storymem.interfaces import ClipContext, Keyframe
from storymem.store.objects import file_digest
from storymem.testing.fakes import FakeEncoder
from storymem.testing.filters import FilterContract
from storymem.testing.selector import SelectorContract
from storymem.values.clip import pixel_hash
from storymem.values.files import FileRef
from storymem.values.picture import encode_png
from storymem_plugins.selection.aesthetic import AestheticFilter, AestheticSettings
from storymem_plugins.selection.diverse import DiverseSelector, DiverseSettings
from storymem_plugins.selection.duplicate import DuplicateFilter, DuplicateSettings
from storymem_plugins.selection.hpsv3 import HpsFilter, HpsSettings
from storymem_plugins.selection.scene_change import SceneChangeSelector, SceneChangeSettings
from storymem_plugins.selection.semantic import SemanticSelector, SemanticSettings
from storymem_plugins.selection.uniform import UniformSelector, UniformSettings

PROGRAM = Path(__file__).with_name("scoring_program.py")


@pytest.fixture
def head(tmp_path):
    weight = np.random.default_rng(0).normal(size=(1, FakeEncoder().dimension)).astype(np.float32)
    save_file({"weight": weight, "bias": np.zeros(1, dtype=np.float32)}, tmp_path / "head.safetensors")
    return tmp_path / "head.safetensors"


class TestAestheticByThreshold(FilterContract):
    @pytest.fixture
    def frame_filter(self, head):
        return AestheticFilter(AestheticSettings(head=head, threshold=0))


class TestAestheticByRank(FilterContract):
    by_threshold = False  # of equal scores the earlier frame passes

    @pytest.fixture
    def frame_filter(self, head):
        return AestheticFilter(AestheticSettings(head=head, mode="top_k", top_k=2))


class TestHpsv3(FilterContract):
    @pytest.fixture
    def frame_filter(self, tmp_path):
        command = (sys.executable, "-S", str(PROGRAM), "size", str(tmp_path / "starts"))
        one = HpsFilter(HpsSettings(command=command, threshold=200))
        yield one
        one.close()


class TestDuplicate(FilterContract):
    @pytest.fixture(params=["embedding", "pixels"])
    def frame_filter(self, request, tmp_path):
        frame = np.full((8, 8, 3), 90, dtype=np.uint8)
        path = tmp_path / "memory.png"
        path.write_bytes(encode_png(frame))
        self.memory = [Keyframe(pixel_hash(frame), "1.1", 0, 0, file=FileRef(path, file_digest(path)))]
        return DuplicateFilter(DuplicateSettings(compare=request.param, distance=0.3))

    def context(self, clip):
        return ClipContext(clip, memory=self.memory, encoder=FakeEncoder())


def test_filters_that_hold_something_travel_to_other_processes(head):
    for one in (AestheticFilter(AestheticSettings(head=head)), HpsFilter(HpsSettings(python="python"))):
        assert pickle.loads(pickle.dumps(one)).fingerprint() == one.fingerprint()


SELECTORS = {
    "uniform, many": lambda: UniformSelector(UniformSettings(count=9)),
    "semantic, one": lambda: SemanticSelector(SemanticSettings(count=1)),
    "semantic, every frame": lambda: SemanticSelector(SemanticSettings(count=99, threshold=1)),
    "diverse, every frame": lambda: DiverseSelector(DiverseSettings(count=99, min_distance=0)),
    "scene_change, touchy": lambda: SceneChangeSelector(SceneChangeSettings(threshold=0.01)),
}


class TestSelectorsWithOtherSettings(SelectorContract):
    @pytest.fixture(params=SELECTORS)
    def selector(self, request):
        return SELECTORS[request.param]()
