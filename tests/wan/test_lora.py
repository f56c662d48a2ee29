"""LoRA files in every form in the wild: applied exactly, or refused with the reason."""

import pytest
import torch
from diffusers import WanTransformer3DModel
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from storymem_backbones.wan import add_m2v_lora, load_m2v_lora, merge_loras, save_m2v_lora, set_lora_weights
from storymem_backbones.wan.errors import LoraError
from storymem_backbones.wan.lora import extract_lora, known_part
from storymem_backbones.wan.lora_deltas import base_parameters
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
    alphas = {key.replace("lora_A.weight", "alpha"): torch.tensor(8.0) for key in public_tensors() if "lora_A" in key}
    path = tmp_path / "distilled.safetensors"
    save_file({**public_tensors(), **alphas}, path)
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


def test_keys_that_are_not_understood_are_refused_or_left_out(tmp_path, caplog):
    path = tmp_path / "extra.safetensors"
    save_file({**public_tensors(), "patch_embedding.bias": torch.zeros(2)}, path, metadata=PLAIN)
    with pytest.raises(LoraError, match=r"1 tensors are not understood: patch_embedding\.bias; set skip_unknown"):
        load_m2v_lora(tiny(), path)
    model = tiny()
    assert load_m2v_lora(model, known_part(model, read_lora(path))).layers == 20
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


def module_of(key: str) -> str:
    return key.removeprefix("base_model.model.").rsplit(".lora", 1)[0]


KOHYA = {
    "kohya": lambda k: "lora_unet_" + module_of(k).replace(".", "_"),
    "two underscores": lambda k: "lora_unet__" + module_of(k).replace(".", "_"),
    "half flat": lambda k: "lora_unet_" + module_of(k).replace(".", "_", 1),
}
PREFIXES = [
    "pipe.dit.", "module.", "_orig_mod.", "diffusion_model.", "model.diffusion_model.", "transformer.", "unet.", "dit.",
    "base_model.model.module._orig_mod.", "transformer._orig_mod.",
]  # fmt: skip


def down_up(key: str) -> str:
    return ".lora_down.weight" if "lora_A" in key else ".lora_up.weight"


@pytest.mark.parametrize("form", KOHYA)
def test_kohyas_names_mean_scale_one_without_alpha(tmp_path, file, form):
    path = tmp_path / "kohya.safetensors"
    save_file(rename(public_tensors(), lambda k: KOHYA[form](k) + down_up(k)), path)
    weights = read_lora(path)
    assert set(weights.factors) == set(read_lora(file).factors)
    assert {weights.scale_of(module) for module in weights.factors} == {1.0}
    model, wanted = tiny(), tiny()
    load_m2v_lora(model, path)
    load_m2v_lora(wanted, file, alpha=4, rslora=False)
    assert torch.equal(run(model), run(wanted))


@pytest.mark.parametrize("prefix", PREFIXES)
def test_prefixes_of_other_programs(prefix):
    key = f"{prefix}blocks.3.cross_attn.o.lora_A.default.weight"
    assert parse_key(key) == ("blocks.3.attn2.to_out.0", "lora_A")
    assert parse_key(key.replace("blocks.3", "blocks.3._orig_mod")) == ("blocks.3.attn2.to_out.0", "lora_A")


