"""Transformer outputs equal the public implementation's (StoryMem section 3.3)."""

import pytest
import torch

from storymem_backbones.wan import install_memory_rope

TOLERANCE = 5e-5


@pytest.fixture(scope="module")
def model(golden_transformer):
    return golden_transformer()


@pytest.mark.parametrize("memory", [1, 3])
@pytest.mark.parametrize(("shift", "wanted"), [(1, "out_S1"), (5, "out_S5"), ("contiguous", "out_original_release")])
def test_memory_shift(model, golden_inputs, transformer_golden, memory, shift, wanted):
    rope = install_memory_rope(model, shift)
    rope.memory_frames, rope.explicit_positions = memory, None
    out = model(**golden_inputs(f"M{memory}")).sample[0]
    torch.testing.assert_close(out, transformer_golden.tensor(f"M{memory}/{wanted}"), atol=TOLERANCE, rtol=0)


def test_explicit_positions(model, golden_inputs, transformer_golden):
    rope = install_memory_rope(model)
    rope.explicit_positions = tuple(int(p) for p in transformer_golden.array("M3/positions"))
    out = model(**golden_inputs("M3")).sample[0]
    torch.testing.assert_close(out, transformer_golden.tensor("M3/out_positions"), atol=TOLERANCE, rtol=0)


def test_the_shift_matters(model, golden_inputs, transformer_golden):
    difference = transformer_golden.tensor("M3/out_S1") - transformer_golden.tensor("M3/out_S5")
    assert difference.abs().max() > 0.1
    rope = install_memory_rope(model, 1)
    rope.memory_frames, rope.explicit_positions = 3, None
    out = model(**golden_inputs("M3")).sample[0]
    assert (out - transformer_golden.tensor("M3/out_S5")).abs().max() > 0.1


def test_batch_of_two_equals_two_runs(model, golden_inputs):
    rope = install_memory_rope(model, 5)
    rope.memory_frames, rope.explicit_positions = 3, None
    one = golden_inputs("M3")
    other = {k: v.flip(-1) if v.is_floating_point() else v + 100 for k, v in one.items()}
    both = {k: torch.cat([one[k], other[k]]) for k in one}
    separate = torch.cat([model(**one).sample, model(**other).sample])
    torch.testing.assert_close(model(**both).sample, separate, atol=1e-5, rtol=1e-5)
