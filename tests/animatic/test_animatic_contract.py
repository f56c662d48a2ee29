"""The animatic obeys the contract of a video backbone."""

from __future__ import annotations

import multiprocessing
import operator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storymem.errors import Cancelled, SettingsError, StoryMemError
from storymem.interfaces import Keyframe, Mode, ShotRequest, Subject
from storymem.plugin import Kind
from storymem.plugin.registry import Owner, Register, Registration
from storymem.testing import handover_of, shot_request
from storymem.values.clip import Clip, Frames
from storymem_backbones.animatic import register as plugin
from storymem_backbones.animatic.backbone import Animatic
from storymem_backbones.animatic.settings import AnimaticSettings

MEADOW = "Wide shot of Anna and her dog walking through a sunny meadow. Slow pan right."


def request(prompt: str = MEADOW, frames: int = 9, seed: int = 7, **changes: Any) -> ShotRequest:
    size = (changes.pop("width", 208), changes.pop("height", 128))
    return shot_request(prompt, size, frames, seed, **changes)


def generate(wanted: ShotRequest, backbone: Animatic | None = None) -> Clip:
    return (backbone or Animatic()).generate(wanted, lambda step, total: None)


def noise(shape: tuple[int, ...], seed: int) -> Frames:
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)


PROMPTS = st.one_of(
    st.sampled_from([
        MEADOW,
        "Close-up of a cat, startled, in a dim kitchen. Push in.",
        "Bird's-eye view of two children on a beach at sunset.",
        "Over-the-shoulder shot of the old wizard in a castle hall, handheld.",
        "Dutch angle, medium shot: a robot runs through a city at night in the rain.",
        "Extreme wide shot of an astronaut on the moon surface.",
        "He waits.",
    ]),
    st.text(max_size=60),
)  # fmt: skip
SUBJECTS = st.lists(
    st.builds(
        Subject,
        st.sampled_from(["Mara", "the lantern", "Red Mill", "Bo", "cat", "\u9edb\u7389"]),
        st.sampled_from(["character", "place", "object", "style"]),
        st.sampled_from(["", "young woman with long red hair", "old stone hall", "brass lamp"]),
    ),
    max_size=5,
)


@settings(max_examples=40, deadline=None)
@given(
    prompt=PROMPTS,
    subjects=SUBJECTS,
    size=st.tuples(st.integers(1, 14), st.integers(1, 14)),
    steps=st.integers(0, 3),
    memory=st.integers(0, 9),
    handed=st.integers(0, 5),
    seed=st.integers(0, 2**64 - 1),
)
def test_any_legal_request_gives_its_clip(
    prompt: str,
    subjects: list[Subject],
    size: tuple[int, int],
    steps: int,
    memory: int,
    handed: int,
    seed: int,
) -> None:
    width, height, frames = 16 * size[0], 16 * size[1], 4 * steps + 1
    handed = min(handed, frames)
    wanted = shot_request(
        prompt, (width, height), frames, seed, subjects=tuple(subjects),
        memory=[noise((3 + 11 * i, 40), i) for i in range(memory)],
        handover=noise((handed, height, width), seed % 99) if handed else None,
    )  # fmt: skip
    clip = generate(wanted)
    assert clip.frames.shape == (frames, height, width, 3)
    assert clip.frames.dtype == np.uint8
    assert clip.fps == Animatic().capabilities().fps
    if wanted.handover_frames is not None:
        np.testing.assert_array_equal(clip.frames[:handed], wanted.handover_frames)


def test_capabilities_are_those_of_the_video_model() -> None:
    known = Animatic().capabilities()
    assert known.modes == frozenset(Mode)
    assert (known.size, known.size_multiple) == ((832, 480), 16)
    assert (known.frames, known.frame_step, known.fps) == (81, 4, 16)
    assert known.concurrent


def test_registered_without_importing_its_drawing_code() -> None:
    found: list[Registration] = []
    plugin.storymem_backbones(Register(Kind.BACKBONE, Owner("animatic", "storymem", ""), found.append))
    assert [(entry.name, entry.target) for entry in found] == [
        ("animatic", "storymem_backbones.animatic.backbone:Animatic")
    ]
    assert isinstance(found[0].build({"captions": False}), Animatic)


