"""Train the embedded model from nothing, stage by stage, and write it as a pipeline folder.

    accelerate launch --num_processes 2 -m storymem_storyworld.train.retrain_tiny --out DIR

Stages (each can be run alone; later ones read what earlier ones left in DIR/work): `vae`, `text`, `base`, `lora`,
`export`. The paper's order: VAE, single-shot model, then only a LoRA for memory. With --start-from, parts that are not
trained again are those of an earlier model, and the stages continue from it:

    python -m storymem_storyworld.train.retrain_tiny --out DIR --start-from FOLDER --stages base lora export \
        --first-story 1000000

Every run begins with the same stories unless --first-story says otherwise; a model that continues had better see new
ones than those of its earlier runs again.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel
from transformers import UMT5EncoderModel

from storymem_backbones.training.draw import SampleSettings, StoryDraws
from storymem_backbones.training.flow import SigmaRange
from storymem_backbones.training.lora_loop import LoopSettings, LoraJob, LoraSettings, LoraTrainer
from storymem_storyworld.train.base import BaseSettings, base_model, train_base
from storymem_storyworld.train.export_tiny import LORA as EXPORTED_LORA
from storymem_storyworld.train.export_tiny import export_tiny
from storymem_storyworld.train.stories import CLIPS_PER_STORY, ClipPool
from storymem_storyworld.train.story_pool import KEYFRAMES, PoolSize, StoryPool
from storymem_storyworld.train.text import Captions, TextSettings, frozen_text, train_text
from storymem_storyworld.train.vae import VAESettings, channels_last, train_vae

if TYPE_CHECKING:
    from accelerate import Accelerator

STAGES = ("vae", "text", "base", "lora", "export")
_SEEDS_PER_SHARE, _BASE_SHARE, _TEST_SHARE, _TEXT_SHARE, _LORA_SHARE = 10_000_000, 20, 50, 60, 70
LORA = LoraSettings(
    rank=64,
    alpha=64,
    optimizer="muon",
    learning_rate=8e-4,
    decay_to_zero=True,
    warmup_steps=200,
    weight_decay=0.0,
    memory_weight=0.2,
)
LOOP = LoopSettings(
    seconds=330,
    steps=1_000_000,
    batch_size=64,
    gradient_checkpointing=False,
    small_model=True,
    compile=True,
    save_every=1_000_000,
    log_every=100,
)
# Mostly without a given frame: it tells a look as well as memory does.
SAMPLES = SampleSettings(max_memory=8, no_memory=0.06, first_frame=0.25, text_dropout=0.05)
LORA_SHIFT = 6.0  # colours are decided at high noise levels, where memory alone knows them


def _first_seed(arguments: argparse.Namespace, share: int) -> int:
    """Of the training stories of one share of all seeds: shares, each for a rank of a stage, have none in common."""
    return _SEEDS_PER_SHARE * share + int(arguments.first_story)


def _stage_vae(accelerator: Accelerator, arguments: argparse.Namespace) -> None:
    device, rank = accelerator.device, accelerator.process_index
    pool = ClipPool(arguments.pool, _first_seed(arguments, rank), device)
    test = ClipPool(min(arguments.pool, 512), _SEEDS_PER_SHARE * _TEST_SHARE, device)
    start = arguments.start_from and arguments.start_from / "vae"
    given = {"start_from": start, "image_seconds": 0} if start else {}
    settings = VAESettings(**{**given, **json.loads(arguments.vae)})
    train_vae(pool, test, accelerator, settings, arguments.out / "work" / "vae")


def _stage_text(accelerator: Accelerator, arguments: argparse.Namespace) -> None:
    if not accelerator.is_main_process:
        return
    start = arguments.start_from and arguments.start_from / "text_encoder"
    given = {"start_from": start, "anchor": 1.0} if start else {}  # the base continues and knows the old embeddings
    settings = TextSettings(**{**given, **json.loads(arguments.text)})
    captions = Captions(_first_seed(arguments, _TEXT_SHARE), settings.stories, accelerator.device)
    train_text(captions, settings, accelerator.device, arguments.out / "work" / "text_encoder")


def _encoder(accelerator: Accelerator, arguments: argparse.Namespace) -> UMT5EncoderModel:
    encoder = UMT5EncoderModel.from_pretrained(arguments.out / "work" / "text_encoder")
    return encoder.float().to(accelerator.device).eval()


def _pool(
    accelerator: Accelerator, arguments: argparse.Namespace, encoder: UMT5EncoderModel, first_share: int
) -> StoryPool:
    vae = AutoencoderKLWan.from_pretrained(arguments.out / "work" / "vae").float().requires_grad_(False)
    size = PoolSize(**json.loads(arguments.stories))
    seed = _first_seed(arguments, accelerator.process_index + first_share)
    return StoryPool(channels_last(vae.to(accelerator.device)), seed, frozen_text(encoder), size)


def _stage_base(accelerator: Accelerator, arguments: argparse.Namespace) -> None:
    settings = BaseSettings(**{"start_from": arguments.start_from, **json.loads(arguments.base)})
    encoder = _encoder(accelerator, arguments)
    model = base_model(settings, encoder.config.d_model).to(accelerator.device)
    pool = _pool(accelerator, arguments, encoder, _BASE_SHARE)
    train_base(model, pool, accelerator, settings, arguments.out / "work")


def _stage_lora(accelerator: Accelerator, arguments: argparse.Namespace) -> None:
    work = arguments.out / "work"
    encoder = _encoder(accelerator, arguments)
    transformer = WanTransformer3DModel.from_pretrained(work / "transformer").float().to(accelerator.device)
    loop = LoopSettings(**{**LOOP.model_dump(), **json.loads(arguments.loop)})
    start = arguments.start_from and arguments.start_from / EXPORTED_LORA
    lora = LoraSettings(**{**LORA.model_dump(), "start_from": start, **json.loads(arguments.lora)})
    pool = _pool(accelerator, arguments, encoder, _LORA_SHARE)
    draws = StoryDraws([CLIPS_PER_STORY] * pool.size.stories, KEYFRAMES, SAMPLES, loop.seed)
    sigmas = SigmaRange(arguments.lora_shift, density="logit_normal")
    LoraTrainer(transformer, draws, pool, LoraJob(sigmas, lora, loop, work, "backbone"), accelerator).train()


def _stage_export(accelerator: Accelerator, arguments: argparse.Namespace) -> None:
    if accelerator.is_main_process:
        export_tiny(arguments.out / "work", arguments.out / "tiny")


def _bring_parts(start: Path, work: Path) -> None:
    """Copy what the stages read from each other and is not there yet."""
    for part in ("vae", "transformer", "text_encoder"):
        if not (work / part).exists():
            shutil.copytree(start / part, work / part)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="where the model and the stages' results go")
    parser.add_argument("--start-from", type=Path, help="model folder to continue from, such as the shipped one")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=STAGES)
    parser.add_argument("--pool", type=int, default=4096, help="clips held on each GPU while the VAE trains")
    parser.add_argument("--stories", default="{}", help="PoolSize of each GPU's encoded stories that differs, as JSON")
    parser.add_argument("--first-story", type=int, default=0, help=f"see above; below {_SEEDS_PER_SHARE:,}")
    parser.add_argument("--precision", choices=("bf16", "no"), default="bf16")
    parser.add_argument("--vae", default="{}", help="VAESettings that differ, as JSON")
    parser.add_argument("--text", default="{}", help="TextSettings that differ, as JSON")
    parser.add_argument("--base", default="{}", help="BaseSettings that differ, as JSON")
    parser.add_argument("--lora", default="{}", help="LoraSettings that differ, as JSON")
    parser.add_argument("--lora-shift", type=float, default=LORA_SHIFT, help="shift of the LoRA's noise levels")
    parser.add_argument("--loop", default="{}", help="LoopSettings of the LoRA stage that differ, as JSON")
    arguments = parser.parse_args()
    if not 0 <= arguments.first_story < _SEEDS_PER_SHARE:
        parser.error(f"--first-story {arguments.first_story}: give a number from 0 to {_SEEDS_PER_SHARE - 1}")
    return arguments


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
        "text": _stage_text,
        "base": _stage_base,
        "lora": _stage_lora,
        "export": _stage_export,
    }
    for stage in STAGES:
        if stage in arguments.stages:
            run[stage](accelerator, arguments)
            accelerator.wait_for_everyone()
    accelerator.end_training()


if __name__ == "__main__":
    main()
