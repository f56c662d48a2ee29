"""Settings of the VACE backbone. Plain data: importing this module imports no torch."""

from pydantic import Field

from storymem_backbones.diffusion.settings import DiffusionSettings
from storymem_backbones.diffusion.weights import Published
from storymem_backbones.wan.weights import FILES

PUBLISHED = Published(
    "Wan-AI/Wan2.1-VACE-1.3B-diffusers", "about 20 GB for transformer, text encoder and VAE (14B: about 80 GB)", FILES
)


class VaceSettings(DiffusionSettings):
    """What is None is taken from the model folder, or else from what is published of Wan2.1-VACE.

    Attributes:
        weights: Folder or repository of Wan2.1-VACE 1.3B or 14B, or of a Wan2.2 VACE with two experts.
        max_memory: Most keyframes a shot is shown; each is one latent frame more to compute.
        flow_shift: Of the sigma grid: 3 suits 480p, 5 suits 720p.
        guidance: Classifier-free guidance of the high-noise (or only) expert; 1 switches it off.
        guidance_low: Of the low-noise expert, where there are two; the same if None.
        conditioning_scale: How much references and held frames count.
        hold: Write the clean latents of the frames that open the clip again at the last step, so that they are
            exactly what the VAE makes of them.
    """

    weights: str = PUBLISHED.repository
    max_memory: int = Field(4, ge=1, le=16)
    flow_shift: float = Field(3.0, gt=0)
    guidance: float | None = Field(None, ge=1)
    guidance_low: float | None = Field(None, ge=1)
    conditioning_scale: float = Field(1.0, ge=0)
    hold: bool = True
