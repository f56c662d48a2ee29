"""Turns the original Wan 2.2 release into a folder in diffusers format, once.

    python -m storymem_backbones.wan.original Wan2.2-I2V-A14B FOLDER

Transformers and VAE are converted by diffusers' own converters; the text encoder's names are translated here,
because diffusers has no converter for them. One component is in memory at a time.
"""

import argparse
import json
import re
from pathlib import Path
from typing import Any

import torch
from diffusers.loaders.single_file_utils import (
    convert_wan_transformer_to_diffusers,
    convert_wan_vae_to_diffusers,
)
from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoTokenizer, UMT5Config, UMT5EncoderModel

from storymem_backbones.diffusion.errors import WeightsError
from storymem_backbones.diffusion.quiet import quiet_libraries
from storymem_backbones.diffusion.single_file import fill, keep_precision
from storymem_backbones.wan.sampler import M2V_BOUNDARY, T2V_BOUNDARY, m2v_scheduler

EXPERTS = {"transformer": "high_noise_model", "transformer_2": "low_noise_model"}
TOKENIZER = Path("google/umt5-xxl")
_VAE = "Wan2.1_VAE.pth"
_TEXT = "models_t5_*.pth"

_T5_BLOCK = {
    "norm1": "layer.0.layer_norm",
    "norm2": "layer.1.layer_norm",
    "attn.q": "layer.0.SelfAttention.q",
    "attn.k": "layer.0.SelfAttention.k",
    "attn.v": "layer.0.SelfAttention.v",
    "attn.o": "layer.0.SelfAttention.o",
    "pos_embedding.embedding": "layer.0.SelfAttention.relative_attention_bias",
    "ffn.gate.0": "layer.1.DenseReluDense.wi_0",
    "ffn.fc1": "layer.1.DenseReluDense.wi_1",
    "ffn.fc2": "layer.1.DenseReluDense.wo",
}
_T5_ENDS = {"token_embedding": "shared", "norm": "encoder.final_layer_norm"}


def convert_original(source: Path, target: Path, dtype: torch.dtype = torch.bfloat16) -> Path:
    """Convert a release folder and return the new one.

    Args:
        source: Holds high_noise_model, low_noise_model, Wan2.1_VAE.pth, models_t5_*.pth and google/umt5-xxl.
        target: Must be empty or absent.
        dtype: Of experts and text encoder; what diffusers keeps in float32 and the VAE stay float32.

    Raises:
        WeightsError: If a part is missing or does not fit, or the target is not empty.
    """
    if target.is_dir() and any(target.iterdir()):
        raise WeightsError(f"{target}: not empty; choose a new folder for the converted model")
    text_file = next(iter(sorted(source.glob(_TEXT))), source / _TEXT)
    parts = [*(source / folder for folder in EXPERTS.values()), source / _VAE, text_file, source / TOKENIZER]
    missing = [str(path.relative_to(source)) for path in parts if not path.exists()]
    if missing:
        raise WeightsError(f"{source}: {', '.join(missing)} missing; download the whole Wan2.2-I2V-A14B or T2V-A14B")
    with quiet_libraries():
        channels = [_convert_expert(source / EXPERTS[name], target / name, dtype) for name in EXPERTS]
        _convert_vae(source / _VAE, target / "vae")
        _convert_text_encoder(text_file, target / "text_encoder", dtype)
        tokenizer = AutoTokenizer.from_pretrained(source / TOKENIZER, local_files_only=True)
        tokenizer.save_pretrained(target / "tokenizer")
        m2v_scheduler().save_pretrained(target / "scheduler")
    _write_index(target, type(tokenizer).__name__, text_to_video=channels[0] == 16)
    return target


