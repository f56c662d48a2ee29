"""LoRA outputs equal the public implementation's; the no-rslora trap does not."""

import pytest
import torch

from storymem_backbones.wan import install_memory_rope, load_m2v_lora, merge_loras
from storymem_backbones.wan.lora_file import parse_lora

TOLERANCE = 1e-4


@pytest.fixture
def model(golden_transformer):
    model = golden_transformer()
    install_memory_rope(model, "contiguous").memory_frames = 3
    return model


@pytest.fixture
def run(golden_inputs):
    return lambda model: model(**golden_inputs("M3")).sample[0]


def test_unmerged(model, run, lora_golden):
    report = load_m2v_lora(model, parse_lora(lora_golden.tensors("lora/"), {}, alpha=8, rslora=True))
    assert (report.layers, report.rank, report.scale) == (20, 8, pytest.approx(8**0.5))
    wanted = lora_golden.tensor("out_lora_original_release")
    torch.testing.assert_close(run(model), wanted, atol=TOLERANCE, rtol=0)


def test_merged(model, run, lora_golden):
    load_m2v_lora(model, parse_lora(lora_golden.tensors("lora/"), {}, alpha=8, rslora=True))
    merge_loras(model)
    assert not getattr(model, "peft_config", {})
    assert not any("lora" in name for name, _ in model.named_parameters())
    wanted = lora_golden.tensor("out_merged_original_release")
    torch.testing.assert_close(run(model), wanted, atol=TOLERANCE, rtol=0)


def test_without_rslora_is_the_recorded_wrong_answer(model, run, lora_golden):
    load_m2v_lora(model, parse_lora(lora_golden.tensors("lora/"), {}, alpha=8, rslora=False))
    out = run(model)
    torch.testing.assert_close(out, lora_golden.tensor("out_wrong_no_rslora"), atol=TOLERANCE, rtol=0)
    assert (out - lora_golden.tensor("out_lora_original_release")).abs().max() > 100 * TOLERANCE
