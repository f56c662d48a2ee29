"""The backbone behind the framework's interface, on tiny random weights."""

import logging
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from storymem.errors import Cancelled, SettingsError
from storymem.interfaces import Mode
from storymem.testing import shot_request
from storymem_backbones.diffusion.errors import GenerationError, GeometryError, WeightsError
from storymem_backbones.diffusion.settings import Caching
from storymem_backbones.wan import add_m2v_lora, save_m2v_lora
from storymem_backbones.wan.backbone import WanBackbone
from storymem_backbones.wan.errors import LoraError
from storymem_backbones.wan.manifest import Manifest, write_manifest
from storymem_backbones.wan.settings import LoraChoice, TextToVideo, WanSettings

SMALL = Manifest(width=48, height=32, frames=9, fps=8, text_tokens=64, steps=3)


def silent(done, total):
    """Progress nobody looks at."""


@pytest.fixture(scope="module")
def folder(tiny_folder, tmp_path_factory):
    copy = shutil.copytree(tiny_folder, tmp_path_factory.mktemp("backbone") / "model")
    write_manifest(copy, SMALL)
    return copy


@pytest.fixture(scope="module")
def lora_files(folder, tmp_path_factory):
    from diffusers import WanTransformer3DModel

    files = {}
    for seed, (side, part) in enumerate({"high": "transformer", "low": "transformer_2"}.items()):
        model = WanTransformer3DModel.from_pretrained(folder / part)
        torch.manual_seed(seed)
        for parameter in add_m2v_lora(model, rank=4, alpha=4):
            torch.nn.init.normal_(parameter, std=0.3)
        files[side] = tmp_path_factory.mktemp("lora") / f"backbone_{side}_noise.safetensors"
        save_m2v_lora(model, files[side])
    return files


@pytest.fixture(scope="module")
def make(folder):
    """Builds backbones; one for each settings, unless a fresh one is asked for."""
    made = {}

    def build(*, fresh=False, **settings):
        backbone = WanBackbone(WanSettings(**{"weights": str(folder), "profile": "cpu", **settings}))
        return backbone if fresh else made.setdefault(backbone.settings.model_dump_json(), backbone)

    return build


def request(memory=0, handed_over=0, **changes):
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (memory, 40, 30, 3), dtype=np.uint8)
    before = rng.integers(0, 256, (handed_over, 32, 48, 3), dtype=np.uint8)
    seen = {"memory": pictures, "handover": before if handed_over else None}
    return shot_request("a fox", (48, 32), 9, 2**62, **{**seen, **changes})


def frames(backbone, *args, **kwargs):
    return backbone.generate(request(*args, **kwargs), silent).frames


def test_capabilities_come_from_the_folder_without_loading(make):
    found = make().capabilities()
    assert (found.size, found.frames, found.fps, found.frame_step, found.size_multiple) == ((48, 32), 9, 8, 4, 16)
    assert found.modes == set(Mode)
    real = make(weights="Wan-AI/Wan2.2-I2V-A14B-Diffusers").capabilities()
    assert (real.size, real.frames, real.fps) == ((832, 480), 81, 16)


@pytest.mark.parametrize(("memory", "handed_over"), [(0, 0), (2, 0), (2, 1), (2, 5)])
def test_every_mode(make, memory, handed_over):
    backbone = make()
    told = []
    clip = backbone.generate(request(memory, handed_over), lambda *step: told.append(step))
    assert clip.frames.shape == (9, 32, 48, 3)
    assert clip.fps == 8
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert np.array_equal(frames(make(fresh=True), memory, handed_over), clip.frames)


def test_options_of_one_shot(make):
    backbone = make()
    plain = frames(backbone, 1)
    told = []
    more = backbone.generate(request(1, options={"steps": 5}), lambda *step: told.append(step))
    assert told[-1] == (5, 5)
    assert not np.array_equal(more.frames, plain)
    assert np.array_equal(frames(backbone, 1), plain)
    assert {"steps", "guidance_high", "guidance_low"} <= backbone.shot_options <= set(WanSettings.model_fields)


def test_the_negative_prompt_of_the_settings_is_the_default(make):
    backbone = make(negative_prompt="fog")
    assert np.array_equal(frames(backbone), frames(backbone, negative_prompt="fog"))
    assert not np.array_equal(frames(backbone), frames(backbone, negative_prompt="rain"))
    assert not np.array_equal(frames(backbone), frames(backbone, negative_prompt=""))


