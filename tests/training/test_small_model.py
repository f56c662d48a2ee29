"""What makes training a small model fast or lets it continue from an earlier one: same numbers, fewer operations."""

import pytest
import torch
from pydantic import ValidationError
from training_support import trainer, transformer

from storymem_backbones.training.draw import SampleSettings, StoryDraws
from storymem_backbones.training.errors import TrainingError
from storymem_backbones.training.flow import flow_loss
from storymem_backbones.training.graphed import GraphedSteps, set_learning_rate
from storymem_backbones.training.lora_loop import LoopSettings
from storymem_backbones.training.merged_lora import multiply_merged
from storymem_backbones.wan.lora import add_m2v_lora
from storymem_backbones.wan.lora_file import read_lora
from storymem_backbones.wan.positions import install_memory_rope


def trained(*args, **options):
    return trainer(*args, **options).train()


def factors(path):
    return [tensor for pair in read_lora(path).factors.values() for tensor in pair]


def test_the_small_model_path_trains_the_same_lora(tmp_path):
    plain, small = trained(tmp_path / "plain"), trained(tmp_path / "small", small_model=True)
    assert [loss for _, loss in small.curve] == pytest.approx([loss for _, loss in plain.curve], rel=1e-4)
    for ours, theirs in zip(factors(small.lora), factors(plain.lora), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-2)


def test_muon_trains_a_lora_and_goes_on_from_a_checkpoint(tmp_path):
    whole = trained(tmp_path / "whole", steps=6, optimizer="muon")
    trained(tmp_path / "parts", steps=3, optimizer="muon")
    onward = trainer(tmp_path / "parts", steps=6, optimizer="muon")
    assert onward.resume()
    for ours, theirs in zip(factors(onward.train().lora), factors(whole.lora), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-3)


def test_merged_products_give_the_same_output_and_gradients():
    model = transformer()
    rope = install_memory_rope(model, 5)
    parameters = add_m2v_lora(model, rank=4, alpha=4)
    for parameter in parameters:
        torch.nn.init.normal_(parameter, 0, 0.1)
    inputs = torch.randn(2, 36, 4, 4, 6), torch.tensor([200.0, 900.0]), torch.randn(2, 5, 32)
    rope.memory_frames = 1

    def run():
        out = model(*inputs, return_dict=False)[0]
        return out, torch.autograd.grad(out.square().mean(), parameters)

    plain, gradients = run()
    assert multiply_merged(model) == 20
    merged, again = run()
    torch.testing.assert_close(merged, plain, atol=1e-5, rtol=1e-4)
    for ours, theirs in zip(again, gradients, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-3)


def test_training_goes_on_from_a_lora(tmp_path):
    first = trained(tmp_path / "first")
    onward = trained(tmp_path / "onward", steps=1, start_from=first.lora, learning_rate=1e-12)
    for ours, theirs in zip(factors(onward.lora), factors(first.lora), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-4)


def test_a_lora_of_another_rank_is_refused_with_both_ranks(tmp_path):
    first = trained(tmp_path / "first", steps=1)
    with pytest.raises(TrainingError, match=r"start_from.*rank 4.*rank 8"):
        trained(tmp_path / "onward", start_from=first.lora, rank=8, alpha=8)


def test_recorded_steps_and_gradient_checkpointing_exclude_each_other():
    with pytest.raises(ValidationError, match="gradient_checkpointing = false"):
        LoopSettings(small_model=True)


def test_weights_shift_the_loss_to_where_they_are():
    clean, noise = torch.zeros(1, 16, 3, 2, 2), torch.zeros(1, 16, 3, 2, 2)
    predicted = torch.zeros(1, 16, 3, 2, 2)
    predicted[:, :, 2, 0, 0] = 1  # wrong in one of the four places of the only target latent that counts
    weight = torch.ones(1, 2, 2, 2)
    assert float(flow_loss(predicted, noise - clean, 1, 0.0, weight)) == pytest.approx(1 / 8)
    weight[:, 1, 0, 0] = 5
    assert float(flow_loss(predicted, noise - clean, 1, 0.0, weight)) == pytest.approx(5 / 12)


def test_equal_weights_change_nothing(tmp_path):
    plain = trained(tmp_path / "plain")
    weighted = trained(tmp_path / "weighted", weight=torch.full((8, 3, 4, 4), 2.0))
    assert [loss for _, loss in weighted.curve] == pytest.approx([loss for _, loss in plain.curve], rel=1e-5)


def test_a_share_of_steps_has_no_memory():
    draws = StoryDraws([5, 5], 3, SampleSettings(no_memory=0.25), seed=0)
    memory = torch.tensor([draws(step, 0, 2).memory_clip.shape[1] for step in range(400)])
    assert float((memory == 0).float().mean()) == pytest.approx(0.25, abs=0.06)
    assert int(memory.max()) == 8


def test_the_rope_keeps_the_tables_that_recorded_steps_use():
    rope = install_memory_rope(transformer(), 5)
    rope.kept_tables = 2
    latents = torch.zeros(1, 36, 4, 4, 4)

    def table(memory):
        rope.memory_frames = memory
        return rope(latents)[0]

    first = table(0)
    table(1)
    assert table(0) is first
    table(2)
    assert table(0) is not first


def test_on_a_processor_recorded_steps_are_plain_steps():
    parameter = torch.nn.Parameter(torch.tensor(1.0))
    optimizer = torch.optim.SGD([parameter], lr=0.0)

    def step(target):
        loss = (parameter - target).square()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    run = GraphedSteps(step, torch.device("cpu"))
    set_learning_rate(optimizer, 0.5)
    assert float(run(target=torch.tensor(3.0))) == 4.0
    assert float(parameter.detach()) == 3.0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_on_a_gpu_a_recorded_step_does_what_the_plain_one_does():
    def losses(recorded):
        torch.manual_seed(0)
        layer = torch.nn.Linear(8, 8, device="cuda")
        rate = torch.tensor(0.1, device="cuda")
        optimizer = torch.optim.AdamW(layer.parameters(), lr=rate, fused=True, capturable=True)

        def step(x):
            loss = layer(x).square().mean()
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            return loss.detach()

        run = GraphedSteps(step, torch.device("cuda")) if recorded else step
        found = []
        for index in range(12):
            set_learning_rate(optimizer, 0.1 / (index + 1))
            x = torch.full((4 + 2 * (index % 2), 8), 1.0 + index, device="cuda")
            found.append(float(run(x=x)))
        return found

    assert losses(True) == pytest.approx(losses(False), rel=1e-4)
