"""The conformance kit's contract of transitions, on the built-in ones."""

from __future__ import annotations

from typing import Any

import pytest

from storymem.interfaces import Transition
from storymem.testing import TransitionContract
from storymem_plugins.transitions.builtin import Cut, Dissolve, DissolveSettings, FirstFrame, Motion


class TestCut(TransitionContract):
    @pytest.fixture
    def transition(self) -> Transition[Any]:
        return Cut()


class TestFirstFrame(TransitionContract):
    @pytest.fixture
    def transition(self) -> Transition[Any]:
        return FirstFrame()


class TestMotion(TransitionContract):
    @pytest.fixture
    def transition(self) -> Transition[Any]:
        return Motion()


class TestDissolve(TransitionContract):
    @pytest.fixture
    def transition(self) -> Transition[Any]:
        return Dissolve(DissolveSettings(frames=5))
