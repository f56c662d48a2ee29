"""A tiny VACE folder with random weights, for tests and for trying the backbone without the real weights.

    python -m storymem_backbones.vace.tiny_random FOLDER

Real diffusers classes in the real folder layout, only small. Its pictures are noise: it shows that everything runs.
"""

from pathlib import Path

import torch
from diffusers import UniPCMultistepScheduler, WanVACEPipeline, WanVACETransformer3DModel

from storymem_backbones.diffusion.manifest import NativeFacts, write_facts
from storymem_backbones.diffusion.quiet import quiet_libraries
from storymem_backbones.diffusion.tiny_folders import main
from storymem_backbones.wan.geometry import LATENT_CHANNELS
from storymem_backbones.wan.tiny_random import TINY_TRANSFORMER, byte_tokenizer, tiny_text_encoder, tiny_vae

LATENT_GAIN = 100


def write_tiny_pipeline(folder: Path, *, experts: int = 1, seed: int = 0) -> Path:
    """Write a random pipeline and return its folder.

    Args:
        folder: Where to; made if need be.
        experts: 1, or 2 as in Wan2.2.
        seed: Of the weights.
    """
    with quiet_libraries(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        WanVACEPipeline(
            tokenizer=byte_tokenizer(),
            text_encoder=tiny_text_encoder(),
            vae=tiny_vae(),
            scheduler=UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0),
            transformer=_transformer(),
            transformer_2=_transformer() if experts == 2 else None,
            boundary_ratio=0.875 if experts == 2 else None,
        ).save_pretrained(folder)
    write_facts(folder, NativeFacts(width=48, height=32, frames=9, fps=8, text_tokens=64, steps=2))
    return folder


def _transformer() -> WanVACETransformer3DModel:
    model = WanVACETransformer3DModel(
        in_channels=LATENT_CHANNELS,
        vace_layers=[0],
        vace_in_channels=96,
        **TINY_TRANSFORMER,
    )
    # As initialised, what is known hardly reaches the picture and would be lost in its rounding: the random VAE gives
    # nearly the same latents for any picture, beside masks of 0 and 1. The latents' channels come before the mask's.
    with torch.no_grad():
        model.vace_patch_embedding.weight[:, : 2 * LATENT_CHANNELS].mul_(LATENT_GAIN)
    for block in model.vace_blocks:
        torch.nn.init.normal_(block.proj_out.weight)
    return model.eval()


if __name__ == "__main__":
    main(write_tiny_pipeline, "VACE")
