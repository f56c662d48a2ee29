import random
from dataclasses import replace

import pytest
import torch

from storymem_storyworld.draw.render import render
from storymem_storyworld.world.sample import sample_look, sample_spec
from storymem_storyworld.world.spec import (
    HATS,
    KINDS,
    MOTIONS,
    PATTERNS,
    PLACES,
    PROPS,
    Actor,
    ClipSpec,
    Look,
    Prop,
    Setting,
    actor_x,
    camera_x,
    continue_clip,
)

_LOOK = Look("fox", (0.9, 0.5, 0.2), (0.2, 0.4, 0.8))


def _spec(**changes: object) -> ClipSpec:
    spec = ClipSpec(Setting("meadow"), (Actor(_LOOK),))
    return replace(spec, **changes)


def _differences(specs: list[ClipSpec], frames: int = 1) -> list[float]:
    """Mean absolute difference of every clip from the plain one."""
    clips = render([_spec(), *specs], frames=frames, height=24, width=40)
    return (clips[1:] - clips[:1]).abs().mean(dim=(1, 2, 3, 4)).tolist()


def test_pictures_have_the_stated_shape_and_range() -> None:
    pictures = render([sample_spec(random.Random(0))], frames=3, height=24, width=40)
    assert pictures.shape == (1, 3, 3, 24, 40)
    assert pictures.dtype == torch.float32
    assert float(pictures.min()) >= -1
    assert float(pictures.max()) <= 1


def test_the_same_seed_gives_the_same_pictures() -> None:
    first, second = (render([sample_spec(random.Random(3))], frames=2, height=24, width=40) for _ in range(2))
    assert torch.equal(first, second)


def test_a_batch_equals_its_clips_drawn_one_by_one() -> None:
    rng = random.Random(5)
    specs = [sample_spec(rng) for _ in range(4)]
    together = render(specs, frames=3, height=24, width=40)
    alone = torch.cat([render([spec], frames=3, height=24, width=40) for spec in specs])
    chunked = render(specs, frames=3, height=24, width=40, chunk=3)
    torch.testing.assert_close(together, alone, atol=2e-4, rtol=0)
    torch.testing.assert_close(together, chunked, atol=2e-4, rtol=0)


def test_a_shot_without_a_cut_begins_with_the_frames_the_last_one_ended_with() -> None:
    rng = random.Random(1)
    overlaps = (1, 5, 3)
    first = [sample_spec(rng) for _ in overlaps]
    second = [_go_on(rng, spec, overlap) for spec, overlap in zip(first, overlaps, strict=True)]
    third = [_go_on(rng, spec, 1) for spec in second]
    a, b, c = render([*first, *second, *third], height=24, width=40).split(3)
    for index, overlap in enumerate(overlaps):
        torch.testing.assert_close(a[index, -overlap:], b[index, :overlap], atol=2e-3, rtol=0)
    torch.testing.assert_close(b[:, -1:], c[:, :1], atol=2e-3, rtol=0)


def _go_on(rng: random.Random, spec: ClipSpec, overlap: int) -> ClipSpec:
    motions = [rng.choice(MOTIONS) for _ in spec.actors]
    return continue_clip(spec, motions, rng.choice(("static", "left")), overlap)


def test_a_motion_that_goes_on_shows_no_seam() -> None:
    walk = _spec(actors=(Actor(_LOOK, "walk_right", -0.4),), size="wide")
    long = render([walk], frames=33, height=24, width=40)
    parts = render([walk, continue_clip(walk, ["walk_right"])], height=24, width=40)
    torch.testing.assert_close(long[0, 16:], parts[1], atol=2e-3, rtol=0)


def test_continuing_needs_a_motion_for_every_actor() -> None:
    with pytest.raises(ValueError, match="2 motions for 1 actors"):
        continue_clip(_spec(), ["wave", "nod"])


def test_continuing_refuses_an_overlap_that_reaches_into_the_blend() -> None:
    with pytest.raises(ValueError, match="overlap 14"):
        continue_clip(_spec(), ["wave"], overlap=14)


def test_every_kind_looks_different_from_the_fox() -> None:
    others = _differences([_spec(actors=(Actor(replace(_LOOK, kind=kind)),)) for kind in KINDS])
    assert [kind for kind, difference in zip(KINDS, others, strict=True) if difference < 0.003] == ["fox"]


def test_every_attribute_of_a_look_can_be_seen() -> None:
    changed = [
        replace(_LOOK, coat=(0.2, 0.8, 0.3)),
        replace(_LOOK, outfit=(0.9, 0.2, 0.3)),
        *(replace(_LOOK, hat=hat) for hat in HATS[1:]),
        replace(_LOOK, scarf=True),
        *(replace(_LOOK, pattern=pattern) for pattern in PATTERNS[1:]),
    ]
    assert min(_differences([_spec(actors=(Actor(look),)) for look in changed])) > 0.001


def test_every_place_time_size_and_prop_looks_different() -> None:
    specs = [_spec(setting=Setting(place), time=time) for place in PLACES for time in ("day", "sunset", "night")]
    specs += [_spec(size=size) for size in ("wide", "close_up")]
    specs += [_spec(props=(Prop(prop, (0.9, 0.2, 0.2), 0.6),)) for prop in PROPS]
    pictures = render(specs, frames=1, height=24, width=40).flatten(1)
    distances = torch.cdist(pictures, pictures) + 100 * torch.eye(len(specs))
    assert float(distances.min()) > 0.5


def test_every_motion_but_standing_and_sitting_moves() -> None:
    clips = render([_spec(actors=(Actor(_LOOK, motion),)) for motion in MOTIONS], frames=4, height=24, width=40)
    moved = (clips[:, 0] - clips[:, 3]).abs().mean(dim=(1, 2, 3))
    assert {motion for motion, much in zip(MOTIONS, moved, strict=True) if much < 0.01} == {"stand", "sit"}


def test_walks_and_pans_move_actor_and_camera() -> None:
    wide = _spec(actors=(Actor(_LOOK, "walk_left"),), size="wide", pan="right")
    close = replace(wide, size="close_up", pan="static")
    assert actor_x(wide, 0, 16) < -0.9
    assert camera_x(wide, 16) > 0.5
    assert -0.9 > camera_x(close, 16) > actor_x(close, 0, 16)


def test_looks_and_places_do_not_depend_on_the_kind() -> None:
    looks = {replace(sample_look(random.Random(1), kind), kind="fox") for kind in KINDS}
    assert len(looks) == 1
