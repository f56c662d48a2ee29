"""Finding the weights of a model, and reading its small files before anything is loaded.

Reads JSON only and loads no model, so a wrong folder is refused in milliseconds.
"""

import errno
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storymem_backbones.diffusion.errors import WeightsError

_HUB_ID = re.compile(r"^[\w.-]+/[\w.-]+$")
_COMMIT = re.compile(r"^[0-9a-f]{40}$")


@dataclass(frozen=True, slots=True)
class Published:
    """Where a model's weights are published.

    Attributes:
        repository: Hugging Face ``owner/name``, in diffusers format.
        download: Its size, in words.
        files: Patterns of what is needed of it.
    """

    repository: str
    download: str
    files: tuple[str, ...]


def local_folder(weights: str) -> Path | None:
    """The folder that `weights` names, if there is one."""
    folder = Path(weights).expanduser()
    return folder if folder.is_dir() else None


def locate_weights(weights: str, revision: str | None, published: Published) -> Path:
    """The folder that `weights` means: a path, or a Hugging Face repository, downloaded if need be.

    Args:
        weights: A folder or ``owner/name``.
        revision: Commit hash, required for a repository so that a take always names the weights that made it.
        published: Named where something is missing.

    Raises:
        WeightsError: If there is no such folder or repository, it has no pinned commit, or the disk is full.
    """
    folder = local_folder(weights)
    if folder is not None:
        return folder
    if Path(weights).expanduser().is_absolute() or weights.startswith((".", "~")) or not _HUB_ID.match(weights):
        raise WeightsError(
            f"weights {weights}: no such folder; download the model (hf download {published.repository} "
            f"--local-dir FOLDER, {published.download}) or give a Hugging Face repository"
        )
    if revision is None or not _COMMIT.match(revision):
        raise WeightsError(
            f"weights {weights}: set revision to the 40-character commit of the repository (its page lists them "
            f"under commits), so that takes name the exact weights; the download is {published.download}"
        )
    return _download(weights, revision, published)


def read_index(folder: Path, published: Published) -> dict[str, Any]:
    """The folder's ``model_index.json``.

    Raises:
        WeightsError: If it has none.
    """
    index = _read_json(folder / "model_index.json")
    if index is None:
        raise WeightsError(f"{folder}: no model_index.json; give a folder like that of {published.repository}")
    return index


def check_component(folder: Path, index: dict[str, Any], component: str, wanted: str, model: str) -> None:
    """Raise :class:`WeightsError` unless a component is there and of the class that the model needs."""
    found = index.get(component, [None, None])[1]
    if found != wanted:
        what = "is missing" if found is None else f"is a {found}"
        raise WeightsError(f"{folder}: component {component} {what}; {model} needs a {wanted}")
    check_folder(folder, component)


def check_folder(folder: Path, component: str) -> None:
    """Raise :class:`WeightsError` unless a component has its folder."""
    if not (folder / component).is_dir():
        raise WeightsError(f"{folder}: folder {component} is missing; start the download again")


#: Far above any model there is.
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


def read_config(folder: Path, component: str) -> dict[str, Any]:
    """The configuration of a component.

    Raises:
        WeightsError: If there is none, or a size in it is absurd.
    """
    config = _read_json(folder / component / "config.json")
    if config is None:
        raise WeightsError(f"{folder}: {component}/config.json is missing; start the download again")
    # Building a model takes time and memory by its own word, before any weights are read.
    for key, most in _LARGEST.items():
        value = config.get(key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= most):
            raise WeightsError(f"{folder}: {component}/config.json: {key} is {value!r:.40}; must be 1 to {most}")
    return config


def _download(repository: str, revision: str, published: Published) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repository, revision=revision, allow_patterns=list(published.files)))
    except LocalEntryNotFoundError as error:
        raise WeightsError(f"weights {repository}: not here and no connection; {published.download}") from error
    except (HfHubHTTPError, HFValidationError) as error:
        raise WeightsError(f"weights {repository} at {revision}: download failed ({error!s:.200})") from error
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise WeightsError(
            f"weights {repository}: the disk is full while downloading ({published.download}); free space or set "
            f"HF_HOME to a folder on a larger disk, then start again: finished files are kept"
        ) from error


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
