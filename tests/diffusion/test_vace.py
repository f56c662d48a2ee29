"""VACE on tiny random weights: the backbone contract, and what is held, ordered, counted and refused."""

import shutil

import numpy as np
import pytest
import torch

from storymem.errors import Cancelled, SettingsError
from storymem.interfaces import AnchorFrame
from storymem.testing import BackboneContract, shot_request
from storymem_backbones.diffusion.errors import ConditioningError, GenerationError, WeightsError
from storymem_backbones.diffusion.frames import to_frames
from storymem_backbones.diffusion.manifest import write_facts
from storymem_backbones.vace.backbone import VaceBackbone
from storymem_backbones.vace.conditioning import control_video, encode
from storymem_backbones.vace.estimate import VACE_1_3B, VACE_14B, count_forward
from storymem_backbones.vace.settings import VaceSettings


def silent(done, total):
    """Progress nobody looks at."""


@pytest.fixture(scope="module")
def backbone(vace_folder):
    made = VaceBackbone(VaceSettings(weights=str(vace_folder), profile="cpu"))
    yield made
    made.close()


class TestVaceContract(BackboneContract):
    handover_error = None  # random weights repeat nothing but what the tiny VAE makes of it

    @pytest.fixture
    def backbone(self, backbone):
        return backbone

    @pytest.mark.xfail(reason="in 8 bits memory is lost in what random weights make of it; see the test below")
    def test_seed_and_memory_matter(self, backbone):
        super().test_seed_and_memory_matter(backbone)


@pytest.mark.parametrize("handed_over", [0, 1])
def test_memory_reaches_what_the_transformer_predicts(backbone, handed_over):
    seen = []
    transformer = backbone._pipeline().transformer
    hook = transformer.register_forward_hook(lambda module, inputs, out: seen.append(out[0].clone()))
    try:
        for seed in (0, 1):
            changed = shot_request(
                "a fox", (48, 32), 9, 5, memory=pictures(1, seed), handover=pictures(1, 7) if handed_over else None
            )
            backbone.generate(changed, silent)
    finally:
        hook.remove()
    first, second = seen[0], seen[len(seen) // 2]
    shown = first[:, :, 1:] - second[:, :, 1:]  # the reference's own latent frame is in front
    assert shown.abs().max() > 1e-4 * first.abs().max()


def pictures(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 32, 48, 3), dtype=np.uint8)


def request(memory=0, handed_over=0, anchors=(), **fields):
    last = pictures(handed_over, 1) if handed_over else None
    return shot_request("a fox", (48, 32), 9, 5, memory=pictures(memory), handover=last, anchors=anchors, **fields)


def anchor(frame, seed=3):
    return AnchorFrame(frame, f"picture {seed}", pixels=pictures(1, seed)[0])


def through_the_vae(backbone, frames):
    vae = backbone._pipeline().vae
    latents = encode(vae, frames, torch.device("cpu"))
    mean, std = (torch.tensor(v).view(1, -1, 1, 1, 1) for v in (vae.config.latents_mean, vae.config.latents_std))
    with torch.no_grad():
        return to_frames(vae.decode(latents * std + mean, return_dict=False)[0][0])


@pytest.mark.parametrize("memory", [0, 2])
@pytest.mark.parametrize("handed_over", [1, 5])
def test_the_handover_is_exactly_what_the_vae_makes_of_it(backbone, memory, handed_over):
    asked = request(memory, handed_over)
    clip = backbone.generate(asked, silent).frames
    wanted = through_the_vae(backbone, asked.handover_frames)
    assert np.abs(clip[:handed_over].astype(int) - wanted).max() <= 1


def test_without_holding_it_drifts(backbone, vace_folder):
    asked = request(0, 5)
    loose = VaceBackbone(VaceSettings(weights=str(vace_folder), profile="cpu", hold=False))
    wanted = through_the_vae(backbone, asked.handover_frames)
    assert np.abs(loose.generate(asked, silent).frames[:5].astype(int) - wanted).max() > 5


