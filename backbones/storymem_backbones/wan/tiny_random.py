"""A tiny pipeline folder with random weights, for tests and for trying the backbone without the real weights.

    python -m storymem_backbones.wan.tiny_random FOLDER

Real diffusers classes in the real folder layout, only small. Its pictures are noise: it shows that everything runs.
"""

import argparse
from pathlib import Path

import torch
from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast, UMT5Config, UMT5EncoderModel

from storymem_backbones.diffusion.quiet import quiet_libraries
from storymem_backbones.wan.geometry import INPUT_CHANNELS, LATENT_CHANNELS
from storymem_backbones.wan.sampler import M2V_BOUNDARY, m2v_scheduler

TEXT_WIDTH = 32
#: Sizes of tiny transformers, of this and related models; those of the published ones are in their config.json.
TINY_TRANSFORMER = {
    "num_attention_heads": 2,
    "attention_head_dim": 12,
    "out_channels": LATENT_CHANNELS,
    "text_dim": TEXT_WIDTH,
    "freq_dim": 256,
    "ffn_dim": 32,
    "num_layers": 2,
    "rope_max_seq_len": 32,
}


def write_tiny_pipeline(folder: Path, *, experts: int = 2, text_to_video: bool = False, seed: int = 0) -> Path:
    """Write a random pipeline and return its folder.

    Args:
        folder: Where to; made if need be.
        experts: 1 or 2.
        text_to_video: Make transformers with 16 instead of 36 input channels.
        seed: Of the weights.
    """
    with quiet_libraries(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        _random_pipeline(experts, LATENT_CHANNELS if text_to_video else INPUT_CHANNELS).save_pretrained(folder)
    return folder


def _random_pipeline(experts: int, channels: int) -> DiffusionPipeline:
    from diffusers.pipelines.wan.pipeline_wan_i2v import WanImageToVideoPipeline

    return WanImageToVideoPipeline(
        tokenizer=byte_tokenizer(),
        text_encoder=tiny_text_encoder(),
        vae=tiny_vae(),
        scheduler=m2v_scheduler(4),
        transformer=_transformer(channels),
        transformer_2=_transformer(channels) if experts == 2 else None,
        boundary_ratio=M2V_BOUNDARY if experts == 2 else None,
    )


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """A tokenizer of UTF-8 bytes with UMT5's special tokens: any prompt, no vocabulary file, no network."""
    special = ["<pad>", "</s>", "<unk>"]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate([*special, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=512,
    )


def tiny_text_encoder() -> UMT5EncoderModel:
    """A random UMT5 of two layers."""
    config = UMT5Config(
        vocab_size=259,
        d_model=TEXT_WIDTH,
        d_kv=8,
        d_ff=37,
        num_layers=2,
        num_heads=4,
        relative_attention_num_buckets=8,
        pad_token_id=0,
        eos_token_id=1,
        decoder_start_token_id=0,
    )
    return UMT5EncoderModel(config).eval()


def tiny_vae() -> AutoencoderKLWan:
    """A random Wan VAE."""
    vae = AutoencoderKLWan(base_dim=4, z_dim=LATENT_CHANNELS, dim_mult=[1, 1, 1, 1], num_res_blocks=1)
    return vae.eval()


def _transformer(channels: int) -> WanTransformer3DModel:
    return WanTransformer3DModel(
        in_channels=channels,
        **TINY_TRANSFORMER,
    ).eval()


def main() -> None:
    """Command line: write a folder."""
    parser = argparse.ArgumentParser(description="Write a tiny random Wan pipeline folder.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--experts", type=int, choices=(1, 2), default=2)
    parser.add_argument("--text-to-video", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    write_tiny_pipeline(
        arguments.folder,
        experts=arguments.experts,
        text_to_video=arguments.text_to_video,
        seed=arguments.seed,
    )


if __name__ == "__main__":
    main()
