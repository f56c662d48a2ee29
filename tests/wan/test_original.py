"""The original release, converted, is the same model."""

import itertools
import json

import pytest
import torch
from diffusers.loaders.single_file_utils import convert_wan_transformer_to_diffusers, convert_wan_vae_to_diffusers
from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan
from safetensors.torch import save_file

from storymem_backbones.diffusion.errors import WeightsError
from storymem_backbones.diffusion.quiet import quiet_libraries
from storymem_backbones.wan.original import EXPERTS, TOKENIZER, convert_original
from storymem_backbones.wan.pipeline import WanMemoryPipeline
from storymem_backbones.wan.shot import Sampling, clip_request
from storymem_backbones.wan.tiny_random import byte_tokenizer
from storymem_backbones.wan.weights import inspect_weights

CONFIG = {
    "dim": 24, "eps": 1e-6, "ffn_dim": 32, "freq_dim": 256, "in_dim": 36, "num_heads": 2, "num_layers": 2,
    "out_dim": 16,
}  # fmt: skip


def original_expert(seed):
    """Random tensors under the original names, found by inverting diffusers' converter."""
    attention = [f"{a}.{p}.{w}" for a in ("self_attn", "cross_attn") for p in "qkvo" for w in ("weight", "bias")]
    norms = [f"{a}.norm_{p}.weight" for a in ("self_attn", "cross_attn") for p in "qk"]
    rest = ["modulation", "norm3.weight", "norm3.bias", *(f"ffn.{n}.{w}" for n in (0, 2) for w in ("weight", "bias"))]
    names = [f"blocks.{b}.{name}" for b in range(2) for name in (*attention, *norms, *rest)]
    heads = ("patch_embedding", "text_embedding.0", "text_embedding.2", "time_embedding.0", "time_embedding.2",
             "time_projection.1", "head.head")  # fmt: skip
    names += [f"{name}.{w}" for name in heads for w in ("weight", "bias")] + ["head.modulation"]
    return inverted(names, convert_wan_transformer_to_diffusers, expert_model(), seed)


def expert_model():
    from diffusers.models.transformers.transformer_wan import WanTransformer3DModel

    return WanTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=36,
        out_channels=16,
        text_dim=32,
        ffn_dim=32,
        num_layers=2,
    )


def original_vae():
    residual = [
        "residual.0.gamma",
        *(f"residual.{n}.{w}" for n in (2, 6) for w in ("weight", "bias")),
        "residual.3.gamma",
    ]
    parts = [*residual, "shortcut.weight", "shortcut.bias"]
    parts += [f"{a}.{w}" for a in ("resample.1", "time_conv") for w in ("weight", "bias")]
    names = [
        f"{side}.{n}.{part}"
        for side in ("encoder.downsamples", "decoder.upsamples")
        for n in range(15)
        for part in parts
    ]
    middle = [f"middle.{n}.{part}" for n in (0, 2) for part in residual]
    middle += [
        f"middle.1.{part}"
        for part in ("norm.gamma", *(f"{a}.{w}" for a in ("to_qkv", "proj") for w in ("weight", "bias")))
    ]
    ends = ["head.0.gamma", "head.2.weight", "head.2.bias", "conv1.weight", "conv1.bias"]
    names += [f"{side}.{name}" for side, name in itertools.product(("encoder", "decoder"), (*middle, *ends))]
    names += [f"conv{n}.{w}" for n in (1, 2) for w in ("weight", "bias")]
    return inverted(names, convert_wan_vae_to_diffusers, AutoencoderKLWan(base_dim=4), 0)


def inverted(names, convert, model, seed):
    """A state under those of `names` that the converter turns into the model's."""
    wanted = model.state_dict()
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name in names:
        (converted,) = convert({name: torch.zeros(1)})
        if converted in wanted:
            state[name] = torch.randn(wanted[converted].shape, generator=generator) / 8
    assert {next(iter(convert({n: t}))) for n, t in state.items()} == set(wanted)
    return state