def test_an_anchor_at_the_first_frame_is_held_as_a_handover_is(backbone):
    clip = backbone.generate(request(1, anchors=(anchor(0),)), silent).frames
    wanted = through_the_vae(backbone, pictures(1, 3))
    assert np.abs(clip[:1].astype(int) - wanted).max() <= 1


def test_an_anchor_at_the_last_frame_reaches_the_model(backbone):
    plain, first, other = (
        backbone.generate(request(1, 1, anchors=held), silent).frames for held in ((), (anchor(8),), (anchor(8, 4),))
    )
    assert not np.array_equal(plain, first)
    assert not np.array_equal(first, other)


def test_what_is_known_and_what_is_to_be_made():
    made = control_video(request(0, 5, anchors=(anchor(8),)))
    assert made["video"].shape == made["mask"].shape == (1, 9, 32, 48, 3)
    assert made["mask"][0, :, 0, 0, 0].tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 0]
    assert (made["video"][0, 5:8] == 0.5).all()
    assert np.array_equal(np.rint(made["video"][0, :5] * 255), pictures(5, 1))
    assert control_video(request(2)) == {}


def test_references_reach_the_transformer_in_the_order_of_recall(backbone, monkeypatch):
    pipeline = backbone._pipeline()
    seen = []
    prepare = type(pipeline).prepare_video_latents

    def watched(self, *args, **kwargs):
        seen.append(prepare(self, *args, **kwargs))
        return seen[-1]

    monkeypatch.setattr(type(pipeline), "prepare_video_latents", watched)
    backbone.generate(request(2), silent)
    for index, picture in enumerate(pictures(2)):
        alone = encode(pipeline.vae, picture[None], torch.device("cpu"))[0, :, 0]
        assert torch.allclose(seen[0][0, :16, index], alone, atol=1e-4), "references are out of order"


def test_more_references_than_latent_frames_are_refused(backbone):
    with pytest.raises(ConditioningError, match="4 memory keyframes for 9 frames: VACE takes at most 3"):
        backbone.generate(request(4), silent)


def test_options_of_one_shot_and_the_number_of_passes(backbone):
    told = []
    backbone.generate(request(1, options={"steps": 3}), lambda *step: told.append(step))
    assert told == [(n, 6) for n in range(7)]
    told.clear()
    backbone.generate(request(1, options={"guidance": 1.0}), lambda *step: told.append(step))
    assert told == [(n, 2) for n in range(3)]
    assert backbone.shot_options <= set(VaceSettings.model_fields)


def test_two_experts(two_expert_folder):
    settings = VaceSettings(weights=str(two_expert_folder), profile="cpu", steps=4)
    both = VaceBackbone(settings)
    told = []
    clip = both.generate(request(1, 1), lambda *step: told.append(step))
    assert told[-1] == (8, 8)
    other = VaceBackbone(settings.model_copy(update={"guidance_low": 1.5})).generate(request(1, 1), silent)
    assert not np.array_equal(clip.frames, other.frames)


def test_cancelling_between_passes_leaves_it_usable(backbone):
    def stop(done, total):
        if done == 2:
            raise Cancelled("stop")

    with pytest.raises(Cancelled):
        backbone.generate(request(1), stop)
    assert len(backbone.generate(request(1), silent)) == 9


@pytest.mark.parametrize("offload", ["group", "none"])
@pytest.mark.parametrize("linear_fp8", ["none", "weights"])
def test_streaming_blocks_changes_nothing(backbone, vace_folder, offload, linear_fp8):
    changes = {"offload": offload, "linear_fp8": linear_fp8}
    made = VaceBackbone(VaceSettings(weights=str(vace_folder), profile="cpu", profile_changes=changes))
    same = np.array_equal(made.generate(request(2, 1), silent).frames, backbone.generate(request(2, 1), silent).frames)
    assert same == (linear_fp8 == "none")


