"""Clips as the embedded model shows them: still the same clips, only with a model's faults."""

import torch

from storymem_storyworld.draw.render import render
from storymem_storyworld.tiny.settings import WEIGHTS
from storymem_storyworld.train.readout_pool import joined, regenerated_pool, rendered_pool, training_specs
from storymem_storyworld.train.regenerated import Regenerator

CPU, MODEL = torch.device("cpu"), WEIGHTS


def psnr(made: torch.Tensor, wanted: torch.Tensor) -> float:
    return float(10 * torch.log10(255**2 / (made.float() - wanted.float()).square().mean()))


def test_little_noise_leaves_a_clip_as_it_is_and_more_changes_it_more() -> None:
    specs = training_specs(1, 1)
    clips = render(specs).transpose(1, 2)
    truth = ((clips + 1) * 127.5).transpose(1, 2)
    again = Regenerator(MODEL, CPU)
    found = [psnr(again(specs, clips, noise, torch.Generator().manual_seed(0)), truth) for noise in (0.02, 0.6)]
    assert found[0] > 25  # the VAE itself: about 30
    assert 12 < found[1] < found[0]


def test_a_pool_of_them_has_their_truth_and_joins_renders() -> None:
    shown = regenerated_pool(2, MODEL, CPU, seed=4)
    both = joined(rendered_pool(2, CPU), shown)
    assert shown.clips.shape == (2, 9, 3, 96, 160)
    assert shown.clips.dtype == torch.uint8
    assert both.clips.shape[0] == both.truth.present.shape[0] == 4
    assert torch.equal(both.truth.place[2:], shown.truth.place)
