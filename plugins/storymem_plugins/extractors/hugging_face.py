"""Loads models of the transformers library from folders, and refuses weights that leave a part of them at random."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transformers import AutoConfig
from transformers.utils import logging

from storymem.errors import PluginError


def read_model(name: str, folder: Path, kind: Any, model_type: str) -> Any:
    """Return a model of class ``kind``, whose config must be of ``model_type``, ready for inference in float32.

    Raises:
        PluginError: The folder holds another model, is damaged, or lacks weights.
    """
    try:
        found = AutoConfig.from_pretrained(folder, local_files_only=True).model_type
        if found == model_type:
            with _quietly():
                model, report = kind.from_pretrained(folder, local_files_only=True, output_loading_info=True)
    except Exception as error:  # torch, safetensors and transformers each raise their own for a damaged file
        line = (str(error).strip().splitlines() or [""])[0][:200]
        raise PluginError(f"{name}: {folder}: cannot be loaded ({type(error).__name__}: {line})") from error
    if found != model_type:
        raise PluginError(f"{name}: {folder}: holds a {found!r} model; it must be {model_type!r}")
    lacking = sorted([*report["missing_keys"], *(str(key[0]) for key in report["mismatched_keys"])])
    if lacking:
        raise PluginError(
            f"{name}: {folder}: the weights lack or do not fit {len(lacking)} tensors, first {lacking[0]}"
        )
    return model.float().eval().requires_grad_(False)


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep the library's progress bars and loading reports out of the caller's own display."""
    bars, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
