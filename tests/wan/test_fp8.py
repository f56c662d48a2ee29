"""float8 layers: close to the layers they replace, and closer than casting without scales."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from storymem_backbones.diffusion.fp8 import FORMAT, Fp8Linear, quantize_rows


def rms(a, b):
    return float(((a - b).square().mean() / b.square().mean()).sqrt())


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 5), st.floats(-6, 4), st.integers(0, 99))
def test_rows_come_back_within_float8_precision(rows, magnitude, seed):
    x = torch.randn(rows, 32, generator=torch.Generator().manual_seed(seed)) * 10**magnitude
    quantized, scale = quantize_rows(x)
    assert quantized.dtype == FORMAT
    assert scale.shape == (rows, 1)
    assert ((quantized.float() * scale - x).abs() <= x.abs() / 16 + scale / 512).all()


def test_a_row_of_zeros_stays_zero():
    quantized, scale = quantize_rows(torch.zeros(2, 16))
    assert not (quantized.float() * scale).any()


@pytest.mark.parametrize(("activations", "error"), [(False, 0.03), (True, 0.05)])
@pytest.mark.parametrize("bias", [True, False])
def test_a_layer_is_close_to_the_one_it_replaces(activations, error, bias):
    torch.manual_seed(0)
    linear = nn.Linear(64, 48, bias=bias).requires_grad_(False)
    linear.weight *= 0.02
    x = torch.randn(2, 5, 64)
    made = Fp8Linear(linear, activations=activations)(x)
    assert made.shape == (2, 5, 48)
    assert 0 < rms(made, linear(x)) < error


def test_scales_beat_a_plain_cast_on_small_weights():
    torch.manual_seed(0)
    linear = nn.Linear(256, 64, bias=False).requires_grad_(False)
    linear.weight.normal_(0, 0.01)
    x = torch.randn(8, 256)
    scaled = rms(Fp8Linear(linear, activations=False)(x), linear(x))
    cast = rms(x @ linear.weight.to(FORMAT).float().T, linear(x))
    assert scaled < 0.6 * cast


def test_bfloat16_in_bfloat16_out():
    linear = nn.Linear(32, 16).bfloat16().requires_grad_(False)
    layer = Fp8Linear(linear, activations=False)
    assert layer(torch.randn(3, 32).bfloat16()).dtype == torch.bfloat16
    assert layer.weight.element_size() == 1