@pytest.mark.parametrize(
    ("key", "wanted"),
    [
        ("lora_unet__blocks_0_self_attn_q.lora_down.weight", ("blocks.0.attn1.to_q", "lora_A")),
        ("lora_unet_blocks_22.self_attn.k.alpha", ("blocks.22.attn1.to_k", "alpha")),
        ("lora_unet_blocks_7_cross_attn_k_img.lora_up.weight", ("blocks.7.attn2.add_k_proj", "lora_B")),
        ("diffusion_model.blocks.0.norm3.diff", ("blocks.0.norm2", "diff")),
        ("diffusion_model.blocks.0.self_attn.norm_q.diff", ("blocks.0.attn1.norm_q", "diff")),
        ("diffusion_model.blocks.0.ffn.2.diff_b", ("blocks.0.ffn.net.2", "diff_b")),
        ("diffusion_model.head.head.diff_b", ("proj_out", "diff_b")),
        ("diffusion_model.time_projection.1.lora_down.weight", ("condition_embedder.time_proj", "lora_A")),
        ("blocks.1.ffn.0.lora_B.bias", ("blocks.1.ffn.net.0.proj", "lora_bias")),
        ("blocks.1.ffn.0.lora_B.default.bias", ("blocks.1.ffn.net.0.proj", "lora_bias")),
        ("blocks.1.attn1.to_q.lora.up.weight", ("blocks.1.attn1.to_q", "lora_B")),
        ("blocks.1.attn1.to_q.lora_A.bias", None),
        ("blocks.1.attn1.to_q.weight", None),
    ],
)
def test_names_of_all_kinds(key, wanted):
    assert parse_key(key) == wanted


def mixed_file(tmp_path):
    """A file whose first block has rank 2, and alphas of its own on two layers."""
    tensors = {k.removeprefix("base_model.model."): t for k, t in public_tensors().items()}
    small = {k.removeprefix("base_model.model."): t for k, t in public_tensors(layers=1, rank=2, seed=3).items()}
    tensors = {**tensors, **small}
    tensors = rename(tensors, lambda k: k.replace("lora_A", "lora_down").replace("lora_B", "lora_up"))
    tensors |= {"blocks.0.ffn.0.alpha": torch.tensor(3.0), "blocks.1.cross_attn.v.alpha": torch.tensor(7.0)}
    path = tmp_path / "mixed.safetensors"
    save_file(tensors, path)
    return path


def test_ranks_and_alphas_of_layers_own(tmp_path):
    path = mixed_file(tmp_path)
    weights = read_lora(path)
    assert weights.scale_of("blocks.0.ffn.net.0.proj") == 1.5
    assert weights.scale_of("blocks.1.attn2.to_v") == 1.75
    assert weights.scale_of("blocks.0.attn1.to_q") == 1
    model, wanted = tiny(), tiny()
    load_m2v_lora(model, path, weight=0.5)
    for module, (a, b) in weights.factors.items():
        wanted.get_submodule(module).weight.data += 0.5 * weights.scale_of(module) * b @ a
    torch.testing.assert_close(run(model), run(wanted), atol=1e-5, rtol=1e-5)
    taken = extract_lora(model)
    assert {m: taken.scale_of(m) for m in taken.factors} == {m: weights.scale_of(m) for m in weights.factors}
    with pytest.raises(LoraError, match="layers differ in rank or alpha"):
        save_m2v_lora(model, tmp_path / "out.safetensors")


def test_patterns_in_the_metadata(tmp_path):
    path = tmp_path / "patterns.safetensors"
    metadata = {**PLAIN, "use_rslora": "false", "alpha_pattern": '{"blocks.1.self_attn.q": 8}'}
    save_file(public_tensors(), path, metadata=metadata)
    weights = read_lora(path)
    assert (weights.scale_of("blocks.1.attn1.to_q"), weights.scale_of("blocks.0.attn1.to_q")) == (2, 1)


DELTAS = {
    "diffusion_model.blocks.0.self_attn.q.diff_b": ("blocks.0.attn1.to_q.bias", (24,)),
    "diffusion_model.blocks.1.norm3.diff": ("blocks.1.norm2.weight", (24,)),
    "diffusion_model.blocks.1.self_attn.norm_q.diff": ("blocks.1.attn1.norm_q.weight", (24,)),
    "diffusion_model.head.head.diff_b": ("proj_out.bias", (64,)),
    "diffusion_model.blocks.0.modulation.diff": ("blocks.0.scale_shift_table", (1, 6, 24)),
}


