"""A whole shot with random full-size weights: what is not denoising, peak memory, and a card of a given size.

    python benchmarks/wan_shot.py --profile 141gb --forward 4.4 --out benchmarks/results/wan_shot_141gb.json
    python benchmarks/wan_shot.py --profile 24gb --limit-gib 23 --out benchmarks/results/wan_shot_24gb.json
    python benchmarks/wan_shot.py --profile 141gb --change linear_fp8=weights --out benchmarks/results/wan_shot_fp8.json
    python benchmarks/wan_shot.py --tiny --profile cpu          # smoke test on a CPU

`--forward` is the measured seconds of one forward pass (wan_forward.py); the 40-step shot is taken as 80 of them.
Without it, the steps made here are scaled to 40. `--limit-gib` lets the process use that much GPU memory and no
more. Needs ftfy, as diffusers does to clean prompts.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from wan_common import machine, peak_gib, random_expert, size_of, synchronise, write_result

from storymem_backbones.diffusion.placement import optimise, place
from storymem_backbones.diffusion.profiles import resolve_profile
from storymem_backbones.wan.estimate import UMT5_XXL, estimate_shot
from storymem_backbones.wan.pipeline import WanMemoryPipeline
from storymem_backbones.wan.sampler import m2v_scheduler
from storymem_backbones.wan.shot import Sampling, clip_request, latent_shape


def main() -> None:
    arguments = parse()
    changes = dict(change.split("=", 1) for change in arguments.change)
    profile = resolve_profile(arguments.profile, {**changes, **({"compile": False} if arguments.no_compile else {})})
    size = size_of(arguments.tiny, arguments.memory)
    device = torch.device(profile.device)
    sampling = Sampling(steps=arguments.steps)
    pipeline = random_pipeline(size.config, profile, arguments.tiny)
    if arguments.limit_gib:
        total = torch.cuda.get_device_properties(device).total_memory
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(arguments.limit_gib * 2**30 / total)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    optimise(pipeline, profile)
    place(pipeline, profile)
    runs = [make_shot(pipeline, size, sampling, device, seed) for seed in range(arguments.shots)]
    denoising = 80 * arguments.forward if arguments.forward else runs[-1]["denoise"] * 40 / sampling.steps
    other = sum(value for name, value in runs[-1].items() if name != "denoise")
    expected = estimate_shot(
        profile, Sampling(), size=(size.width, size.height), frames=size.frames, memory=size.memory, loras=0
    )
    write_result(
        arguments.out,
        {
            **machine(),
            "profile": arguments.profile,
            "changes": changes,
            "size": f"{size.width}x{size.height}x{size.frames}, M={size.memory}",
            "steps_made": sampling.steps,
            "shots_seconds": runs,
            "denoising_of_40_steps": denoising,
            "not_denoising": other,
            "share_not_denoising": other / (other + denoising),
            "peak_gib": peak_gib(device),
            "reserved_gib": torch.cuda.max_memory_reserved() / 2**30 if device.type == "cuda" else 0.0,
            "estimated_gib": expected.gpu_bytes / 2**30,
            "limit_gib": arguments.limit_gib,
        },
    )


def random_pipeline(config: dict[str, Any], profile: Any, tiny: bool) -> WanMemoryPipeline:
    """Two random experts, a random text encoder and VAE of full or toy size, in host memory."""
    from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan
    from transformers import UMT5Config, UMT5EncoderModel

    from storymem_backbones.wan.tiny_random import byte_tokenizer

    device, dtype = torch.device(profile.device), getattr(torch, profile.dtype)
    experts = [random_expert(config, device, dtype).to("cpu") for _ in range(2)]
    text = (
        UMT5_XXL
        if not tiny
        else {**UMT5_XXL, "vocab_size": 300, "d_model": 64, "d_ff": 64, "num_layers": 2, "num_heads": 4}
    )
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    with torch.device(device):
        text_encoder = UMT5EncoderModel(UMT5Config(**text)).eval().to("cpu")
    torch.set_default_dtype(before)
    vae = AutoencoderKLWan(**({"base_dim": 8, "num_res_blocks": 1} if tiny else {})).eval()
    pipeline = WanMemoryPipeline(
        tokenizer=byte_tokenizer(),
        text_encoder=text_encoder,
        vae=vae.to(getattr(torch, profile.vae_dtype)),
        scheduler=m2v_scheduler(4),
        transformer=experts[0],
        transformer_2=experts[1],
        boundary_ratio=0.9,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@torch.no_grad()
def make_shot(
    pipeline: WanMemoryPipeline, size: Any, sampling: Sampling, device: torch.device, seed: int
) -> dict[str, float]:
    """Seconds of each stage of one MI2V shot with new memory, a new prompt and a new frame."""
    rng = np.random.default_rng(seed)
    pictures = rng.integers(0, 256, (size.memory + 1, size.height, size.width, 3), dtype=np.uint8)
    shot = clip_request(
        f"a fox walks through the snow {seed}", "blurry", size.width, size.height, size.frames, seed,
        memory=tuple(pictures[1:]), condition=pictures[:1],
    )  # fmt: skip
    parts: dict[str, float] = {}
    with stage(parts, "text", device):
        text = pipeline.encode_text(shot, sampling)
    with stage(parts, "vae_encode", device):
        y = pipeline.encode_conditioning(shot)
    noise = torch.randn(latent_shape(shot), generator=torch.Generator().manual_seed(seed))
    with stage(parts, "denoise", device):
        latents = pipeline.denoise(noise, y, text, sampling, memory_frames=size.memory)
    with stage(parts, "vae_decode", device):
        pipeline.decode(latents[:, :, size.memory :])
    with stage(parts, "hand_back", device):
        pipeline.maybe_free_model_hooks()
    print(parts, flush=True)
    return parts


@contextmanager
def stage(parts: dict[str, float], name: str, device: torch.device) -> Iterator[None]:
    synchronise(device)
    start = time.perf_counter()
    yield
    synchronise(device)
    parts[name] = time.perf_counter() - start


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", default="141gb")
    parser.add_argument("--change", nargs="*", default=[], help="profile fields, such as linear_fp8=weights")
    parser.add_argument("--memory", type=int, default=10)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--shots", type=int, default=2, help="the last one is reported; the first warms up")
    parser.add_argument("--forward", type=float, help="seconds of one forward pass")
    parser.add_argument("--limit-gib", type=float)
    parser.add_argument("--no-compile", action="store_true")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
