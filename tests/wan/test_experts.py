"""Experts from single files: the same numbers as the folder's, or quantized and close."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from storymem.errors import SettingsError
from storymem.testing import shot_request
from storymem_backbones.diffusion.errors import WeightsError
from storymem_backbones.diffusion.fp8 import quantize_blocks
from storymem_backbones.wan import add_m2v_lora, merge_loras
from storymem_backbones.wan.backbone import WanBackbone
from storymem_backbones.wan.errors import LoraError
from storymem_backbones.wan.experts import load_expert
from storymem_backbones.wan.lora_keys import public_module
from storymem_backbones.wan.settings import ExpertFiles, WanSettings

ENDS = {
    "condition_embedder.time_embedder.linear_1": "time_embedding.0",
    "condition_embedder.time_embedder.linear_2": "time_embedding.2",
    "condition_embedder.text_embedder.linear_1": "text_embedding.0",
    "condition_embedder.text_embedder.linear_2": "text_embedding.2",
    "condition_embedder.time_proj": "time_projection.1",
    "proj_out": "head.head",
    "patch_embedding": "patch_embedding",
}


def original_name(name: str) -> str:
    """The original Wan name of a diffusers tensor."""
    if name == "scale_shift_table":
        return "head.modulation"
    if name.endswith("scale_shift_table"):
        return name.replace("scale_shift_table", "modulation")
    module, _, leaf = name.rpartition(".")
    if module in ENDS:
        return f"{ENDS[module]}.{leaf}"
    for attention, ours in (("attn1", "self_attn"), ("attn2", "cross_attn")):
        module = module.replace(f"{attention}.norm", f"{ours}.norm")
    return f"{public_module(module.replace('norm2', 'norm3'))}.{leaf}"


@pytest.fixture(scope="module")
def states(tiny_folder):
    return [
        load_file(tiny_folder / part / "diffusion_pytorch_model.safetensors")
        for part in ("transformer", "transformer_2")
    ]


def write_files(states, folder, rename=lambda n: n):
    paths = [folder / f"{side}.safetensors" for side in ("high", "low")]
    for state, path in zip(states, paths, strict=True):
        save_file({rename(name): tensor for name, tensor in state.items()}, path)
    return paths


def frames(folder, **settings):
    backbone = WanBackbone(WanSettings(weights=str(folder), profile="cpu", steps=2, **settings))
    return backbone.generate(shot_request("a fox", (32, 32), 5, 1, negative_prompt="fog"), lambda *_: None).frames


@pytest.mark.parametrize("rename", [lambda n: n, original_name], ids=["diffusers", "original"])
def test_single_files_equal_the_folder(tiny_folder, states, tmp_path, rename):
    high, low = write_files(states, tmp_path, rename)
    wanted = frames(tiny_folder)
    assert np.array_equal(frames(tiny_folder, expert_files=ExpertFiles(high=high, low=low)), wanted)
    swapped = frames(tiny_folder, expert_files=ExpertFiles(high=low, low=high))
    assert not np.array_equal(swapped, wanted)


def test_what_must_stay_float32_does(tiny_folder, states, tmp_path):
    high, _ = write_files(states, tmp_path)
    expert = load_expert(high, tiny_folder, "transformer", torch.bfloat16)
    assert expert.blocks[0].attn1.to_q.weight.dtype == torch.bfloat16
    assert torch.equal(expert.blocks[0].scale_shift_table, states[0]["blocks.0.scale_shift_table"])


def test_gguf_is_close(tiny_folder, tmp_path):
    gguf = pytest.importorskip("gguf")
    from diffusers import WanTransformer3DModel

    folder = tmp_path / "wide"
    torch.manual_seed(0)
    expert = WanTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=32,
        in_channels=36,
        out_channels=16,
        text_dim=32,
        ffn_dim=64,
        num_layers=1,
    )
    expert.save_pretrained(folder / "transformer")
    path = tmp_path / "high.gguf"
    writer = gguf.GGUFWriter(path, "wan")
    for name, tensor in expert.state_dict().items():
        quantize = tensor.ndim == 2 and "blocks" in name
        kind = gguf.GGMLQuantizationType.Q8_0 if quantize else gguf.GGMLQuantizationType.F32
        writer.add_tensor(original_name(name), gguf.quants.quantize(tensor.numpy(), kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    loaded = load_expert(path, folder, "transformer", torch.float32)
    with pytest.raises(SettingsError, match="quantized already"):
        quantize_blocks(loaded, activations=False)
    inputs = (torch.randn(1, 36, 2, 4, 4), torch.tensor([500]), torch.randn(1, 4, 32))
    with torch.no_grad():
        made, wanted = loaded(*inputs).sample, expert(*inputs).sample
    error = ((made - wanted).square().mean() / wanted.square().mean()).sqrt()
    assert 0 < error < 0.02
    for parameter in add_m2v_lora(loaded, rank=4, alpha=4):
        torch.nn.init.normal_(parameter, std=0.3)
    with torch.no_grad():
        assert not torch.equal(loaded(*inputs).sample, made)
    with pytest.raises(LoraError, match="quantized"):
        merge_loras(loaded)


def test_the_fingerprint_follows_the_files(tiny_folder, states, tmp_path):
    high, low = write_files(states, tmp_path)

    def fingerprint(**settings):
        return WanBackbone(WanSettings(weights=str(tiny_folder), profile="cpu", **settings)).fingerprint()

    found = {
        fingerprint(),
        fingerprint(expert_files=ExpertFiles(high=high, low=low)),
        fingerprint(expert_files=ExpertFiles(high=low, low=high)),
    }
    assert len(found) == 3
    with pytest.raises(WeightsError, match=r"expert_files: .* does not exist"):
        fingerprint(expert_files=ExpertFiles(high=tmp_path / "absent.gguf", low=low))


def test_wrong_files_are_refused_by_name(tiny_folder, states, tmp_path):
    high, low = write_files(states, tmp_path)
    with pytest.raises(WeightsError, match=r"absent\.gguf: no such file"):
        load_expert(tmp_path / "absent.gguf", tiny_folder, "transformer", torch.float32)
    with pytest.raises(SettingsError, match="this model has 2 expert") as caught:
        frames(tiny_folder, expert_files=ExpertFiles(high=high))
    assert "1 file(s) were given" in str(caught.value)
    state = dict(states[0])
    del state["proj_out.bias"]
    save_file(state, low)
    with pytest.raises(WeightsError, match=r"low\.safetensors: lacks proj_out\.bias; is it"):
        load_expert(low, tiny_folder, "transformer", torch.float32)
    save_file({**states[0], "proj_out.bias": torch.zeros(3)}, low)
    with pytest.raises(WeightsError, match=r"not this model's expert .*size mismatch"):
        load_expert(low, tiny_folder, "transformer", torch.float32)
    for suffix in ("gguf", "safetensors"):
        path = tmp_path / f"broken.{suffix}"
        path.write_bytes(b"nothing")
        with pytest.raises(WeightsError, match="not this model's expert"):
            load_expert(path, tiny_folder, "transformer", torch.float32)
