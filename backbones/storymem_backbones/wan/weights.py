"""Finding Wan weights and checking from their small files alone that they are what M2V needs.

Reads JSON only and loads no model, so a wrong folder is refused in milliseconds. Knows nothing about devices
or LoRA.
"""

import errno
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storymem_backbones.wan.errors import WeightsError
from storymem_backbones.wan.geometry import INPUT_CHANNELS, LATENT_CHANNELS

DEFAULT_WEIGHTS = "Wan-AI/Wan2.2-I2V-A14B-Diffusers"
_A14B_SIZE = "about 126 GB for the two experts, text encoder and VAE"
_HUB_ID = re.compile(r"^[\w.-]+/[\w.-]+$")
_COMMIT = re.compile(r"^[0-9a-f]{40}$")
_CLASSES = {
    "transformer": "WanTransformer3DModel",
    "vae": "AutoencoderKLWan",
    "text_encoder": "UMT5EncoderModel",
}
_FILES = [
    "model_index.json",
    "storymem.json",
    "transformer/*",
    "transformer_2/*",
    "vae/*",
    "text_encoder/*",
    "tokenizer/*",
    "scheduler/*",
    "lora/*",
]


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
    """The folder that `weights` means: a path, or a Hugging Face repository, downloaded if need be.

    Args:
        weights: A folder or ``owner/name``.
        revision: Commit hash, required for a repository so that a take always names the weights that made it.

    Raises:
        WeightsError: If there is no such folder or repository, it has no pinned commit, or the disk is full.
    """
    path = Path(weights).expanduser()
    if path.is_dir():
        return path
    if path.is_absolute() or weights.startswith((".", "~")) or not _HUB_ID.match(weights):
        raise WeightsError(
            f"weights {weights}: no such folder; download the model (hf download {DEFAULT_WEIGHTS} "
            f"--local-dir FOLDER, "
            f"{_A14B_SIZE}) or give a Hugging Face repository"
        )
    if revision is None or not _COMMIT.match(revision):
        raise WeightsError(
            f"weights {weights}: set revision to the 40-character commit of the repository (its page lists "
            f"them under "
            f"commits), so that takes name the exact weights; the download is {_A14B_SIZE}"
        )
    return _download(weights, revision)


def inspect_weights(path: Path, *, text_to_video: bool = False) -> WeightsInfo:
    """Check a diffusers-format folder.

    Args:
        path: The folder.
        text_to_video: Expect a T2V model (16 input channels) instead of an I2V one (36).

    Raises:
        WeightsError: Naming the component that is missing or wrong and what to do.
    """
    index = _read_json(path / "model_index.json")
    if (path / "high_noise_model").is_dir():
        raise WeightsError(
            f"{path}: the original Wan layout; convert it once: python -m storymem_backbones.wan.original {path} FOLDER"
        )
    if index is None:
        raise WeightsError(f"{path}: no model_index.json; give a folder like that of {DEFAULT_WEIGHTS}")
    for component, wanted in _CLASSES.items():
        _check_component(path, index, component, wanted)
    _check_folder(path, "tokenizer")
    experts = _experts(path, index)
    transformer = _config(path, "transformer")
    for expert in experts:
        _check_transformer(path, expert, _config(path, expert), text_to_video)
    return WeightsInfo(
        path=path,
        experts=experts,
        input_channels=transformer["in_channels"],
        transformer=transformer,
        vae=_config(path, "vae"),
        text_encoder=_config(path, "text_encoder"),
    )


def _download(repository: str, revision: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repository, revision=revision, allow_patterns=_FILES))
    except LocalEntryNotFoundError as error:
        raise WeightsError(f"weights {repository}: not here and no connection; {_A14B_SIZE}") from error
    except (HfHubHTTPError, HFValidationError) as error:
        raise WeightsError(f"weights {repository} at {revision}: download failed ({error!s:.200})") from error
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise WeightsError(
            f"weights {repository}: the disk is full while downloading ({_A14B_SIZE}); free space or set "
            f"HF_HOME to a "
            "folder on a larger disk, then start again: finished files are kept"
        ) from error


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


def _check_component(path: Path, index: dict[str, Any], component: str, wanted: str) -> None:
    found = index.get(component, [None, None])[1]
    if found != wanted:
        what = "is missing" if found is None else f"is a {found}"
        raise WeightsError(f"{path}: component {component} {what}; Wan M2V needs a {wanted}")
    _check_folder(path, component)


def _check_folder(path: Path, component: str) -> None:
    if not (path / component).is_dir():
        raise WeightsError(f"{path}: folder {component} is missing; start the download again")


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


#: Far above any Wan model.
_LARGEST = {
    "num_layers": 500,
    "num_attention_heads": 1_000,
    "attention_head_dim": 4_096,
    "ffn_dim": 500_000,
    "in_channels": 4_096,
    "out_channels": 4_096,
    "text_dim": 100_000,
    "freq_dim": 100_000,
    "rope_max_seq_len": 1_000_000,
}


def _config(path: Path, component: str) -> dict[str, Any]:
    config = _read_json(path / component / "config.json")
    if config is None:
        raise WeightsError(f"{path}: {component}/config.json is missing; start the download again")
    # Building a model takes time and memory by its own word, before any weights are read.
    for key, most in _LARGEST.items():
        value = config.get(key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= most):
            raise WeightsError(f"{path}: {component}/config.json: {key} is {value!r:.40}; must be 1 to {most}")
    return config


def _read_json(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise WeightsError(f"{path}: not valid JSON; download it again") from error
    if not isinstance(content, dict):
        raise WeightsError(f"{path}: not a JSON object; download it again")
    return content
