"""Conditioning for any memory, size, frame count and batch."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from storymem_backbones.diffusion.errors import ConditioningError, GeometryError
from storymem_backbones.wan import build_conditioning

SIDES = st.integers(1, 4).map(lambda n: 16 * n)
CLIPS = st.integers(0, 5).map(lambda n: 4 * n + 1)


def pixels(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(sum(shape))) * 2 - 1


@settings(max_examples=30, deadline=None)
@given(
    memory=st.integers(0, 16),
    frames=CLIPS,
    height=SIDES,
    width=SIDES,
    given_frames=st.sampled_from([0, 1, 5]),
    batch=st.integers(1, 2),
)
def test_any_legal_request(golden_vae, memory, frames, height, width, given_frames, batch):
    if given_frames > frames:
        given_frames = 1
    images = pixels(batch, memory, 3, 40, 24)
    condition = pixels(batch, given_frames, 3, height, width)
    y = build_conditioning(golden_vae, frames=frames, height=height, width=width, memory=images, condition=condition)
    steps = (frames - 1) // 4 + 1
    assert y.shape == (batch, 20, memory + steps, height // 8, width // 8)
    mask = y[:, :4, :, 0, 0]
    assert torch.equal(mask, y[:, :4].amax((-1, -2)))
    assert set(mask.unique().tolist()) <= {0.0, 1.0}
    ones = memory + {0: 0, 1: 1, 5: 2}[given_frames]
    assert mask.sum(-1).eq(ones).all()
    assert mask[..., :ones].eq(1).all()


def test_permuting_memory_permutes_only_its_latents(golden_vae):
    images = pixels(1, 4, 3, 32, 48)
    order = [2, 0, 3, 1]
    kwargs = {"frames": 9, "height": 32, "width": 48}
    y = build_conditioning(golden_vae, memory=images, **kwargs)
    permuted = build_conditioning(golden_vae, memory=images[:, order], **kwargs)
    assert torch.equal(permuted[:, :, :4], y[:, :, order])
    assert torch.equal(permuted[:, :, 4:], y[:, :, 4:])


def test_batch_of_two_equals_two_runs(golden_vae):
    images, condition = pixels(2, 3, 3, 40, 40), pixels(2, 5, 3, 32, 32)
    kwargs = {"frames": 9, "height": 32, "width": 32}
    both = build_conditioning(golden_vae, memory=images, condition=condition, **kwargs)
    one = [build_conditioning(golden_vae, memory=images[[n]], condition=condition[[n]], **kwargs) for n in (0, 1)]
    torch.testing.assert_close(both, torch.cat(one))


def test_what_was_encoded_before_gives_the_same(golden_vae):
    images = pixels(1, 2, 3, 32, 32)
    kwargs = {"frames": 9, "height": 32, "width": 32}
    zeros = golden_vae(torch.zeros(1, 3, 9, 32, 32))
    wanted = build_conditioning(golden_vae, memory=images, **kwargs)
    memory = torch.cat([golden_vae(images[:, n, :, None]) for n in (0, 1)], dim=2)
    got = build_conditioning(golden_vae, memory_latents=memory, zero_latents=zeros, **kwargs)
    torch.testing.assert_close(got, wanted)


def test_empty_pixels_are_zero_pixels_and_not_zero_latents(golden_vae):
    y = build_conditioning(golden_vae, frames=9, height=32, width=32)
    assert y.shape == (1, 20, 3, 4, 4)
    assert y[:, 4:].abs().max() > 0


def test_it_is_differentiable(golden_vae):
    images = pixels(1, 2, 3, 32, 32).requires_grad_()
    build_conditioning(golden_vae, memory=images, frames=5, height=32, width=32).sum().backward()
    assert images.grad is not None


def test_contradictions_are_refused(golden_vae):
    images = pixels(1, 2, 3, 32, 32)
    with pytest.raises(ConditioningError, match="both"):
        build_conditioning(golden_vae, memory=images, memory_latents=images, frames=5, height=32, width=32)
    with pytest.raises(ConditioningError, match="batch sizes"):
        build_conditioning(golden_vae, memory=images, condition=pixels(2, 1, 3, 32, 32), frames=5, height=32, width=32)
    with pytest.raises(GeometryError, match="2 handed-over"):
        build_conditioning(golden_vae, condition=images, frames=5, height=32, width=32)
    with pytest.raises(ConditioningError, match="5 condition frames for a clip of 1"):
        build_conditioning(golden_vae, condition=pixels(1, 5, 3, 32, 32), frames=1, height=32, width=32)