def test_cancelling(make):
    backbone = make()

    def stop(done, total):
        if done == 1:
            raise Cancelled("stop")

    with pytest.raises(Cancelled):
        backbone.generate(request(1), stop)
    assert frames(backbone, 1).shape == (9, 32, 48, 3)


def test_loras_change_the_picture_as_merged_or_not(make, lora_files):
    choice = LoraChoice(**lora_files)
    plain, unmerged = frames(make(), 2), frames(make(loras=(choice,)), 2)
    merged = frames(make(loras=(choice,), merge_loras=True), 2)
    assert not np.array_equal(plain, unmerged)
    assert np.abs(merged.astype(int) - unmerged.astype(int)).max() <= 1
    off = choice.model_copy(update={"weight_high": 0.0, "weight_low": 0.0})
    assert np.abs(frames(make(loras=(off,)), 2).astype(int) - plain.astype(int)).max() <= 1


def test_a_stack_with_weights_per_expert(make, lora_files):
    both = LoraChoice(**lora_files)
    style = LoraChoice(name="style", low=lora_files["low"], every_layer=False, weight_low=0.5)
    made = [
        frames(make(loras=stack), 2)
        for stack in ((both,), (both, style), (both, style.model_copy(update={"weight_low": 0.1})))
    ]
    assert len({f.tobytes() for f in made}) == 3


def test_the_folders_own_lora_is_applied_and_can_be_replaced(make, folder, tmp_path, lora_files):
    copy = shutil.copytree(folder, tmp_path / "with_lora")
    (copy / "lora").mkdir()
    for side, path in lora_files.items():
        shutil.copy(path, copy / "lora" / f"{side}.safetensors")
    write_manifest(copy, SMALL.model_copy(update={"lora": "lora/high.safetensors", "lora_low": "lora/low.safetensors"}))
    wanted = frames(make(loras=(LoraChoice(**lora_files),)), 2)
    assert np.array_equal(frames(make(weights=str(copy)), 2), wanted)
    off = LoraChoice(**lora_files, weight_high=0, weight_low=0)
    assert not np.array_equal(frames(make(weights=str(copy), loras=(off,)), 2), wanted)


def test_guidance_where_nothing_is_remembered_is_a_setting(make):
    guided = make(opening_guidance=6.0)
    assert np.array_equal(frames(guided), frames(make(guidance_high=6.0, guidance_low=6.0)))
    assert np.array_equal(frames(guided, 2), frames(make(), 2))


def test_colours_of_what_was_handed_over_are_kept_if_asked_for(make, folder, tmp_path):
    given = request(2, 5).handover_frames

    def distance(clip):
        return np.abs(clip[:5].mean(axis=(0, 1, 2)) - given.mean(axis=(0, 1, 2))).max()

    plain, matched = frames(make(), 2, 5), frames(make(match_handover=True), 2, 5)
    assert distance(matched) < 1 < distance(plain)
    assert np.array_equal(frames(make(match_handover=True), 2), frames(make(), 2))
    copy = shutil.copytree(folder, tmp_path / "keeps")
    write_manifest(copy, SMALL.model_copy(update={"match_handover": True}))
    assert np.array_equal(frames(make(weights=str(copy)), 2, 5), matched)
    assert np.array_equal(frames(make(weights=str(copy), match_handover=False), 2, 5), plain)


def test_a_separate_text_to_video_model_makes_the_first_shot(make, tiny_t2v_folder):
    backbone = make(text_to_video=TextToVideo(weights=str(tiny_t2v_folder)))
    assert not np.array_equal(frames(backbone), frames(make()))
    assert np.array_equal(frames(backbone, 2), frames(make(), 2))
    with pytest.raises(WeightsError, match="needed is a text-to-video model"):
        frames(make(text_to_video=TextToVideo(weights=make().settings.weights)))


def fingerprint(make, **settings):
    return make(**settings).fingerprint()


