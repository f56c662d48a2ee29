"""Step caching through diffusers: faster shots that are not quite the same picture.

Knows nothing about shots or settings files.
"""

from typing import Any, Literal

from storymem.errors import SettingsError
from storymem_backbones.diffusion.settings import Caching


def cache_config(caching: Caching, expert: Literal["high", "low"], steps: int) -> Any:
    """The diffusers configuration of a caching method for one expert.

    Args:
        caching: What the settings say.
        expert: Which.
        steps: Denoising steps of this expert in a shot.

    Raises:
        SettingsError: If the method lacks what it needs.
    """
    import torch
    from diffusers import FirstBlockCacheConfig, MagCacheConfig, TaylorSeerCacheConfig

    if caching.method == "first_block":
        return FirstBlockCacheConfig(threshold=caching.threshold)
    if caching.method == "taylorseer":
        # Lite: predicts the output of the last layer. diffusers' default layer names do not match Wan's, and
        # caching all
        # of its attention and feed-forward layers would take over 100 GB at 832x480.
        return TaylorSeerCacheConfig(
            cache_interval=caching.interval,
            max_order=caching.order,
            disable_cache_before_step=caching.first_steps,
            taylor_factors_dtype=torch.float32,
            use_lite_mode=True,
        )
    ratios = caching.ratios_high if expert == "high" else caching.ratios_low
    if len(ratios) != steps:
        raise SettingsError(
            f"caching.ratios_{expert}: magcache needs one magnitude ratio for each of the {steps} steps of this "
            f"expert, "
            f"got {len(ratios)}; measure them: python -m storymem_backbones.wan.calibrate"
        )
    return MagCacheConfig(threshold=caching.threshold, num_inference_steps=steps, mag_ratios=list(ratios))