# The same request, the same bytes


def _hash(wanted: ShotRequest) -> str:
    return generate(wanted).content_hash()


def _requests() -> list[ShotRequest]:
    still = noise((60, 90), 5)
    return [
        request(),
        request("Close-up of Mira smiling at the beach at sunset. Push in.", memory=(still,), seed=2),
        request("Medium shot of a robot in a workshop, handheld.", handover=noise((5, 128, 208), 3), seed=3),
        request("Wide shot of a fox in a snowy forest at night, snow falls.", width=128, height=208, seed=4),
    ]


def test_threads_share_one_backbone_and_change_nothing() -> None:
    backbone, wanted = Animatic(), _requests() * 2
    alone = [generate(one, backbone).content_hash() for one in wanted]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda one: generate(one, backbone).content_hash(), wanted))
    assert together == alone


def test_another_process_makes_the_same_bytes() -> None:
    wanted = _requests()
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        # Only importable things travel to a spawned process; any function of two numbers can be the progress.
        sent = [pool.submit(Animatic().generate, one, operator.add) for one in wanted]
        elsewhere = [future.result().content_hash() for future in sent]
    assert elsewhere == [generate(one).content_hash() for one in wanted]


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 8},
        {"prompt": "Close-up of Anna."},
        {"memory": (noise((30, 40), 1),)},
        {"subjects": (Subject("Bo", "character"),)},
        {"options": {"move_strength": 2.0}},
        {"options": {"captions": False}},
    ],
)
def test_what_the_request_says_is_seen(change: dict[str, Any]) -> None:
    assert _hash(request(**change)) != _hash(request())


@pytest.mark.parametrize("change", [{"grain": 0.6}, {"slate": False}, {"ease_frames": 2}, {"move_strength": 0.5}])
def test_every_setting_changes_picture_and_fingerprint(change: dict[str, Any]) -> None:
    plain, changed = Animatic(), Animatic(AnimaticSettings(**change))
    wanted = request(frames=17, handover=noise((1, 128, 208), 2))
    assert generate(wanted, changed).content_hash() != generate(wanted, plain).content_hash()
    assert changed.fingerprint() != plain.fingerprint()


def test_a_named_entity_keeps_its_colours_in_every_shot() -> None:
    plain = Animatic(AnimaticSettings(captions=False, slate=False, memory_strip=False, move_strength=0))
    anna = (Subject("Anna", "character", "woman in a red coat"),)

    def reds(prompt: str) -> float:
        frame = generate(request(prompt, subjects=anna, frames=1), plain).frames[0].astype(int)
        return float(((frame[..., 0] > 120) & (frame[..., 0] > 1.7 * frame[..., 1])).mean())

    assert reds("Medium shot of Anna in a meadow.") > 0.03
    assert reds("Medium-wide shot of Anna in a forest.") > 0.01


# Continuity


def test_continues_from_the_handed_over_picture_without_a_jump() -> None:
    before = generate(request(frames=17)).frames
    wanted = request("Medium shot of Anna, smiling, in the meadow.", frames=33, handover=before[-5:], seed=9)
    clip = generate(wanted).frames
    np.testing.assert_array_equal(clip[:5], before[-5:])
    change = np.abs(np.diff(clip.astype(np.int16), axis=0)).mean(axis=(1, 2, 3))
    cut = float(np.abs(clip[-1].astype(np.int16) - before[-1]).mean())
    assert change.max() < cut / 3
    assert change[4] < 2.5 * change[3] + 2.0


def test_the_new_drawing_has_taken_over_after_the_ease() -> None:
    wanted = request("Medium shot of Anna in the meadow.", frames=33)
    black = np.zeros((1, 128, 208, 3), np.uint8)
    continued = generate(replace(wanted, handover=handover_of(black)), Animatic(AnimaticSettings(ease_frames=6))).frames
    brightness = continued.mean(axis=(1, 2, 3))
    assert (np.diff(brightness[:8]) > 0).all()
    assert brightness[7] > 0.97 * brightness[20]