def test_fingerprint_covers_what_changes_the_picture_and_nothing_else(
    make, folder, tmp_path, lora_files, tiny_t2v_folder
):
    base = fingerprint(make)
    assert fingerprint(make) == base
    same = (
        {"profile": "cpu", "profile_changes": {"compile": True}},
        {"profile_changes": {"offload": "model", "batched_guidance": True, "gpus": 2}},
        {"steps": 3, "memory_shift": 5, "flow_shift": 4.0, "match_handover": False},
        {"weights": str(shutil.copytree(folder, tmp_path / "copy"))},
    )
    assert {fingerprint(make, **settings) for settings in same} == {base}
    choice = LoraChoice(**lora_files)
    swapped = {"high": lora_files["low"], "low": lora_files["high"]}
    other = (
        {"steps": 4},
        {"memory_shift": 1},
        {"memory_shift": "contiguous"},
        {"flow_shift": 5.0},
        {"boundary": 0.8},
        {"guidance_high": 1.0},
        {"guidance_low": 2.0},
        {"opening_guidance": 2.0},
        {"match_handover": True},
        {"negative_prompt": "fog"},
        {"caching": Caching()},
        {"caching": Caching(threshold=0.2)},
        {"profile_changes": {"dtype": "bfloat16"}},
        {"profile_changes": {"linear_fp8": "weights"}},
        {"profile_changes": {"vae_tiling": True}},
        {"loras": (choice,)},
        {"loras": (choice,), "merge_loras": True},
        {"loras": (LoraChoice(**swapped),)},
        {"loras": (choice.model_copy(update={"weight_low": 0.5}),)},
        {"loras": (choice.model_copy(update={"rslora": False}),)},
        {"text_to_video": TextToVideo(weights=str(tiny_t2v_folder))},
        {"weights": "owner/model", "revision": "0" * 40},
        {"weights": "owner/model", "revision": "1" * 40},
    )
    found = [fingerprint(make, **settings) for settings in other]
    assert len({base, *found}) == len(other) + 1


def test_fingerprint_follows_the_weights(make, folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "retrained")
    path = copy / "transformer" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(path)
    tensors["proj_out.bias"] += 1
    save_file(tensors, path)
    assert fingerprint(make, weights=str(copy)) != fingerprint(make)


@pytest.mark.parametrize(
    ("caching", "same"),
    [
        (Caching(method="first_block", threshold=1e-9), True),
        (Caching(method="first_block", threshold=1e9), False),
        (Caching(method="taylorseer", interval=2, first_steps=2), False),
        (Caching(method="taylorseer", interval=2, first_steps=50), True),
    ],
)
def test_caching_skips_work_only_as_far_as_allowed(make, caching, same):
    plain = frames(make(steps=8), 1)
    backbone = make(steps=8, caching=caching)
    cached = frames(backbone, 1)
    assert np.array_equal(cached, plain) == same
    assert np.array_equal(frames(backbone, 1), cached)


def test_magcache_takes_ratios_per_expert(make):
    from storymem_backbones.wan.caching import steps_per_expert
    from storymem_backbones.wan.shot import Sampling

    steps = steps_per_expert(Sampling(steps=8))
    assert sum(steps.values()) == 8
    ratios = {"ratios_high": (1.0,) * steps["high"], "ratios_low": (1.0,) * steps["low"]}
    cached = frames(make(steps=8, caching=Caching(method="magcache", threshold=0.5, **ratios)), 1)
    assert not np.array_equal(cached, frames(make(steps=8), 1))
    with pytest.raises(SettingsError, match=r"ratios_low: magcache needs one magnitude ratio for each of the \d steps"):
        frames(make(steps=8, caching=Caching(method="magcache", ratios_high=ratios["ratios_high"])), 1)


def test_errors_of_the_settings(make, lora_files, tmp_path):
    with pytest.raises(SettingsError, match="profile 80gb: needs a CUDA GPU and there is none"):
        frames(make(profile="80gb"))
    with pytest.raises(WeightsError, match="no such folder"):
        frames(make(weights=str(tmp_path / "absent")))
    with pytest.raises(SettingsError, match=r"loras\.m2v\.low: missing; this model has two experts"):
        frames(make(loras=(LoraChoice(high=lora_files["high"]),)))
    with pytest.raises(LoraError, match=r"absent\.safetensors: no such LoRA file"):
        frames(make(loras=(LoraChoice(high=tmp_path / "absent.safetensors", low=lora_files["low"]),)))
    with pytest.raises(LoraError, match=r"loras.m2v.high: .* does not exist"):
        make(loras=(LoraChoice(high=tmp_path / "absent.safetensors", low=lora_files["low"]),)).fingerprint()
    with pytest.raises(ValueError, match="two LoRAs are called m2v"):
        make(loras=(LoraChoice(**lora_files), LoraChoice(**lora_files)))
    with pytest.raises(GeometryError, match="3 handed-over frames"):
        frames(make(), 1, 3)