def translate_text_encoder(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The original text encoder's tensors under UMT5's names."""
    return {_t5_name(key): tensor for key, tensor in state.items()}


def _convert_expert(source: Path, target: Path, dtype: torch.dtype) -> int:
    original = json.loads((source / "config.json").read_text(encoding="utf-8"))
    heads = original["num_heads"]
    state: dict[str, Tensor] = {}
    for file in sorted(source.glob("*.safetensors")):
        state |= load_file(file)
    text_dim = state["text_embedding.0.weight"].shape[1]
    with torch.device("meta"):
        model = WanTransformer3DModel(
            num_attention_heads=heads,
            attention_head_dim=original["dim"] // heads,
            in_channels=original["in_dim"],
            out_channels=original["out_dim"],
            text_dim=text_dim,
            freq_dim=original["freq_dim"],
            ffn_dim=original["ffn_dim"],
            num_layers=original["num_layers"],
            eps=original["eps"],
        )
    fill(
        model,
        keep_precision(convert_wan_transformer_to_diffusers(state), dtype, WanTransformer3DModel),
        source,
        "Wan 2.2",
    )
    model.save_pretrained(target, max_shard_size="10GB")
    return int(original["in_dim"])


def _convert_vae(source: Path, target: Path) -> None:
    state = torch.load(source, map_location="cpu", weights_only=True)
    base = state["encoder.conv1.weight"].shape[0]
    with torch.device("meta"):
        vae = AutoencoderKLWan(base_dim=base)
    fill(vae, {k: v.float() for k, v in convert_wan_vae_to_diffusers(state).items()}, source, "Wan 2.2")
    vae.save_pretrained(target)


def _convert_text_encoder(source: Path, target: Path, dtype: torch.dtype) -> None:
    state = translate_text_encoder(torch.load(source, map_location="cpu", weights_only=True))
    vocabulary, width = state["shared.weight"].shape
    bias = state["encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"]
    inner = state["encoder.block.0.layer.0.SelfAttention.q.weight"].shape[0]
    config = UMT5Config(
        vocab_size=vocabulary,
        d_model=width,
        d_kv=inner // bias.shape[1],
        num_heads=bias.shape[1],
        relative_attention_num_buckets=bias.shape[0],
        d_ff=state["encoder.block.0.layer.1.DenseReluDense.wo.weight"].shape[1],
        num_layers=len({key.split(".")[2] for key in state if key.startswith("encoder.block.")}),
        feed_forward_proj="gated-gelu",
    )
    model = UMT5EncoderModel(config).to(dtype)
    tensors = {name: tensor.to(dtype) for name, tensor in state.items()}
    # The model has its token embeddings under two names.
    tensors["encoder.embed_tokens.weight"] = tensors["shared.weight"]
    fill(model, tensors, source, "Wan 2.2")
    model.save_pretrained(target, max_shard_size="10GB")


def _t5_name(key: str) -> str:
    match = re.fullmatch(r"blocks\.(\d+)\.(.+)\.weight", key)
    if match is not None and match[2] in _T5_BLOCK:
        return f"encoder.block.{match[1]}.{_T5_BLOCK[match[2]]}.weight"
    module = key.removesuffix(".weight")
    return f"{_T5_ENDS[module]}.weight" if module in _T5_ENDS else key


def _write_index(target: Path, tokenizer: str, *, text_to_video: bool) -> None:
    index: dict[str, Any] = {
        "_class_name": "WanPipeline" if text_to_video else "WanImageToVideoPipeline",
        "boundary_ratio": T2V_BOUNDARY if text_to_video else M2V_BOUNDARY,
        "scheduler": ["diffusers", "UniPCMultistepScheduler"],
        "text_encoder": ["transformers", "UMT5EncoderModel"],
        "tokenizer": ["transformers", tokenizer],
        "transformer": ["diffusers", "WanTransformer3DModel"],
        "transformer_2": ["diffusers", "WanTransformer3DModel"],
        "vae": ["diffusers", "AutoencoderKLWan"],
    }
    (target / "model_index.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Convert the original Wan 2.2 release to diffusers format.")
    parser.add_argument("source", type=Path, help="the original release's folder")
    parser.add_argument("target", type=Path, help="a new folder")
    parser.add_argument("--dtype", choices=("bfloat16", "float32"), default="bfloat16")
    arguments = parser.parse_args()
    try:
        convert_original(arguments.source, arguments.target, getattr(torch, arguments.dtype))
    except WeightsError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
