"""The numerical pieces of training, each against its definition."""

import pytest
import torch
from diffusers import AutoencoderKLWan

from storymem_backbones.training.batch import M2VBatch
from storymem_backbones.training.budget import Budget, one_cycle
from storymem_backbones.training.flow import SigmaRange, add_noise, flow_loss
from storymem_backbones.training.muon import Muon, orthogonalised
from storymem_backbones.wan.conditioning import conditioning_mask
from storymem_storyworld.train.full_clip import decode_clip, encode_clip, encode_normalised
from storymem_storyworld.train.vae import ReconstructionLoss, VAESettings, inflate, new_vae

SMALL = {"base_dim": 4, "z_dim": 16, "num_res_blocks": 1}
PATCHED = {"in_channels": 12, "out_channels": 12, "patch_size": 2, "temperal_downsample": [True, True]}


@pytest.mark.parametrize(
    "config",
    [
        {**SMALL, "dim_mult": [1, 1, 2, 2]},
        {**SMALL, **PATCHED, "dim_mult": [1, 2, 2]},
        {**SMALL, **PATCHED, "dim_mult": [1, 2, 2], "is_residual": True},
    ],
    ids=["plain", "patched", "residual"],
)
@pytest.mark.parametrize("frames", [1, 9])  # one, and three chunks: first, second and later ones differ
def test_one_pass_over_a_clip_equals_the_chunked_vae(config, frames):
    torch.manual_seed(0)
    vae = AutoencoderKLWan(**config).eval()
    pixels = torch.rand(2, 3, frames, 16, 32) * 2 - 1
    with torch.no_grad():
        chunked = vae.encode(pixels).latent_dist.mode()
        torch.testing.assert_close(encode_clip(vae, pixels), chunked, atol=1e-5, rtol=1e-4)
        decoded = vae.decode(chunked).sample
        torch.testing.assert_close(decode_clip(vae, chunked).clamp(-1, 1), decoded, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("contrast", [0.5, 2.0])
def test_a_vae_is_told_to_keep_contrast_and_nothing_else_changes(contrast, monkeypatch):
    generator = torch.Generator().manual_seed(0)
    clips, figures = torch.randn(2, 3, 5, 16, 16, generator=generator), torch.zeros(2, 1, 5, 16, 16)
    monkeypatch.setattr("storymem_storyworld.train.vae.decode_clip", lambda vae, latents: contrast * clips)
    vae = new_vae(VAESettings(base_dim=4, decoder_base_dim=4))

    def loss(weight):
        return ReconstructionLoss(vae, VAESettings(contrast_weight=weight))(clips, figures)[0]

    assert (loss(3.0) - loss(0.0)).item() == pytest.approx(3 * (contrast - 1) ** 2, rel=1e-3)


def test_normalised_latents_use_the_config_of_the_vae():
    torch.manual_seed(0)
    vae = AutoencoderKLWan(**SMALL, dim_mult=[1, 1, 1, 1], latents_mean=[0.5] * 16, latents_std=[2.0] * 16)
    pixels = torch.rand(1, 3, 5, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(encode_normalised(vae, pixels), (encode_clip(vae, pixels) - 0.5) / 2)


def test_an_inflated_vae_treats_a_still_clip_like_its_picture():
    torch.manual_seed(0)
    vae = new_vae(VAESettings(base_dim=4, decoder_base_dim=4))
    picture = torch.rand(1, 3, 1, 32, 32) * 2 - 1
    inflate(vae)
    with torch.no_grad():
        alone = decode_clip(vae, encode_clip(vae, picture))
        clip = decode_clip(vae, encode_clip(vae, picture.expand(-1, -1, 17, -1, -1)))
    torch.testing.assert_close(clip, alone.expand(-1, -1, 17, -1, -1), atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(("known", "frames"), [(0, 0), (1, 1), (2, 5)])
def test_conditioning_of_a_batch_equals_that_of_inference(known, frames):
    batch = M2VBatch(
        torch.zeros(1, 16, 5, 2, 3),
        torch.randn(1, 16, 3, 2, 3),
        torch.randn(1, 16, 5, 2, 3),
        torch.tensor([known]),
        torch.zeros(1, 4, 8),
    )
    y = batch.conditioning()
    expected = conditioning_mask(3, 5, frames)
    assert torch.equal(y[0, :4, :, 0, 0], expected)
    assert torch.equal(y[:, 4:, :3], batch.memory)
    assert torch.equal(y[:, 4:, 3:], batch.condition)


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.9, 1.0), (0.0, 0.9)])
def test_noise_levels_fill_the_experts_range_as_a_shifted_uniform_does(low, high):
    generator = torch.Generator().manual_seed(0)
    drawn = SigmaRange(5.0, low, high).draw(20000, generator)
    assert low <= float(drawn.min()) < float(drawn.max()) <= high
    base = torch.rand(200000, generator=generator)
    whole = 5 * base / (1 + 4 * base)
    expected = whole[(whole >= low) & (whole <= high)]
    for share in (0.1, 0.5, 0.9):
        assert float(drawn.quantile(share)) == pytest.approx(float(expected[:100000].quantile(share)), abs=0.01)


def test_the_loss_is_that_of_the_flow_on_target_latents_alone():
    clean, noise = torch.randn(2, 16, 5, 2, 2), torch.randn(2, 16, 5, 2, 2)
    right = noise - clean
    wrong_memory = right.clone()
    wrong_memory[:, :, :2] += 1
    assert float(flow_loss(right, noise - clean, 2, 0.0)) == 0
    assert float(flow_loss(wrong_memory, noise - clean, 2, 0.0)) == 0
    assert float(flow_loss(wrong_memory, noise - clean, 2, 0.5)) == pytest.approx(0.5)
    assert torch.equal(add_noise(clean, noise, torch.tensor([0.0, 1.0]))[0], clean[0])


def test_muon_steps_matrices_together_as_it_would_alone():
    torch.manual_seed(0)
    start = [torch.randn(6, 4), torch.randn(6, 4), torch.randn(6, 2, 2)]
    gradients = [torch.randn_like(t) for t in start]

    def stepped(groups):
        parameters = [torch.nn.Parameter(t.clone()) for t in start]
        for group in groups:
            optimizer = Muon([parameters[i] for i in group], lr=0.1)
            for i in group:
                parameters[i].grad = gradients[i].clone()
            optimizer.step()
        return parameters

    for together, alone in zip(stepped([[0, 1, 2]]), stepped([[0], [1], [2]]), strict=True):
        torch.testing.assert_close(together, alone)
    singular = torch.linalg.svdvals(orthogonalised(torch.randn(3, 8, 5)).float())
    assert float(singular.min()) > 0.5
    assert float(singular.max()) < 1.3


def test_a_budget_of_steps_ends_with_its_last_step():
    budget = Budget(4, None, torch.device("cpu"))
    assert [budget.progress(step) for step in range(5)] == [0, 0.25, 0.5, 0.75, 1]
    with pytest.raises(ValueError, match="steps or seconds"):
        Budget(None, None, torch.device("cpu"))
    factors = [one_cycle(p / 100) for p in range(101)]
    assert max(factors) == pytest.approx(1)
    assert factors[0] == factors[-1] == pytest.approx(0.01)