def original_text_encoder():
    generator = torch.Generator().manual_seed(2)

    def random(*shape):
        return torch.randn(*shape, generator=generator) / 8

    state = {"token_embedding.weight": random(300, 32), "norm.weight": random(32)}
    for b in range(2):
        state |= {f"blocks.{b}.attn.{p}.weight": random(16, 32) for p in "qkv"}
        state |= {f"blocks.{b}.norm{n}.weight": random(32) for n in (1, 2)}
        state[f"blocks.{b}.attn.o.weight"] = random(32, 16)
        state[f"blocks.{b}.ffn.gate.0.weight"] = random(40, 32)
        state[f"blocks.{b}.ffn.fc1.weight"] = random(40, 32)
        state[f"blocks.{b}.ffn.fc2.weight"] = random(32, 40)
        state[f"blocks.{b}.pos_embedding.embedding.weight"] = random(32, 4)
    return state


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    folder = tmp_path_factory.mktemp("release")
    for seed, name in enumerate(EXPERTS.values()):
        (folder / name).mkdir()
        (folder / name / "config.json").write_text(json.dumps(CONFIG))
        state = original_expert(seed)
        half = len(state) // 2
        for n, keys in enumerate((list(state)[:half], list(state)[half:])):
            save_file({key: state[key] for key in keys}, folder / name / f"part-{n}.safetensors")
    torch.save(original_vae(), folder / "Wan2.1_VAE.pth")
    torch.save(original_text_encoder(), folder / "models_t5_umt5-xxl-enc-bf16.pth")
    byte_tokenizer().save_pretrained(folder / TOKENIZER)
    return folder


def test_the_converted_folder_has_the_same_numbers_and_runs(release, tmp_path):
    folder = convert_original(release, tmp_path / "converted", torch.float32)
    info = inspect_weights(folder)
    assert (info.experts, info.input_channels) == (("transformer", "transformer_2"), 36)
    with quiet_libraries():
        pipeline = WanMemoryPipeline.from_pretrained(folder)
    expert = expert_model()
    expert.load_state_dict(convert_wan_transformer_to_diffusers(original_expert(1)))
    for name, tensor in pipeline.transformer_2.state_dict().items():
        assert torch.equal(tensor, expert.state_dict()[name]), name
    text = original_text_encoder()
    assert torch.equal(pipeline.text_encoder.shared.weight, text["token_embedding.weight"])
    layer = pipeline.text_encoder.encoder.block[1].layer[1].DenseReluDense
    assert torch.equal(layer.wi_0.weight, text["blocks.1.ffn.gate.0.weight"])
    frames = pipeline(clip_request("a fox", "fog", 32, 32, 5, 0), Sampling(steps=1))
    assert frames.shape == (5, 32, 32, 3)


def test_bfloat16_keeps_what_must_stay_float32(release, tmp_path):
    folder = convert_original(release, tmp_path / "half")
    with quiet_libraries():
        pipeline = WanMemoryPipeline.from_pretrained(folder, dtype=torch.bfloat16)
    expert = expert_model()
    expert.load_state_dict(convert_wan_transformer_to_diffusers(original_expert(0)))
    assert pipeline.transformer.blocks[0].attn1.to_q.weight.dtype == torch.bfloat16
    assert torch.equal(pipeline.transformer.blocks[0].scale_shift_table, expert.blocks[0].scale_shift_table)


def test_the_text_encoder_computes_what_the_original_defines(release, tmp_path):
    """Gated feed-forward: fc2(fc1(x) * gelu(gate(x))), the gate being the activated half."""
    folder = convert_original(release, tmp_path / "text", torch.float32)
    with quiet_libraries():
        pipeline = WanMemoryPipeline.from_pretrained(folder)
    state = original_text_encoder()
    x = torch.randn(3, 32, generator=torch.Generator().manual_seed(9))
    gate = torch.nn.functional.gelu(x @ state["blocks.0.ffn.gate.0.weight"].T, approximate="tanh")
    wanted = (gate * (x @ state["blocks.0.ffn.fc1.weight"].T)) @ state["blocks.0.ffn.fc2.weight"].T
    layer = pipeline.text_encoder.encoder.block[0].layer[1].DenseReluDense
    torch.testing.assert_close(layer(x), wanted, atol=1e-5, rtol=1e-4)


def test_what_is_missing_or_wrong_is_named(release, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(WeightsError, match=r"high_noise_model, low_noise_model, Wan2.1_VAE.pth, models_t5_\*.pth"):
        convert_original(tmp_path / "empty", tmp_path / "new")
    with pytest.raises(WeightsError, match="not empty"):
        convert_original(release, release)
    with pytest.raises(WeightsError, match=r"original Wan layout; convert it once: python -m storymem_backbones"):
        inspect_weights(release)


def test_a_foreign_tensor_is_named(release, tmp_path):
    import shutil

    copy = shutil.copytree(release, tmp_path / "copy")
    save_file({"vace_blocks.0.x": torch.zeros(1)}, copy / "low_noise_model" / "part-9.safetensors")
    with pytest.raises(WeightsError, match=r"low_noise_model: has unknown vace_blocks.0.x; is it a Wan 2.2 model"):
        convert_original(copy, tmp_path / "new")
