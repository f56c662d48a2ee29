"""Rotary positions for any memory, shift and grid."""

import pytest
import torch
from diffusers.models.transformers.transformer_wan import WanRotaryPosEmbed
from hypothesis import given, settings
from hypothesis import strategies as st

from storymem_backbones.diffusion.errors import ConditioningError
from storymem_backbones.wan import MemoryRotaryPosEmbed, temporal_positions

PATCH = (1, 2, 2)


@given(st.integers(0, 16), st.integers(0, 21), st.integers(1, 20))
def test_positions_follow_the_paper(memory, video, shift):
    positions = temporal_positions(memory, video, shift)
    assert positions[memory:] == list(range(video))
    assert positions[:memory] == [-shift * n for n in range(memory, 0, -1)]


def test_contiguous_is_shift_one_moved():
    assert temporal_positions(3, 4, "contiguous") == [p + 3 for p in temporal_positions(3, 4, 1)]


@pytest.mark.parametrize(("memory", "video", "shift"), [(-1, 3, 5), (1, 3, 0), (2, 3, -5)])
def test_impossible_positions_are_refused(memory, video, shift):
    with pytest.raises(ConditioningError):
        temporal_positions(memory, video, shift)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 9), st.integers(1, 6), st.integers(1, 6), st.sampled_from([24, 32, 128]))
def test_without_memory_it_is_diffusers_own(frames, rows, columns, head_dim):
    latents = torch.zeros(1, 16, frames, 2 * rows, 2 * columns)
    stock = WanRotaryPosEmbed(head_dim, PATCH, 16)(latents)
    ours = MemoryRotaryPosEmbed(head_dim, PATCH)(latents)
    for mine, theirs in zip(ours, stock, strict=True):
        assert mine.shape == (1, frames * rows * columns, 1, head_dim) == theirs.shape
        assert mine.dtype == torch.float32
        torch.testing.assert_close(mine, theirs, atol=1e-6, rtol=0)
        assert torch.equal(mine[..., 0::2], mine[..., 1::2])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 16), st.integers(1, 5), st.integers(1, 7))
def test_memory_changes_only_the_memory_rows(memory, video, shift):
    latents = torch.zeros(1, 16, memory + video, 4, 6)
    rope = MemoryRotaryPosEmbed(24, PATCH, shift=shift)
    rope.memory_frames = memory
    cos, sin = rope(latents)
    alone = MemoryRotaryPosEmbed(24, PATCH)(latents[:, :, memory:])
    assert torch.equal(cos[:, memory * 6 :], alone[0])
    assert torch.equal(sin[:, memory * 6 :], alone[1])


def test_memory_can_change_between_calls_and_has_no_state():
    rope = MemoryRotaryPosEmbed(24, PATCH)
    assert not rope.state_dict()
    latents = torch.zeros(2, 16, 4, 4, 4)
    before = rope(latents)[0]
    rope.memory_frames = 2
    assert not torch.equal(rope(latents)[0], before)
    rope.memory_frames = 0
    assert torch.equal(rope(latents)[0], before)


def test_what_does_not_fit_is_refused():
    rope = MemoryRotaryPosEmbed(24, PATCH)
    rope.memory_frames = 5
    with pytest.raises(ConditioningError, match="5 memory frames but only 4"):
        rope(torch.zeros(1, 16, 4, 4, 4))
    rope.explicit_positions = (0, 1)
    with pytest.raises(ConditioningError, match="2 explicit positions for 4"):
        rope(torch.zeros(1, 16, 4, 4, 4))
