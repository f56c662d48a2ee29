"""The embedded CLIP: a transformers CLIPModel of 2.4 M parameters, and the same weights in open_clip's form.

The quality head is one linear layer on the image embedding of length 1, like LAION's first aesthetic predictor.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from storymem_storyworld.clip.stills import TEXT_LENGTH
from storymem_storyworld.language.tokenizer import END, PAD, save_tokenizer, vocabulary

SIDE = 96  # pictures are squashed to a square of this many pixels
DIMENSION = 128
_PATCH, _WIDTH, _LAYERS, _HEADS = 12, 160, 6, 5
_TEXT_WIDTH, _TEXT_LAYERS, _TEXT_HEADS = 128, 2, 4
_NEUTRAL = [0.5, 0.5, 0.5]


def build_clip() -> Any:
    """A CLIPModel with fresh weights."""
    from transformers import CLIPConfig, CLIPModel

    ids = vocabulary(end_last=True)
    text = {
        "vocab_size": len(ids), "hidden_size": _TEXT_WIDTH, "intermediate_size": 4 * _TEXT_WIDTH,
        "num_hidden_layers": _TEXT_LAYERS, "num_attention_heads": _TEXT_HEADS,
        "max_position_embeddings": TEXT_LENGTH, "hidden_act": "gelu", "projection_dim": DIMENSION,
        "pad_token_id": ids[PAD], "eos_token_id": ids[END], "bos_token_id": ids[PAD],
    }  # fmt: skip
    vision = {
        "hidden_size": _WIDTH, "intermediate_size": 4 * _WIDTH, "num_hidden_layers": _LAYERS,
        "num_attention_heads": _HEADS, "image_size": SIDE, "patch_size": _PATCH, "hidden_act": "gelu",
        "projection_dim": DIMENSION,
    }  # fmt: skip
    return CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=DIMENSION))


def to_square(pictures: Tensor) -> Tensor:
    """Pictures (N, 3, H, W) in [-1, 1] as the model takes them: squashed, antialiased; mean and deviation are 0.5."""
    return nn.functional.interpolate(pictures, size=(SIDE, SIDE), mode="bilinear", antialias=True, align_corners=False)


def image_embeddings(model: Any, pictures: Tensor) -> Tensor:
    """Embeddings of length 1, (N, DIMENSION), of pictures (N, 3, H, W) in [-1, 1]."""
    hidden = model.vision_model(pixel_values=to_square(pictures)).pooler_output
    return nn.functional.normalize(model.visual_projection(hidden), dim=-1)


def text_embeddings(model: Any, ids: Tensor) -> Tensor:
    """Embeddings of length 1, (N, DIMENSION), of token ids (N, L)."""
    hidden = model.text_model(input_ids=ids, attention_mask=(ids != 0).long()).pooler_output
    return nn.functional.normalize(model.text_projection(hidden), dim=-1)


def save_clip(model: Any, quality: nn.Linear, folder: Path) -> None:
    """Write model, tokenizer, picture settings and quality head (half precision) into one folder."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    model.half().cpu().save_pretrained(folder)
    save_tokenizer(folder, end_last=True, length=TEXT_LENGTH)
    pictures = {
        "image_processor_type": "CLIPImageProcessor", "do_resize": True, "size": {"height": SIDE, "width": SIDE},
        "resample": 2, "do_center_crop": False, "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True,
        "image_mean": _NEUTRAL, "image_std": _NEUTRAL,
    }  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(pictures, indent=2) + "\n")
    head = {name: value.detach().half().cpu().contiguous() for name, value in quality.state_dict().items()}
    save_file(head, str(folder / "quality_head.safetensors"))


def open_clip_config(tokenizer: str) -> dict[str, Any]:
    """open_clip's description of the model; `tokenizer` is the folder that `save_clip` wrote."""
    ids = vocabulary(end_last=True)
    return {
        "embed_dim": DIMENSION,
        "vision_cfg": {
            "image_size": SIDE, "layers": _LAYERS, "width": _WIDTH, "head_width": _WIDTH // _HEADS,
            "patch_size": _PATCH,
        },
        "text_cfg": {
            "context_length": TEXT_LENGTH, "vocab_size": len(ids), "width": _TEXT_WIDTH, "heads": _TEXT_HEADS,
            "layers": _TEXT_LAYERS, "hf_tokenizer_name": tokenizer, "tokenizer_kwargs": {"clean": "whitespace"},
        },
    }  # fmt: skip


_BLOCK = {
    "ln_1": "layer_norm1", "ln_2": "layer_norm2", "attn.out_proj": "self_attn.out_proj",
    "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2",
}  # fmt: skip


def _blocks(state: dict[str, Tensor], source: str, target: str, layers: int) -> dict[str, Tensor]:
    out: dict[str, Tensor] = {}
    for index in range(layers):
        old, new = f"{source}.encoder.layers.{index}", f"{target}.resblocks.{index}"
        for kind in ("weight", "bias"):
            joined = [state[f"{old}.self_attn.{part}_proj.{kind}"] for part in "qkv"]
            out[f"{new}.attn.in_proj_{kind}"] = torch.cat(joined)
            out |= {f"{new}.{name}.{kind}": state[f"{old}.{theirs}.{kind}"] for name, theirs in _BLOCK.items()}
    return out


def open_clip_state(model: Any) -> dict[str, Tensor]:
    """The model's weights under open_clip's names."""
    state: dict[str, Tensor] = {name: value.detach().contiguous() for name, value in model.state_dict().items()}
    vision, text = "vision_model", "text_model"
    out = {
        "logit_scale": state["logit_scale"],
        "visual.class_embedding": state[f"{vision}.embeddings.class_embedding"],
        "visual.positional_embedding": state[f"{vision}.embeddings.position_embedding.weight"],
        "visual.conv1.weight": state[f"{vision}.embeddings.patch_embedding.weight"],
        "visual.proj": state["visual_projection.weight"].T.contiguous(),
        "token_embedding.weight": state[f"{text}.embeddings.token_embedding.weight"],
        "positional_embedding": state[f"{text}.embeddings.position_embedding.weight"],
        "text_projection": state["text_projection.weight"].T.contiguous(),
    }
    for kind in ("weight", "bias"):
        out[f"visual.ln_pre.{kind}"] = state[f"{vision}.pre_layrnorm.{kind}"]
        out[f"visual.ln_post.{kind}"] = state[f"{vision}.post_layernorm.{kind}"]
        out[f"ln_final.{kind}"] = state[f"{text}.final_layer_norm.{kind}"]
    return (
        out | _blocks(state, vision, "visual.transformer", _LAYERS) | _blocks(state, text, "transformer", _TEXT_LAYERS)
    )


def save_open_clip(model: Any, folder: Path, name: str = "storyworld-clip") -> None:
    """Write `NAME.json` (custom config, tokenizer in the same folder) and `open_clip_model.safetensors`."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_tokenizer(folder, end_last=True, length=TEXT_LENGTH)
    (folder / f"{name}.json").write_text(json.dumps(open_clip_config(str(folder)), indent=2) + "\n")
    save_file(open_clip_state(model), str(folder / "open_clip_model.safetensors"))