def test_a_shot_that_is_all_handed_over_is_just_that() -> None:
    handed = noise((5, 128, 208), 1)
    np.testing.assert_array_equal(generate(request(frames=5, handover=handed)).frames, handed)


# Camera


@pytest.mark.parametrize(("move", "moves"), [("Static camera.", False), ("Pan left.", True), ("Push in.", True)])
def test_the_camera_moves_only_when_it_should(move: str, moves: bool) -> None:
    frames = generate(request(f"Wide shot of a meadow. {move}")).frames
    assert bool((frames[0] != frames[-1]).any()) is moves


def test_no_strength_means_no_move() -> None:
    frames = generate(request("Wide shot of a meadow. Pan left.", options={"move_strength": 0.0})).frames
    assert (frames == frames[0]).all()


@pytest.mark.parametrize("alive", ["Anna walks through a meadow.", "Rain falls on a meadow.", "Snow falls on a hill."])
def test_steps_and_weather_go_on_before_a_static_camera(alive: str) -> None:
    frames = generate(request(f"Wide shot. {alive} Static camera.")).frames
    assert (frames[2] != frames[3]).any()


def test_a_shot_that_names_no_place_stays_in_the_colours_of_the_memory() -> None:
    def tint(red: int, green: int) -> float:
        memory = (np.full((48, 80, 3), (red, green, 60), np.uint8),)
        frame = generate(request("Close-up. She waits.", memory=memory, frames=1)).frames[0].astype(float)
        return float(frame[40:80, :30, 0].mean() - frame[40:80, :30, 1].mean())

    assert tint(200, 60) > tint(60, 200) + 40


# Progress, cancelling, errors


def test_progress_counts_up_to_the_number_of_frames() -> None:
    steps: list[tuple[int, int]] = []
    Animatic().generate(request(frames=33), lambda step, total: steps.append((step, total)))
    assert [total for _, total in steps] == [33] * len(steps)
    assert sorted(steps) == steps
    assert steps[-1] == (33, 33)
    assert len(steps) >= 5


def test_cancelling_goes_through() -> None:
    def stop(step: int, total: int) -> None:
        if step > 8:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled, match="stopped"):
        Animatic().generate(request(frames=33), stop)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"width": 200}, "nearest is 192x128"),
        ({"frames": 8}, "nearest is 9"),
        ({"frames": 0}, "4n\\+1"),
        ({"width": 16384}, "too large"),
        ({"seed": -1}, "seed -1"),
        ({"memory": (noise((4, 4), 0),) * 65}, "at most 64"),
        ({"handover": noise((1, 64, 64), 0)}, "64x64 but the shot is 208x128"),
        ({"handover": noise((13, 128, 208), 0)}, "13 frames were handed over to a shot of 9"),
        ({"options": {"colour": 1}}, "cannot change 'colour'"),
        ({"options": {"font": "x.ttf"}}, "cannot change 'font'"),
        ({"options": {"move_strength": 7}}, "move_strength"),
    ],
)
def test_wrong_requests_are_one_line_errors(change: dict[str, Any], says: str) -> None:
    with pytest.raises(StoryMemError, match=says) as caught:
        generate(request(**change))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("pixels", "says"),
    [
        (np.zeros((4, 4, 3)), "memory keyframe 0.*uint8"),
        (np.full((4, 4, 3), np.nan), "NaN"),
        (np.zeros((0, 4, 3), np.uint8), "empty"),
    ],
)
def test_a_keyframe_that_is_no_picture_is_named(pixels: Any, says: str) -> None:
    """Checked here as well: a keyframe's pixels come from a file, or from a program that uses the backbone alone."""
    broken = Keyframe("0" * 64, "1.1", 0, 0, pixels=pixels)
    with pytest.raises(StoryMemError, match=says) as caught:
        generate(replace(request(), memory=(broken,)))
    assert "\n" not in str(caught.value)


def test_a_missing_font_names_the_file() -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.ttf"):
        generate(request(), Animatic(AnimaticSettings(font="nowhere.ttf")))
