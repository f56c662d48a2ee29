"""The sampler of M2V: UniPC for flow matching on Wan's own sigma grid.

diffusers' default grid runs from 1 to 0.001 and gives other timesteps; the grid here makes each of its UniPC
steps equal the public implementation's to the bit. Knows nothing about models or guidance.
"""

from typing import Any

import numpy as np
import torch
from diffusers.schedulers.scheduling_unipc_multistep import UniPCMultistepScheduler
from numpy.typing import NDArray

from storymem_backbones.diffusion.errors import GeometryError

TRAIN_TIMESTEPS = 1000
M2V_SHIFT = 4.0
M2V_BOUNDARY = 0.9
T2V_BOUNDARY = 0.875


def m2v_sigmas(steps: int) -> NDArray[np.float64]:
    """The sigma grid (steps,) before the shift: from float32(0.999) down, without the final 0.

    Raises:
        GeometryError: If there is not at least one step.
    """
    if steps < 1:
        raise GeometryError(f"{steps} denoising steps: give at least 1")
    return np.linspace(float(np.float32(0.999)), 0.0, steps + 1)[:-1]


def m2v_scheduler(
    steps: int = 40, shift: float = M2V_SHIFT, device: torch.device | str | None = None, **overrides: Any
) -> UniPCMultistepScheduler:
    """A diffusers UniPC scheduler with its timesteps set for M2V.

    Args:
        steps: Denoising steps (40 in the paper).
        shift: Flow shift; 4.0 for M2V, 12.0 for a first shot by a T2V model.
        device: Where `timesteps` (steps,) int64 live; `sigmas` (steps + 1,) float32 stay on the CPU.
        overrides: Further settings of ``UniPCMultistepScheduler``.
    """
    scheduler = UniPCMultistepScheduler(
        **{
            "num_train_timesteps": TRAIN_TIMESTEPS,
            "prediction_type": "flow_prediction",
            "use_flow_sigmas": True,
            "flow_shift": shift,
            **overrides,
        }
    )
    scheduler.set_timesteps(sigmas=m2v_sigmas(steps), device=device)
    return scheduler


def uses_high_noise(timestep: float, boundary: float) -> bool:
    """Whether `timestep` (of 1000) is the high-noise expert's: at or above the boundary (a share of 1)."""
    return timestep >= boundary * TRAIN_TIMESTEPS
