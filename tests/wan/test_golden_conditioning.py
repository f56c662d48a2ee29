"""Masks, y and the size rule equal the public implementation's."""

import pytest
import torch

from storymem_backbones.wan import build_conditioning, conditioning_mask, m2v_size

CONDITION = {"m2v": None, "mi2v": "y_first_frame", "mm2v": "y_motion_frames"}
WANTED = {"m2v": "y_m2v", "mi2v": "y_mi2v_fixed", "mm2v": "y_mm2v"}


@pytest.mark.parametrize(("mode", "given"), [("m2v", 0), ("mi2v", 1), ("mm2v", 5)])
def test_mask(conditioning_golden, mode, given):
    wanted = conditioning_golden.tensor(f"mask_{mode}_F17_M3")
    assert torch.equal(conditioning_mask(3, 5, given), wanted)


@pytest.mark.parametrize("mode", list(CONDITION))
def test_y(conditioning_golden, golden_vae, mode):
    key = CONDITION[mode]
    condition = None if key is None else conditioning_golden.tensor(key).reshape(1, -1, 3, 48, 80)
    memory = conditioning_golden.tensor("y_memory_pixels")[None]
    y = build_conditioning(golden_vae, frames=17, height=48, width=80, memory=memory, condition=condition)
    torch.testing.assert_close(y[0], conditioning_golden.tensor(WANTED[mode]), atol=1e-5, rtol=1e-5)


def test_size_rule(conditioning_golden):
    for height, width, area, *wanted in conditioning_golden.array("size_rule").tolist():
        assert m2v_size(height, width, area) == tuple(wanted)
