"""UniPC timesteps, sigmas and trajectories equal the public implementation's."""

import pytest
import torch

from storymem_backbones.wan import m2v_scheduler


@pytest.mark.parametrize(("steps", "shift"), [(4, 5), (20, 4)])
def test_grid(unipc_golden, steps, shift):
    scheduler = m2v_scheduler(steps, float(shift))
    assert scheduler.timesteps.tolist() == unipc_golden.array(f"N{steps}_shift{shift}_timesteps").tolist()
    assert torch.equal(scheduler.sigmas, unipc_golden.tensor(f"N{steps}_shift{shift}_sigmas"))


@pytest.mark.parametrize(("steps", "shift"), [(4, 5), (20, 4)])
def test_trajectory(unipc_golden, steps, shift):
    generator = torch.Generator().manual_seed(3)
    outputs = [torch.randn(1, 16, 2, 4, 4, generator=generator) for _ in range(steps)]
    x = torch.randn(1, 16, 2, 4, 4, generator=generator)
    scheduler = m2v_scheduler(steps, float(shift))
    kept = []
    for number, (timestep, output) in enumerate(zip(scheduler.timesteps, outputs, strict=True), start=1):
        x = scheduler.step(output, timestep, x, return_dict=False)[0]
        kept.append((number, x))
    wanted = unipc_golden.tensor(f"N{steps}_shift{shift}_traj_every5")
    after = [1, 2, 3, steps // 2 + 1, steps]
    got = torch.stack([dict(kept)[n] for n in after])
    # The same arithmetic, to the last bit on the processor that wrote the golden file; others round sums otherwise.
    torch.testing.assert_close(got, wanted, atol=2e-6, rtol=0)
