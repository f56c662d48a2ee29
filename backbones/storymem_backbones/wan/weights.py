"""Checking Wan weights from their small files alone: whether they are what M2V needs.

Knows nothing about devices or LoRA.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storymem_backbones.diffusion import weights as shared
from storymem_backbones.diffusion.errors import WeightsError
from storymem_backbones.diffusion.weights import Published, check_component, check_folder, read_config, read_index
from storymem_backbones.wan.geometry import INPUT_CHANNELS, LATENT_CHANNELS

DEFAULT_WEIGHTS = "Wan-AI/Wan2.2-I2V-A14B-Diffusers"
CLASSES = {
    "transformer": "WanTransformer3DModel",
    "vae": "AutoencoderKLWan",
    "text_encoder": "UMT5EncoderModel",
}
#: Components of every Wan pipeline folder.
FILES = (
    "model_index.json",
    "storymem.json",
    "transformer/*",
    "transformer_2/*",
    "vae/*",
    "text_encoder/*",
    "tokenizer/*",
    "scheduler/*",
    "lora/*",
)
PUBLISHED = Published(DEFAULT_WEIGHTS, "about 126 GB for the two experts, text encoder and VAE", FILES)


@dataclass(frozen=True, slots=True)
class WeightsInfo:
    """What a diffusers-format folder holds.

    Attributes:
        path: The folder.
        experts: Component names, high noise first: ("transformer",) or ("transformer", "transformer_2").
        input_channels: 36 (image-to-video) or 16 (text-to-video).
        transformer: Configuration of one expert.
        vae: Configuration of the VAE.
        text_encoder: Configuration of the text encoder.
    """

    path: Path
    experts: tuple[str, ...]
    input_channels: int
    transformer: dict[str, Any]
    vae: dict[str, Any]
    text_encoder: dict[str, Any]


def locate_weights(weights: str, revision: str | None = None) -> Path:
    """The folder of Wan weights; see `storymem_backbones.diffusion.weights.locate_weights`."""
    return shared.locate_weights(weights, revision, PUBLISHED)


def inspect_weights(path: Path, *, text_to_video: bool = False) -> WeightsInfo:
    """Check a diffusers-format folder.

    Args:
        path: The folder.
        text_to_video: Expect a T2V model (16 input channels) instead of an I2V one (36).

    Raises:
        WeightsError: Naming the component that is missing or wrong and what to do.
    """
    if (path / "high_noise_model").is_dir():
        raise WeightsError(
            f"{path}: the original Wan layout; convert it once: python -m storymem_backbones.wan.original {path} FOLDER"
        )
    index = read_index(path, PUBLISHED)
    for component, wanted in CLASSES.items():
        check_component(path, index, component, wanted, "Wan M2V")
    check_folder(path, "tokenizer")
    experts = _experts(path, index)
    transformer = read_config(path, "transformer")
    for expert in experts:
        _check_transformer(path, expert, read_config(path, expert), text_to_video)
    return WeightsInfo(
        path=path,
        experts=experts,
        input_channels=transformer["in_channels"],
        transformer=transformer,
        vae=read_config(path, "vae"),
        text_encoder=read_config(path, "text_encoder"),
    )


def _experts(path: Path, index: dict[str, Any]) -> tuple[str, ...]:
    listed = index.get("transformer_2", [None, None])[1] is not None
    present = (path / "transformer_2").is_dir()
    two = index.get("boundary_ratio") is not None
    if (two or listed) and not present:
        raise WeightsError(
            f"{path}: the low-noise expert (folder transformer_2) is missing; this model has two: download both"
        )
    if present and not listed:
        raise WeightsError(f"{path}: folder transformer_2 is not listed in model_index.json; add it or remove it")
    return ("transformer", "transformer_2") if present else ("transformer",)


def _check_transformer(path: Path, expert: str, config: dict[str, Any], text_to_video: bool) -> None:
    channels = config.get("in_channels")
    wanted = LATENT_CHANNELS if text_to_video else INPUT_CHANNELS
    if channels != wanted:
        kinds = {LATENT_CHANNELS: "a text-to-video", INPUT_CHANNELS: "an image-to-video"}
        raise WeightsError(
            f"{path}: {expert} has {channels} input channels; needed is {kinds[wanted]} model ({wanted}), "
            f"such as "
            f"{DEFAULT_WEIGHTS if not text_to_video else 'Wan-AI/Wan2.2-T2V-A14B-Diffusers'}"
        )
    if config.get("image_dim") is not None:
        raise WeightsError(f"{path}: {expert} is a Wan 2.1 model with an image encoder; M2V needs Wan 2.2")
