"""LoRA files in every form in the wild: applied exactly, or refused with the reason."""

import pytest
import torch
from diffusers import WanTransformer3DModel
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from storymem_backbones.wan import add_m2v_lora, load_m2v_lora, merge_loras, save_m2v_lora, set_lora_weights
from storymem_backbones.wan.errors import LoraError
from storymem_backbones.wan.lora_file import read_lora
from storymem_backbones.wan.lora_keys import (
    DIFFUSERS_TARGETS,
    TARGETS,
    diffusers_module,
    parse_key,
    public_key,
)

RANK = 4
PLAIN = {"r": "4", "lora_alpha": "4", "use_rslora": "true"}


def tiny(layers: int = 2, heads: int = 2) -> WanTransformer3DModel:
    torch.manual_seed(0)
    return WanTransformer3DModel(
        num_attention_heads=heads,
        attention_head_dim=12,
        in_channels=36,
        out_channels=16,
        text_dim=8,
        freq_dim=8,
        ffn_dim=16,
        num_layers=layers,
        rope_max_seq_len=16,
    ).requires_grad_(False)


def run(model: WanTransformer3DModel) -> torch.Tensor:
    inputs = torch.randn(1, 36, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    text = torch.randn(1, 6, 8, generator=torch.Generator().manual_seed(2))
    return model(inputs, torch.tensor([500]), text).sample


def public_tensors(layers: int = 2, rank: int = RANK, seed: int = 0, dim: int = 24) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    sides = {"ffn.0": (16, dim), "ffn.2": (dim, 16)}
    tensors = {}
    for block in range(layers):
        for target in TARGETS:
            out, inside = sides.get(target, (dim, dim))
            key = f"base_model.model.blocks.{block}.{target}"
            tensors[f"{key}.lora_A.weight"] = torch.randn(rank, inside, generator=generator) / 4
            tensors[f"{key}.lora_B.weight"] = torch.randn(out, rank, generator=generator) / 4
    return tensors


def rename(tensors, change):
    return {change(key): tensor for key, tensor in tensors.items()}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "backbone_high_noise.safetensors"
    save_file(public_tensors(), path, metadata=PLAIN)
    return path


FORMS = {
    "public": lambda k: k,
    "adapter name": lambda k: k.replace(".weight", ".default.weight"),
    "expert prefix": lambda k: k.replace("base_model.model.", "high_noise_model."),
    "prefix and name": lambda k: k.replace("base_model.model.", "base_model.model.high_noise_model.").replace(
        ".weight", ".default.weight"
    ),
    "diffusion_model": lambda k: k.replace("base_model.model.", "diffusion_model."),
    "down and up": lambda k: k.replace("lora_A", "lora_down").replace("lora_B", "lora_up"),
    "diffusers": lambda k: public_to_diffusers(k),
}


def public_to_diffusers(key: str) -> str:
    module, kind = parse_key(key) or ("", "")
    return f"transformer.{module}.{kind}.weight"


@pytest.mark.parametrize("form", list(FORMS))
def test_every_form_gives_the_same_picture(tmp_path, file, form):
    wanted = tiny()
    load_m2v_lora(wanted, file)
    path = tmp_path / "other.safetensors"
    save_file(rename(public_tensors(), FORMS[form]), path, metadata=PLAIN)
    model = tiny()
    report = load_m2v_lora(model, path, expert="high")
    assert report.layers == 20
    assert torch.equal(run(model), run(wanted))
    assert (run(model) - run(tiny())).abs().max() > 1e-3


def test_pth_equals_safetensors(tmp_path, file):
    path = tmp_path / "lora.pth"
    torch.save(public_tensors(), path)
    one, other = tiny(), tiny()
    load_m2v_lora(one, file)
    load_m2v_lora(other, path, alpha=4, rslora=True)
    assert torch.equal(run(one), run(other))


def test_a_pth_that_would_run_code_is_refused(tmp_path):
    path = tmp_path / "lora.pth"
    torch.save({"x": pytest.raises}, path)
    with pytest.raises(LoraError, match="not a readable LoRA file"):
        read_lora(path)


def test_rslora_is_never_guessed(tmp_path):
    path = tmp_path / "lora.safetensors"
    save_file(public_tensors(), path)
    with pytest.raises(LoraError, match="neither the file nor the settings say alpha and rslora"):
        load_m2v_lora(tiny(), path)
    with pytest.raises(LoraError, match="say rslora"):
        load_m2v_lora(tiny(), path, alpha=4)
    assert read_lora(path, alpha=4, rslora=True).scale == pytest.approx(2)
    assert read_lora(path, alpha=4, rslora=False).scale == 1


def test_alpha_tensors_mean_alpha_over_rank(tmp_path):
    tensors = {**public_tensors(), "base_model.model.blocks.0.ffn.0.alpha": torch.tensor(8.0)}
    path = tmp_path / "distilled.safetensors"
    save_file(tensors, path)
    assert read_lora(path).scale == 2


def test_both_experts_in_one_file(tmp_path):
    high = rename(public_tensors(seed=1), lambda k: "high_noise_model." + k.removeprefix("base_model.model."))
    low = rename(public_tensors(seed=2), lambda k: "low_noise_model." + k.removeprefix("base_model.model."))
    path = tmp_path / "both.safetensors"
    save_file({**high, **low}, path, metadata=PLAIN)
    with pytest.raises(LoraError, match="both experts"):
        read_lora(path)
    a = read_lora(path, expert="low").factors["blocks.1.attn2.to_v"][0]
    assert torch.equal(a, low["low_noise_model.blocks.1.cross_attn.v.lora_A.weight"])
    save_file(high, path, metadata=PLAIN)
    with pytest.raises(LoraError, match="only the high-noise expert"):
        read_lora(path, expert="low")


def test_keys_that_are_not_lora_are_reported(tmp_path, caplog):
    path = tmp_path / "extra.safetensors"
    save_file({**public_tensors(), "patch_embedding.bias": torch.zeros(2)}, path, metadata=PLAIN)
    report = load_m2v_lora(tiny(), path)
    assert report.ignored_keys == ("patch_embedding.bias",)
    assert "patch_embedding.bias" in caplog.text


def broken(change):
    tensors = public_tensors()
    change(tensors)
    return tensors


Q = "base_model.model.blocks.0.self_attn.q"
BROKEN = {
    "nothing": (
        lambda t: [t.pop(k) for k in list(t)] and t.update(w=torch.zeros(1)),
        "no LoRA tensors among 1 keys",
    ),
    "lonely factor": (lambda t: t.pop(f"{Q}.lora_B.weight"), "1 layers lack.*blocks.0.attn1.to_q"),
    "missing layer": (
        lambda t: [t.pop(f"{Q}.lora_{f}.weight") for f in "AB"],
        "matches 19 layers but not 1 others: blocks.0.attn1.to_q",
    ),
    "unknown layer": (
        lambda t: t.update({f"base_model.model.blocks.9.ffn.0.lora_{f}.weight": torch.zeros(4, 4) for f in "AB"}),
        "1 of 21 layers do not exist in this model: blocks.9.ffn.net.0.proj",
    ),
    "other shape": (
        lambda t: t.update({f"{Q}.lora_A.weight": torch.zeros(4, 99)}),
        "blocks.0.attn1.to_q is for a 24x99 layer but this model's is 24x24",
    ),
    "mixed rank": (
        lambda t: t.update({f"{Q}.lora_A.weight": torch.zeros(2, 24), f"{Q}.lora_B.weight": torch.zeros(24, 2)}),
        "most layers have rank 4 but blocks.0.attn1.to_q has 2",
    ),
    "unfitting pair": (
        lambda t: t.update({f"{Q}.lora_A.weight": torch.zeros(2, 24)}),
        "do not fit together in blocks.0.attn1.to_q",
    ),
}


@pytest.mark.parametrize("case", list(BROKEN))
def test_what_matches_nothing_or_partly_is_refused_and_changes_nothing(tmp_path, case):
    change, message = BROKEN[case]
    path = tmp_path / "broken.safetensors"
    save_file(broken(change), path, metadata=PLAIN)
    model = tiny()
    with pytest.raises(LoraError, match=message):
        load_m2v_lora(model, path)
    assert torch.equal(run(model), run(tiny()))


def test_other_refusals(tmp_path, file):
    with pytest.raises(LoraError, match="no such LoRA file"):
        load_m2v_lora(tiny(), tmp_path / "absent.safetensors")
    (tmp_path / "cut.safetensors").write_bytes(file.read_bytes()[:500])
    with pytest.raises(LoraError, match="not a readable LoRA file"):
        load_m2v_lora(tiny(), tmp_path / "cut.safetensors")
    save_file(public_tensors(), tmp_path / "r.safetensors", metadata={**PLAIN, "r": "8"})
    with pytest.raises(LoraError, match="metadata says rank 8 but the tensors have rank 4"):
        load_m2v_lora(tiny(), tmp_path / "r.safetensors")
    with pytest.raises(LoraError, match="do not exist in this model"):
        load_m2v_lora(tiny(layers=1), file)
    with pytest.raises(LoraError, match="another model"):
        load_m2v_lora(tiny(heads=4), file)
    model = tiny()
    load_m2v_lora(model, file)
    with pytest.raises(LoraError, match="'m2v' is taken"):
        load_m2v_lora(model, file)
    with pytest.raises(LoraError, match="no LoRA named style"):
        set_lora_weights(model, {"style": 1.0})


def test_a_stack_adds_weighted_deltas(tmp_path, file):
    """Against float32 weights to which the deltas were added by hand."""
    path = tmp_path / "distilled.safetensors"
    second = {k: t for k, t in public_tensors(seed=5, rank=2).items() if "self_attn" in k}
    save_file(second, path, metadata={"r": "2", "lora_alpha": "1", "use_rslora": "false"})
    model, wanted = tiny(), tiny()
    load_m2v_lora(model, file, weight=0.7)
    load_m2v_lora(model, path, adapter="distilled", weight=0.3, every_layer=False)
    for weights, strength in ((read_lora(file), 0.7), (read_lora(path), 0.3)):
        for module, (a, b) in weights.factors.items():
            wanted.get_submodule(module).weight.data += strength * weights.scale * b @ a
    torch.testing.assert_close(run(model), run(wanted), atol=1e-5, rtol=1e-5)
    merge_loras(model)
    torch.testing.assert_close(run(model), run(wanted), atol=1e-5, rtol=1e-5)


def test_strength_zero_is_no_lora(file):
    model = tiny()
    load_m2v_lora(model, file)
    set_lora_weights(model, {"m2v": 0.0})
    torch.testing.assert_close(run(model), run(tiny()))


def test_trained_weights_survive_saving(tmp_path):
    model = tiny()
    trainable = add_m2v_lora(model, rank=RANK, alpha=4)
    assert len(trainable) == 40
    assert torch.equal(run(model), run(tiny()))
    torch.manual_seed(3)
    for parameter in trainable:
        torch.nn.init.normal_(parameter, std=0.1)
    run(model).sum().backward()
    assert all(p.grad is not None for p in trainable)
    save_m2v_lora(model, tmp_path / "new" / "lora.safetensors")
    other = tiny()
    report = load_m2v_lora(other, tmp_path / "new" / "lora.safetensors")
    assert report.scale == pytest.approx(2)
    assert torch.equal(run(other), run(model))


@given(st.integers(0, 99), st.sampled_from(DIFFUSERS_TARGETS), st.sampled_from(["lora_A", "lora_B"]))
def test_names_go_both_ways(block, target, kind):
    module = f"blocks.{block}.{target}"
    key = public_key(module, kind)
    assert key.startswith("base_model.model.blocks.")
    assert parse_key(key) == (module, kind)
    assert diffusers_module(module) == module