def test_numbers_that_stop_being_finite_are_named(vace_folder):
    broken = VaceBackbone(VaceSettings(weights=str(vace_folder), profile="cpu"))
    with torch.no_grad():
        broken._pipeline().transformer.proj_out.bias.fill_(float("nan"))
    with pytest.raises(GenerationError, match="not finite in forward pass 1 of 4"):
        broken.generate(request(), silent)


def test_a_full_gpu_is_explained(vace_folder, monkeypatch):
    full = VaceBackbone(VaceSettings(weights=str(vace_folder), profile="cpu"))

    def fail(*args, **kwargs):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(type(full._pipeline()), "encode_prompt", fail)
    with pytest.raises(GenerationError, match="out of GPU memory with profile cpu: make fewer frames"):
        full.generate(request(), silent)
    assert full._loaded is None


def test_the_fingerprint_covers_what_changes_the_picture_and_nothing_else(vace_folder, tmp_path, monkeypatch):
    def of(**settings):
        return VaceBackbone(VaceSettings(**{"weights": str(vace_folder), "profile": "cpu", **settings})).fingerprint()

    base = of()
    assert of(profile_changes={"compile": True, "offload": "group"}) == base
    assert of(weights=str(shutil.copytree(vace_folder, tmp_path / "copy"))) == base
    others = [{"steps": 4}, {"hold": False}, {"flow_shift": 5.0}, {"profile_changes": {"dtype": "bfloat16"}}]
    assert len({base, *(of(**other) for other in others)}) == len(others) + 1
    monkeypatch.setattr("storymem_backbones.diffusion.backbone.diffusers_version", lambda: "99.0")
    assert of() != base


def test_another_models_folder_is_refused(tiny_wan_folder):
    wrong = VaceBackbone(VaceSettings(weights=str(tiny_wan_folder), profile="cpu"))
    message = "component transformer is a WanTransformer3DModel; Wan-VACE needs a WanVACETransformer3DModel"
    with pytest.raises(WeightsError, match=message):
        wrong.generate(request(), silent)
    assert not next(check for check in wrong.doctor() if check.name == "weights").ok


@pytest.fixture
def tiny_wan_folder(tmp_path):
    from storymem_backbones.wan.tiny_random import write_tiny_pipeline

    return write_tiny_pipeline(tmp_path / "wan", experts=1)


def test_doctor_speaks_of_licence_weights_device_and_shots(backbone):
    checks = {check.name: check for check in backbone.doctor()}
    assert "Apache-2.0" in checks["licence"].detail
    assert all(check.ok for check in checks.values())
    far = VaceBackbone(VaceSettings(profile="24gb"))
    told = {check.name: check for check in far.doctor()}
    assert "20 GB" in told["weights"].detail
    assert "s a shot" in told["shot, 4 memory frames"].detail
    assert far._loaded is None


def test_several_gpus_are_refused(vace_folder):
    settings = VaceSettings(weights=str(vace_folder), profile="cpu", profile_changes={"gpus": 2})
    with pytest.raises(SettingsError, match="Wan-VACE runs on one GPU"):
        VaceBackbone(settings).generate(request(), silent)


def test_the_published_models_are_counted():
    """17.3 billion parameters and a block of 670 MiB in bfloat16 were measured of the 14B model."""
    large = count_forward(VACE_14B, (832, 480), 21, 512)
    assert large.parameters == pytest.approx(17.3e9, rel=0.01)
    assert large.block * 2 / 2**20 == pytest.approx(770, rel=0.15)
    small = count_forward(VACE_1_3B, (832, 480), 21, 512)
    assert count_forward(VACE_1_3B, (832, 480), 25, 512).flops > small.flops


def test_facts_of_a_folder(vace_folder, tmp_path):
    copy = shutil.copytree(vace_folder, tmp_path / "copy")
    facts = VaceBackbone(VaceSettings(weights=str(copy)))._facts()
    write_facts(copy, facts.model_copy(update={"fps": 24}))
    assert VaceBackbone(VaceSettings(weights=str(copy))).capabilities().fps == 24
