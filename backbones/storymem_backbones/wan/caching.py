"""How many steps each expert denoises, which its cache has to know."""

from typing import Literal

from storymem_backbones.wan.sampler import m2v_scheduler, uses_high_noise
from storymem_backbones.wan.shot import Sampling


def steps_per_expert(sampling: Sampling) -> dict[Literal["high", "low"], int]:
    """How many of the steps each expert denoises."""
    timesteps = m2v_scheduler(sampling.steps, sampling.flow_shift).timesteps.tolist()
    high = sum(uses_high_noise(timestep, sampling.boundary) for timestep in timesteps)
    return {"high": high, "low": len(timesteps) - high}
