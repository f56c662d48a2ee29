"""Profiles are data: overridable by keys and TOML, and only some fields change the picture."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storymem.errors import SettingsError
from storymem_backbones.diffusion.estimate import GIB
from storymem_backbones.diffusion.profiles import PROFILES, resolve_profile, smaller_profile
from storymem_backbones.wan.estimate import (
    A14B,
    UMT5_XXL,
    block_parameters,
    estimate_shot,
    forward_work,
    text_encoder_parameters,
    transformer_parameters,
)
from storymem_backbones.wan.shot import Sampling
from storymem_backbones.wan.tiny_random import write_tiny_pipeline
from storymem_backbones.wan.weights import inspect_weights


def test_every_built_in_is_there():
    assert set(PROFILES) == {"141gb", "80gb", "48gb", "24gb", "cpu"}
    for name, profile in PROFILES.items():
        assert resolve_profile(name) == profile


def test_changes_win():
    assert resolve_profile("24gb", {"linear_fp8": "weights"}).linear_fp8 == "weights"
    assert resolve_profile("24gb", {"linear_fp8": "weights"}).offload == "group"


def test_toml_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('base = "48gb"\ngpu_memory = 40\nattention = "cudnn"\n')
    profile = resolve_profile(str(path), {"compile": False})
    assert (profile.gpu_memory, profile.attention, profile.offload, profile.compile) == (40, "cudnn", "model", False)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("12gb", {}, "profile '12gb' is unknown: choose 141gb"),
        ("cpu", {"offlod": "none"}, "profile cpu: offlod: unknown key"),
        ("cpu", {"offload": "disk"}, "profile cpu: offload"),
        ("absent.toml", {}, "absent.toml: cannot be read"),
    ],
)
def test_mistakes_are_named(name, changes, message):
    with pytest.raises(SettingsError, match=message):
        resolve_profile(name, changes)


def test_broken_toml_is_named(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("base = ")
    with pytest.raises(SettingsError, match="not valid TOML"):
        resolve_profile(str(path))


def test_the_next_smaller_profile():
    assert smaller_profile(PROFILES["141gb"]) == "80gb"
    assert smaller_profile(PROFILES["24gb"]) is None
    assert smaller_profile(PROFILES["cpu"]) is None


def test_speed_and_placement_are_not_part_of_the_picture():
    base = PROFILES["141gb"]
    same = base.model_copy(
        update={"offload": "group", "compile": False, "gpus": 4, "attention": "fa3", "batched_guidance": True}
    )
    assert same.picture() == base.picture()
    for change in ({"dtype": "float32"}, {"linear_fp8": "weights"}, {"vae_tiling": True}, {"attention": "sage"}):
        assert base.model_copy(update=change).picture() != base.picture()


def test_parameters_are_counted_exactly(tmp_path):
    from diffusers import WanTransformer3DModel
    from transformers import UMT5EncoderModel

    folder = write_tiny_pipeline(tmp_path)
    info = inspect_weights(folder)
    expert = WanTransformer3DModel.from_pretrained(folder / "transformer")
    text = UMT5EncoderModel.from_pretrained(folder / "text_encoder")
    assert transformer_parameters(info.transformer) == sum(p.numel() for p in expert.parameters())
    assert block_parameters(info.transformer) == sum(p.numel() for p in expert.blocks[0].parameters())
    assert text_encoder_parameters(info.text_encoder) == sum(p.numel() for p in text.parameters())


def test_work_of_the_real_model():
    """Known numbers: 14.3 and 5.7 billion parameters, 1678 and 3094 TFLOP a forward pass."""
    assert transformer_parameters(A14B) == 14_288_901_184
    assert text_encoder_parameters(UMT5_XXL) == 5_680_910_336
    assert forward_work(A14B, 832, 480, 81, 0).flops == pytest.approx(1678e12, rel=1e-3)
    assert forward_work(A14B, 832, 480, 81, 10).flops == pytest.approx(3094e12, rel=1e-3)
    assert forward_work(A14B, 832, 480, 81, 10).tokens == 48_360


def estimate(profile, **changes):
    arguments = {"size": (832, 480), "frames": 81, "memory": 10, **changes}
    return estimate_shot(profile, Sampling(), **arguments)


def test_built_in_profiles_fit_their_cards():
    for profile in PROFILES.values():
        if profile.device == "cuda":
            assert estimate(profile).gpu_bytes < profile.gpu_memory * GIB
    assert estimate(PROFILES["24gb"]).gpu_bytes < 23 * GIB


@given(st.integers(0, 15), st.integers(0, 20))
def test_more_memory_and_longer_clips_cost_more(memory, fours):
    profile = PROFILES["80gb"]
    base = estimate(profile, memory=memory, frames=4 * fours + 1)
    assert estimate(profile, memory=memory + 1, frames=4 * fours + 1).seconds > base.seconds
    assert estimate(profile, memory=memory, frames=4 * fours + 5).seconds > base.seconds


def test_switches_cost_or_save_what_they_should():
    base = PROFILES["141gb"]
    plain = estimate(base)
    assert estimate(base.model_copy(update={"linear_fp8": "weights"})).gpu_bytes < plain.gpu_bytes - 20 * GIB
    assert estimate(base.model_copy(update={"offload": "model"})).gpu_bytes < plain.gpu_bytes - 20 * GIB
    assert estimate(base.model_copy(update={"gpus": 4})).seconds < plain.seconds / 3
    unguided = estimate_shot(base, Sampling(guidance_high=1, guidance_low=1), size=(832, 480), frames=81, memory=10)
    assert unguided.flops == pytest.approx(plain.flops / 2)


def test_guidance_of_opening_shots_costs_only_where_nothing_is_remembered():
    profile, shape = PROFILES["141gb"], {"size": (832, 480), "frames": 81}
    plain = Sampling(guidance_high=1, guidance_low=1)
    ours, theirs = (
        [estimate_shot(profile, one, memory=memory, **shape).flops for memory in (0, 4)]
        for one in (plain.replaced(opening_guidance=3.0), plain)
    )
    assert ours == [2 * theirs[0], theirs[1]]
