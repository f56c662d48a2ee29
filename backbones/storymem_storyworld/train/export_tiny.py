"""Write the trained parts as the embedded model: a diffusers pipeline folder in 16-bit weights, with its M2V LoRA."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKLWan, WanImageToVideoPipeline, WanTransformer3DModel
from transformers import UMT5EncoderModel

from storymem_backbones.diffusion.quiet import quiet_libraries
from storymem_backbones.wan.lora_file import LoraWeights, read_lora, write_lora
from storymem_backbones.wan.manifest import Manifest, write_manifest
from storymem_backbones.wan.sampler import m2v_scheduler
from storymem_storyworld.language.tokenizer import build_tokenizer, save_tokenizer

LORA = "lora/backbone.safetensors"
MANIFEST = Manifest(
    width=160,
    height=96,
    frames=17,
    fps=8,
    text_tokens=32,
    max_memory=8,
    steps=8,
    flow_shift=4.0,
    guidance=1.0,
    memory_guidance=2.0,
    match_handover=True,
    lora=LORA,
)


def export_tiny(work: Path, folder: Path) -> Path:
    """Assemble `vae`, `transformer`, `text_encoder` and `backbone.safetensors` of `work` into `folder`.

    The VAE is stored in float16 (its weights are small and plain), the others in bfloat16.
    """
    with quiet_libraries():
        WanImageToVideoPipeline(
            tokenizer=build_tokenizer(),
            text_encoder=UMT5EncoderModel.from_pretrained(work / "text_encoder").to(torch.bfloat16),
            vae=AutoencoderKLWan.from_pretrained(work / "vae").to(torch.float16),
            scheduler=m2v_scheduler(8, 4.0),
            transformer=WanTransformer3DModel.from_pretrained(work / "transformer").to(torch.bfloat16),
            transformer_2=None,
        ).save_pretrained(folder)
    shutil.rmtree(folder / "tokenizer")
    save_tokenizer(folder / "tokenizer")
    lora = read_lora(work / "backbone.safetensors")
    halves = {name: (a.bfloat16(), b.bfloat16()) for name, (a, b) in lora.factors.items()}
    write_lora(LoraWeights(halves, lora.rank, lora.alpha, lora.rslora), folder / LORA)
    write_manifest(folder, MANIFEST)
    for component in ("vae", "transformer", "text_encoder"):
        _forget_origin(folder / component / "config.json")
    return folder


def _forget_origin(path: Path) -> None:
    """Remove the folder of the training machine from a configuration."""
    config = json.loads(path.read_text())
    config.pop("_name_or_path", None)
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
