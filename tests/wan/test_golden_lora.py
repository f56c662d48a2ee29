"""LoRA outputs equal the public implementation's; the no-rslora trap does not."""

import pytest
import torch
from storymem_backbones.wan import install_memory_rope, load_m2v_lora, merge_loras
from storymem_backbones.wan.lora_file import parse_lora
from wan_models import golden_inputs, golden_transformer

TOLERANCE = 1e-4


@pytest.fixture
def model(transformer_golden):
    model = golden_transformer(transformer_golden)
    install_memory_rope(model, "contiguous").memory_frames = 3
    return model


def run(model, transformer_golden):
    return model(**golden_inputs(transformer_golden, "M3")).sample[0]


def test_unmerged(model, transformer_golden, lora_golden):
    report = load_m2v_lora(model, parse_lora(lora_golden.tensors("lora/"), {}, alpha=8, rslora=True))
    assert (report.layers, report.rank, report.scale) == (20, 8, pytest.approx(8**0.5))
    wanted = lora_golden.tensor("out_lora_original_release")
    torch.testing.assert_close(run(model, transformer_golden), wanted, atol=TOLERANCE, rtol=0)


def test_merged(model, transformer_golden, lora_golden):
    load_m2v_lora(model, parse_lora(lora_golden.tensors("lora/"), {}, alpha=8, rslora=True))
    merge_loras(model)
    assert not getattr(model, "peft_config", {})
    assert not any("lora" in name for name, _ in model.named_parameters())
    wanted = lora_golden.tensor("out_merged_original_release")
    torch.testing.assert_close(run(model, transformer_golden), wanted, atol=TOLERANCE, rtol=0)


def test_without_rslora_is_the_recorded_wrong_answer(model, transformer_golden, lora_golden):
    load_m2v_lora(model, parse_lora(lora_golden.tensors("lora/"), {}, alpha=8, rslora=False))
    out = run(model, transformer_golden)
    torch.testing.assert_close(out, lora_golden.tensor("out_wrong_no_rslora"), atol=TOLERANCE, rtol=0)
    assert (out - lora_golden.tensor("out_lora_original_release")).abs().max() > 100 * TOLERANCE
