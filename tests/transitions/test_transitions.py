"""The numbers and the blend of the built-in transitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storymem.errors import SettingsError
from storymem.interfaces import Transition
from storymem.plugin import Kind
from storymem.plugin.registry import Owner, Register, Registration
from storymem_plugins.transitions import register as plugin
from storymem_plugins.transitions.builtin import Cut, Dissolve, FirstFrame, Motion


def registrations() -> dict[str, Registration]:
    found: list[Registration] = []
    plugin.storymem_transitions(Register(Kind.TRANSITION, Owner("transitions", "storymem", ""), found.append))
    return {entry.name: entry for entry in found}


def numbers(transition: Transition) -> tuple[int, int, int]:
    return transition.handover, transition.drop, transition.overlap


@pytest.mark.parametrize(
    ("transition", "expected"),
    [(Cut(), (0, 0, 0)), (FirstFrame(), (1, 1, 0)), (Motion(), (5, 5, 0)), (Dissolve(), (0, 0, 8))],
)
def test_default_numbers(transition: Transition, expected: tuple[int, int, int]) -> None:
    assert numbers(transition) == expected


def test_registered_under_their_names_with_a_summary() -> None:
    found = registrations()
    assert {name: entry.load() for name, entry in found.items()} == {
        "cut": Cut, "first_frame": FirstFrame, "motion": Motion, "dissolve": Dissolve,
    }  # fmt: skip
    assert all(entry.summary for entry in found.values())


@pytest.mark.parametrize(("name", "expected"), [("motion", (9, 9, 0)), ("dissolve", (0, 0, 9))])
def test_frames_is_a_setting(name: str, expected: tuple[int, int, int]) -> None:
    built = registrations()[name].build({"frames": 9})
    assert isinstance(built, Transition)
    assert numbers(built) == expected


@pytest.mark.parametrize(
    ("name", "bad"),
    [("motion", {"frames": 0}), ("dissolve", {"frames": 0}), ("dissolve", {"length": 3}), ("cut", {"frames": 1})],
)
def test_bad_settings_are_one_line_that_names_the_key(name: str, bad: dict[str, int]) -> None:
    with pytest.raises(SettingsError, match=f"{name}.*{next(iter(bad))}") as caught:
        registrations()[name].build(bad)
    assert "\n" not in str(caught.value)


def test_other_settings_have_another_fingerprint() -> None:
    found = registrations()
    assert found["dissolve"].build({"frames": 4}).fingerprint() != found["dissolve"].build({}).fingerprint()
    assert found["dissolve"].build({"frames": 8}).fingerprint() == found["dissolve"].build({}).fingerprint()


@settings(max_examples=25, deadline=None)
@given(frames=st.integers(1, 12), seed=st.integers(0, 2**16))
def test_dissolve_goes_from_one_shot_to_the_other(frames: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    tail, head = random.integers(0, 256, (2, frames, 4, 6, 3), dtype=np.uint8)
    blended = Dissolve().blend(tail, head)
    assert blended.shape == tail.shape
    assert blended.dtype == np.uint8
    assert (np.minimum(tail, head) <= blended).all()
    assert (blended <= np.maximum(tail, head)).all()
    steps = Dissolve().blend(np.zeros_like(tail), np.full_like(head, 255))[:, 0, 0, 0].astype(int)
    assert (np.diff(steps) > 0).all()
    # The ends belong to neither shot: a frame that equals its neighbour would be a stutter.
    assert 0 < steps[0] <= 128 <= steps[-1] + 1 <= 255