def test_damaged_weights_are_one_line(make, folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "damaged")
    path = copy / "vae" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(WeightsError, match="cannot be loaded") as caught:
        frames(make(weights=str(copy)))
    assert "\n" not in str(caught.value)


def test_out_of_memory_names_the_profile_to_try(make, monkeypatch):
    backbone = make(fresh=True)

    def fail(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    frames(backbone)
    _, pipeline = backbone._loaded
    monkeypatch.setattr(type(pipeline), "denoise", lambda *a, **k: fail())
    with pytest.raises(GenerationError, match="out of GPU memory with profile cpu: make fewer frames"):
        frames(backbone)
    assert backbone._loaded is None
    monkeypatch.setattr("storymem_backbones.diffusion.backbone.smaller_profile", lambda _: "48gb")
    with pytest.raises(GenerationError, match="try profile 48gb"):
        frames(backbone)


@pytest.mark.parametrize("linear_fp8", ["none", "weights"])
def test_streaming_blocks_changes_nothing(make, lora_files, linear_fp8):
    settings = {"loras": (LoraChoice(**lora_files),)}
    streamed = make(profile_changes={"offload": "group", "linear_fp8": linear_fp8}, **settings)
    wanted = frames(make(profile_changes={"linear_fp8": linear_fp8}, **settings), 2, 1)
    assert np.array_equal(frames(streamed, 2, 1), wanted)
    assert np.array_equal(frames(streamed, 2, 1), wanted)


def test_ranks_that_ended_are_started_again(make, monkeypatch):
    from storymem_backbones.wan.parallel import ParallelPipeline

    started = []

    class Ended(ParallelPipeline):
        running = False

        def __init__(self):
            started.append(self)
            self._processes, self._connections = [], []

        def __call__(self, shot, sampling, progress):
            return np.zeros((shot.frames, shot.height, shot.width, 3), np.uint8)

    monkeypatch.setattr("storymem_backbones.wan.backbone.start_pipeline", lambda *_, **__: Ended())
    backbone = make(fresh=True)
    frames(backbone)
    frames(backbone)
    assert len(started) == 2


@pytest.mark.parametrize("linear_fp8", ["weights", "weights_and_activations"])
def test_float8_is_close(make, linear_fp8):
    exact = frames(make(), 2).astype(float)
    made = frames(make(profile_changes={"linear_fp8": linear_fp8}), 2).astype(float)
    assert 0 < np.abs(made - exact).mean() < 8


def test_float8_keeps_loras_unquantized(make, lora_files):
    backbone = make(loras=(LoraChoice(**lora_files),), profile_changes={"linear_fp8": "weights_and_activations"})
    frames(backbone)
    _, pipeline = backbone._loaded
    layer = pipeline.transformer.blocks[0].attn1.to_q
    assert layer.get_base_layer().weight.dtype == torch.float8_e4m3fn
    assert layer.lora_A["m2v"].weight.dtype == torch.float32
    assert backbone._loaded[1].transformer.proj_out.weight.dtype == torch.float32


def test_attention_kernels_that_are_not_there(make):
    for kernel in ("fa3", "sage", "flash"):
        with pytest.raises(SettingsError, match=f"attention {kernel}: .*use attention = native"):
            frames(make(profile_changes={"attention": kernel}))


def test_the_log_says_what_a_lora_changed(make, lora_files, caplog):
    with caplog.at_level(logging.INFO, "storymem_backbones"):
        frames(make(fresh=True, loras=(LoraChoice(**lora_files),)))
    assert "20 layers of the low-noise expert, scale 2" in caplog.text


def test_doctor_looks_for_lora_files(make, lora_files, tmp_path):
    loras = (LoraChoice(high=lora_files["high"], low=tmp_path / "absent.safetensors"),)
    checks = {check.name: check for check in make(fresh=True, loras=loras).doctor()}
    assert checks["lora m2v, high noise"].ok
    assert "does not exist" in checks["lora m2v, low noise"].detail


def test_doctor_predicts_without_loading(make):
    backbone = make(fresh=True)
    checks = {check.name: check for check in backbone.doctor()}
    assert all(check.ok for check in checks.values())
    assert "s a shot" in checks["shot, 10 memory frames"].detail
    assert backbone._loaded is None
    far = {check.name: check for check in make(weights="owner/model", profile="24gb").doctor()}
    assert not far["weights"].ok
    assert "126 GB" in far["weights"].detail
    assert not far["device"].ok
    assert far["shot, 10 memory frames"].ok
