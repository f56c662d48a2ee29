"""Train the embedded model from nothing, stage by stage, and write it as a pipeline folder.

    accelerate launch --num_processes 2 -m storymem_backbones.training.retrain_tiny --out DIR

Stages (each can be run alone; later ones read what earlier ones left in DIR/work): `vae`, `encode`, `base`, `lora`,
`export`. The paper's order: VAE, single-shot model, then only a LoRA for memory. With --start-from, parts that are not
trained anew are those of an earlier model, and `base` and `lora` go on from it:

    python -m storymem_backbones.training.retrain_tiny --out DIR --start-from FOLDER --stages encode base lora export
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel
from safetensors.torch import load_file, save_file
from transformers import UMT5EncoderModel

from storymem_backbones.storyworld.tokenizer import vocabulary
from storymem_backbones.storyworld.train_base import BaseSettings, train_base, with_text
from storymem_backbones.storyworld.train_vae import VAESettings, channels_last, train_vae
from storymem_backbones.training.clips import ClipTensors
from storymem_backbones.training.draw import SampleSettings, StoryDraws
from storymem_backbones.training.export_tiny import LORA as EXPORTED_LORA
from storymem_backbones.training.export_tiny import export_tiny
from storymem_backbones.training.flow import SigmaRange
from storymem_backbones.training.lora_loop import LoopSettings, LoraJob, LoraSettings, LoraTrainer
from storymem_backbones.training.storyworld_stories import CLIPS_PER_STORY, KEYFRAMES, ClipPool, encode_stories

if TYPE_CHECKING:
    from accelerate import Accelerator

STAGES = ("vae", "encode", "base", "lora", "export")
_SEEDS_PER_RANK = 10_000_000
LORA = LoraSettings(
    rank=64, alpha=64, learning_rate=3e-4, decay_to_zero=True, warmup_steps=50, weight_decay=0.0, memory_weight=0.3
)
SAMPLES = SampleSettings(max_memory=8, no_memory=0.08, first_frame=0.25, motion_frames=0.2, text_dropout=0.1)


def _stage_vae(accelerator: Accelerator, arguments: argparse.Namespace) -> None:
    device, rank = accelerator.device, accelerator.process_index
    pool = ClipPool(arguments.pool, _SEEDS_PER_RANK * rank, device)
    test = ClipPool(min(arguments.pool, 512), _SEEDS_PER_RANK * 50, device)
    start = arguments.start_from and arguments.start_from / "vae"
    settings = VAESettings(**{"start_from": start, **json.loads(arguments.vae)})
    train_vae(pool, test, accelerator, settings, arguments.out / "work" / "vae")


def _stage_encode(accelerator: Accelerator, arguments: argparse.Namespace) -> None:
    vae = AutoencoderKLWan.from_pretrained(arguments.out / "work" / "vae").float()
    vae = channels_last(vae.to(accelerator.device))
    seeds = itertools.count(_SEEDS_PER_RANK * (accelerator.process_index + 20))
    clips, tokens = encode_stories(vae, seeds, arguments.stories, accelerator.device)
    kept = {name: value for name, value in vars(clips).items() if value is not None and value.numel()}
    tensors = {name: value.cpu() for name, value in kept.items()} | {"tokens": tokens.cpu()}
    save_file(tensors, _encoded(arguments, accelerator))


def _encoded(arguments: argparse.Namespace, accelerator: Accelerator) -> Path:
    path: Path = arguments.out / "work" / f"encoded-{accelerator.process_index}.safetensors"
    return path


def _load_encoded(arguments: argparse.Namespace, accelerator: Accelerator) -> tuple[ClipTensors, torch.Tensor]:
    tensors = load_file(_encoded(arguments, accelerator), device=str(accelerator.device))
    tokens = tensors.pop("tokens")
    nothing = torch.empty(0, device=accelerator.device)
    return ClipTensors(**tensors, text=nothing, no_text=nothing), tokens


def _stage_base(accelerator: Accelerator, arguments: argparse.Namespace) -> None:
    clips, tokens = _load_encoded(arguments, accelerator)
    settings = BaseSettings(**{"start_from": arguments.start_from, **json.loads(arguments.base)})
    train_base(clips, tokens, len(vocabulary()), accelerator, settings, arguments.out / "work")


def _stage_lora(accelerator: Accelerator, arguments: argparse.Namespace) -> None:
    work = arguments.out / "work"
    clips, tokens = _load_encoded(arguments, accelerator)
    encoder = UMT5EncoderModel.from_pretrained(work / "text_encoder").float().to(accelerator.device).eval()
    transformer = WanTransformer3DModel.from_pretrained(work / "transformer").float().to(accelerator.device)
    loop = LoopSettings(**{"small_model": accelerator.num_processes == 1, **json.loads(arguments.loop)})
    draws = StoryDraws([CLIPS_PER_STORY] * (len(tokens) // CLIPS_PER_STORY), KEYFRAMES, SAMPLES, loop.seed)
    start = arguments.start_from and arguments.start_from / EXPORTED_LORA
    lora = LoraSettings(**{**LORA.model_dump(), "start_from": start, **json.loads(arguments.lora)})
    sigmas = SigmaRange(3.0, density="logit_normal")
    store = with_text(clips, tokens, encoder)
    LoraTrainer(transformer, draws, store, LoraJob(sigmas, lora, loop, work, "backbone"), accelerator).train()


def _stage_export(accelerator: Accelerator, arguments: argparse.Namespace) -> None:
    if accelerator.is_main_process:
        export_tiny(arguments.out / "work", arguments.out / "tiny")


def _bring_parts(start: Path, work: Path) -> None:
    """Copy what the stages read from each other and is not there yet."""
    for part in ("vae", "transformer", "text_encoder"):
        if not (work / part).exists():
            shutil.copytree(start / part, work / part)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train the embedded storyworld model.")
    parser.add_argument("--out", type=Path, required=True, help="where the model and the stages' results go")
    parser.add_argument("--start-from", type=Path, help="model folder to go on from, such as the one that is shipped")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=STAGES)
    parser.add_argument("--pool", type=int, default=4096, help="clips held on each GPU while the VAE trains")
    parser.add_argument("--stories", type=int, default=1500, help="stories encoded on each GPU")
    parser.add_argument("--precision", choices=("bf16", "no"), default="bf16")
    parser.add_argument("--vae", default="{}", help="VAESettings that differ, as JSON")
    parser.add_argument("--base", default="{}", help="BaseSettings that differ, as JSON")
    parser.add_argument("--lora", default="{}", help="LoraSettings that differ, as JSON")
    parser.add_argument(
        "--loop",
        default='{"seconds": 330, "steps": 1000000, "batch_size": 48, "gradient_checkpointing": false, '
        '"compile": true, "save_every": 1000000, "log_every": 50}',
        help="LoopSettings of the LoRA stage, as JSON",
    )
    return parser.parse_args()


def main() -> None:
    """Command line."""
    from accelerate import Accelerator

    arguments = _arguments()
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")
    accelerator = Accelerator(mixed_precision=arguments.precision)
    (arguments.out / "work").mkdir(parents=True, exist_ok=True)
    if arguments.start_from and accelerator.is_main_process:
        _bring_parts(arguments.start_from, arguments.out / "work")
    accelerator.wait_for_everyone()
    run = {
        "vae": _stage_vae,
        "encode": _stage_encode,
        "base": _stage_base,
        "lora": _stage_lora,
        "export": _stage_export,
    }
    for stage in STAGES:
        if stage in arguments.stages:
            run[stage](accelerator, arguments)
            accelerator.wait_for_everyone()


if __name__ == "__main__":
    main()
