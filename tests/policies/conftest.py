"""A small story with keyframes for the policy tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from storymem.interfaces import Keyframe
from storymem.values.keyframe import REFERENCE_POSITION
from storymem.values.script import Entity, Scene, Shot, StoryScript
from storymem.values.storyboard import Storyboard

MakeBoard = Callable[..., Storyboard]
MakeKeyframe = Callable[..., Keyframe]


@pytest.fixture
def make_board() -> MakeBoard:
    """Make a story of shots given as letters of their entities; a leading + continues the shot before."""

    def make(*shots: str, overview: str = "") -> Storyboard:
        ids = sorted({letter for letters in shots for letter in letters.lstrip("+")})
        listed = tuple(
            Shot(prompt=f"prompt {k}", entities=tuple(s.lstrip("+")), cut=not s.startswith("+"))
            for k, s in enumerate(shots)
        )
        entities = tuple(Entity(id=i) for i in ids)
        return Storyboard(StoryScript(title="t", overview=overview, entities=entities, scenes=(Scene(shots=listed),)))

    return make


@pytest.fixture
def make_keyframe() -> MakeKeyframe:
    """Make a keyframe of a shot, named ``position.frame``; position -1 is a reference image."""

    def make(
        board: Storyboard, position: int, frame: int = 0, score: float = 0.0, shows: Sequence[str] | None = None
    ) -> Keyframe:
        shot = f"ref:{''.join(shows or ())}" if position == REFERENCE_POSITION else board.shots[position].id
        entities = tuple(shows) if shows is not None else board.shots[position].entities
        name = f"{position}.{frame}"
        return Keyframe(name, shot, position, frame, entities, {"sharpness": score})

    return make
