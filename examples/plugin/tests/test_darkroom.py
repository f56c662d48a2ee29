"""The contracts of storymem's kit, applied to this distribution, and what is particular to it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from storymem.errors import PluginError
from storymem.interfaces import (
    Backbone,
    ClipContext,
    FrameFilter,
    Keyframe,
    MemoryPolicy,
    MemoryView,
)
from storymem.interfaces.backbone import Capabilities
from storymem.plugin import Kind, PluginHost
from storymem.testing import BackboneContract, FilterContract, PolicyContract, shot_request
from storymem.values.clip import Clip
from storymem.values.script import Entity, Scene, Shot, StoryScript
from storymem.values.storyboard import Storyboard

from storymem_darkroom.last_seen import LastSeen
from storymem_darkroom.letterbox import Letterbox
from storymem_darkroom.monochrome import Monochrome, MonochromeSettings


class TestLastSeen(PolicyContract):
    keeps_entities = True

    @pytest.fixture
    def policy(self) -> MemoryPolicy[Any]:
        return LastSeen()


class TestMonochrome(BackboneContract):
    handover_error = 0.0

    @pytest.fixture
    def backbone(self) -> Backbone[Any]:
        return Monochrome()

    def size(self, capabilities: Capabilities) -> tuple[int, int]:
        return 160, 96


class TestLetterbox(FilterContract):
    @pytest.fixture
    def frame_filter(self) -> FrameFilter[Any]:
        return Letterbox()


def test_everything_is_found_by_its_entry_point() -> None:
    host = PluginHost()
    for kind, name in (
        (Kind.MEMORY_POLICY, "last_seen"),
        (Kind.BACKBONE, "monochrome"),
        (Kind.FRAME_FILTER, "letterbox"),
    ):
        assert host.find(kind, name).owner.distribution == "storymem-darkroom"


def test_the_newest_look_wins() -> None:
    shots = tuple(Shot(prompt="x", entities=tuple(letters)) for letters in ("ab", "a", "b", "ab"))
    board = Storyboard(StoryScript(title="t", entities=(Entity(id="a"), Entity(id="b")), scenes=(Scene(shots=shots),)))
    frames = [Keyframe(str(p), board.shots[p].id, p, 0, board.shots[p].entities) for p in range(3)]
    policy = LastSeen()
    assert policy.sees(board, board.shots[3]) == [1, 2]
    assert [k.id for k in policy.recall(board.shots[3], MemoryView(board, frames), 8)] == ["1", "2"]
    assert [k.id for k in policy.recall(board.shots[3], MemoryView(board, frames), 1)] == ["1"]


def test_clips_have_no_colour() -> None:
    request = shot_request("a red kite", (160, 96), 5, seed=1)
    frames = Monochrome().generate(request, lambda step, total: None).frames
    assert np.ptp(frames, axis=-1).max() == 0


def test_the_inner_backbone_is_part_of_the_fingerprint_and_of_the_errors() -> None:
    other = Monochrome(MonochromeSettings.model_validate({"inner": {"name": "animatic", "captions": False}}))
    assert other.fingerprint() != Monochrome().fingerprint()
    with pytest.raises(PluginError, match="did you mean 'animatic'"):
        Monochrome(MonochromeSettings.model_validate({"inner": "animatik"}))


def test_bars_are_seen() -> None:
    frames = np.full((2, 40, 20, 3), 90, dtype=np.uint8)
    frames[1, :8] = frames[1, -8:] = 0
    verdicts = Letterbox().judge([0, 1], ClipContext(Clip(frames, 8)))
    assert [v.keep for v in verdicts] == [True, False]
    assert verdicts[1].score == pytest.approx(0.6)
