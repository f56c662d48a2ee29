"""The sigma grid and the boundary between experts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storymem_backbones.diffusion.errors import GeometryError
from storymem_backbones.wan import m2v_scheduler, m2v_sigmas
from storymem_backbones.wan.sampler import uses_high_noise


@given(st.integers(1, 100), st.floats(1, 20))
def test_grid_falls_from_the_top_to_zero(steps, shift):
    scheduler = m2v_scheduler(steps, shift)
    sigmas = scheduler.sigmas.numpy()
    assert len(sigmas) == steps + 1 == len(scheduler.timesteps) + 1
    assert sigmas[-1] == 0
    assert np.all(np.diff(sigmas) < 0)
    assert sigmas[0] < 1


def test_no_steps_are_refused():
    with pytest.raises(GeometryError, match="0 denoising steps"):
        m2v_sigmas(0)


def test_the_boundary_belongs_to_the_high_noise_expert():
    assert uses_high_noise(900, 0.9)
    assert not uses_high_noise(899, 0.9)
    assert uses_high_noise(875, 0.875)