def test_biases_and_norms_are_applied_at_any_strength(tmp_path, file):
    generator = torch.Generator().manual_seed(4)
    changes = {key: torch.randn(shape, generator=generator) for key, (_, shape) in DELTAS.items()}
    bias = {"diffusion_model.blocks.1.ffn.0.lora_B.bias": torch.randn(16, generator=generator)}
    path = tmp_path / "deltas.safetensors"
    save_file(
        {**public_tensors(), **changes, **bias}, path, metadata={**PLAIN, "use_rslora": "false", "lora_alpha": "8"}
    )
    model, wanted = tiny(), tiny()
    assert load_m2v_lora(model, path, weight=0.5).parameters == 6
    load_m2v_lora(wanted, file, alpha=8, rslora=False, weight=0.5)
    lora = wanted.blocks[1].ffn.net[0].proj.base_layer
    lora.bias.data += 0.5 * 2 * bias["diffusion_model.blocks.1.ffn.0.lora_B.bias"]
    for key, (name, _) in DELTAS.items():
        base_parameters(wanted)[name].data += 0.5 * changes[key]
    torch.testing.assert_close(run(model), run(wanted), atol=1e-6, rtol=1e-6)
    set_lora_weights(model, {"m2v": 3.0})
    set_lora_weights(model, {"m2v": 0.0})
    torch.testing.assert_close(run(model), run(tiny()), atol=0, rtol=0)


def test_changes_that_do_not_fit_are_refused_and_change_nothing(tmp_path):
    for key, tensor, message in (
        ("diffusion_model.blocks.0.norm3.diff", torch.zeros(7), r"is for \(7,\) but this model's is \(24,\)"),
        ("diffusion_model.blocks.9.norm3.diff", torch.zeros(24), r"layers do not exist.*blocks\.9\.norm2\.weight"),
    ):
        path = tmp_path / "wrong.safetensors"
        save_file({**public_tensors(), key: tensor}, path, metadata=PLAIN)
        model = tiny()
        with pytest.raises(LoraError, match=message):
            load_m2v_lora(model, path)
        assert torch.equal(run(model), run(tiny()))


def test_an_image_branch_is_left_out_only_if_allowed(tmp_path):
    img = {f"diffusion_model.blocks.0.cross_attn.k_img.lora_{f}.weight": torch.zeros(4, 4) for f in ("down", "up")}
    path = tmp_path / "img.safetensors"
    save_file({**public_tensors(), **img}, path, metadata=PLAIN)
    with pytest.raises(LoraError, match=r"blocks\.0\.attn2\.add_k_proj; is it a LoRA of another model"):
        load_m2v_lora(tiny(), path)
    model = tiny()
    assert load_m2v_lora(model, known_part(model, read_lora(path))).layers == 20


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("lora_unet_blocks_0_self_attn_q.hada_w1_a", "LoHa"),
        ("diffusion_model.blocks.0.self_attn.q.lokr_w1", "LoKr"),
        ("blocks.0.self_attn.q.dora_scale", "DoRA"),
        ("base_model.model.blocks.0.self_attn.q.lora_magnitude_vector", "DoRA"),
        ("lora_unet_blocks_0_ffn_0.lora_mid.weight", "LoCon"),
        ("oft_unet_blocks_0_ffn_0.oft_blocks", "OFT"),
    ],
)
def test_other_adapters_are_refused_by_name(tmp_path, key, name):
    path = tmp_path / "other.safetensors"
    save_file({**public_tensors(), key: torch.zeros(2)}, path, metadata=PLAIN)
    with pytest.raises(LoraError, match=rf"other\.safetensors: is a {name}"):
        read_lora(path)


@given(st.text(alphabet="blocks_0123.selfattnqkvoloraABupdown.weightdiff-", max_size=60))
def test_any_name_is_read_without_raising(key):
    parsed = parse_key(key)
    assert parsed is None or parsed[0]
