"""CLIP and SigLIP models in the Hugging Face format, from a local folder or the hub, without torchvision."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from torch import Tensor
from torch.nn import functional
from transformers import AutoTokenizer, CLIPModel, SiglipModel
from transformers.utils import logging

from storymem.errors import PluginError, SettingsError
from storymem_plugins.encoders.pictures import CLIP_MEAN, CLIP_STD, Preprocessing
from storymem_plugins.encoders.settings import ClipSettings
from storymem_plugins.encoders.towers import TowerEncoder, Towers
from storymem_plugins.encoders.weights import content_hash

_MODELS = {"clip": CLIPModel, "siglip": SiglipModel}
_SMALL_FILES = ["*.json", "*.txt", "*.model"]
_RESAMPLING = {2: "bilinear", 3: "bicubic"}  # the numbers Pillow gives them, as stored in processor configs


class ClipEncoder(TowerEncoder[ClipSettings]):
    """A CLIP or SigLIP model of the transformers library."""

    def __init__(self, settings: ClipSettings | None = None) -> None:
        super().__init__(settings)
        self._folder: Path | None = None

    def fingerprint(self) -> str:
        """See :meth:`Plugin.fingerprint`."""
        cut = "/cut" if self.settings.long_text == "cut" else ""
        return super().fingerprint() + cut

    def weights(self) -> Mapping[str, str]:
        """See :meth:`Encoder.weights`."""
        return {Path(self.settings.model).name: self.weights_hash()}

    def weights_hash(self) -> str:
        """See :meth:`TowerEncoder.weights_hash`."""
        folder = self._model_folder()
        small = (file for pattern in _SMALL_FILES for file in folder.glob(pattern))
        return content_hash([*small, *_weight_files(folder)])

    def load(self, device: torch.device, dtype: torch.dtype) -> Towers:
        """See :meth:`TowerEncoder.load`."""
        folder = self._model_folder()
        model = _read_model(folder, dtype).to(device)
        config = model.config
        preprocessing = _preprocessing(folder, config, self.settings.fit)
        texts = _TextTower(model, _read_tokenizer(folder), device, self.settings.long_text == "windows")
        return Towers(
            images=lambda pixels: model.get_image_features(pixel_values=pixels).pooler_output,
            texts=texts,
            dimension=_dimension(config),
            preprocessing=preprocessing,
        )

    def _model_folder(self) -> Path:
        if self._folder is None:
            self._folder = _find_folder(self.settings.model, self.settings.revision)
            if not _weight_files(self._folder):
                raise SettingsError(
                    f"encoder clip: {self._folder}: has no weights (model.safetensors or pytorch_model.bin); "
                    "download them, or set encoder.model to a complete folder"
                )
        return self._folder


class _TextTower:
    """Tokenizes as the model was trained: CLIP attends to what is there, SigLIP always to its full context.

    Shot prompts are often longer than the 77 or 64 tokens of that context. They are read in windows, whose
    embeddings are averaged, so that the end of a prompt counts too.
    """

    def __init__(self, model: Any, tokenizer: Any, device: torch.device, windows: bool) -> None:
        self._model, self._tokenizer, self._device = model, tokenizer, device
        self._is_clip = model.config.model_type == "clip"
        self._windows = windows and bool(tokenizer.is_fast)  # the others cannot say where a window belongs: they cut
        self._length = model.config.text_config.max_position_embeddings

    def __call__(self, texts: list[str]) -> Tensor:
        """Embed N sentences, (N, D)."""
        tokens = self._tokenizer(
            texts,
            padding=True if self._is_clip else "max_length",
            truncation=True,
            max_length=self._length,
            return_overflowing_tokens=self._windows,
            return_tensors="pt",
        )
        inputs = {"input_ids": tokens["input_ids"].to(self._device)}
        if self._is_clip:
            inputs["attention_mask"] = tokens["attention_mask"].to(self._device)
        rows = functional.normalize(self._model.get_text_features(**inputs).pooler_output.float(), dim=1)
        if not self._windows:
            return rows
        of_text = tokens["overflow_to_sample_mapping"].to(self._device)
        return rows.new_zeros(len(texts), rows.shape[1]).index_add_(0, of_text, rows)


def _find_folder(model: str, revision: str | None) -> Path:
    local = Path(model).expanduser()
    if local.is_dir():
        return local
    if local.is_absolute() or model.startswith((".", "~")) or model.count("/") > 1:
        raise SettingsError(f"encoder clip: {model}: no such folder; set encoder.model to a CLIP or SigLIP folder")
    try:
        return _download(model, revision)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise SettingsError(
            f"encoder clip: {model}: not a folder, and not to be had from the Hugging Face hub ({reason}); "
            "set encoder.model to a local folder"
        ) from error


def _download(model: str, revision: str | None) -> Path:
    folder = Path(snapshot_download(model, revision=revision, allow_patterns=[*_SMALL_FILES, "model*.safetensors"]))
    if not _weight_files(folder):
        snapshot_download(model, revision=revision, allow_patterns=["pytorch_model.bin"])
    return folder


def _weight_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("model*.safetensors")) or sorted(folder.glob("pytorch_model*.bin"))


def _read_json(file: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"encoder clip: {file}: cannot be read as JSON ({error})") from error
    if not isinstance(content, dict):
        raise SettingsError(f"encoder clip: {file}: must hold a JSON object")
    return content


def _read_model(folder: Path, dtype: torch.dtype) -> Any:
    """Load the model and refuse weights that leave a part of it at random."""
    kind = _read_json(folder / "config.json").get("model_type")
    if kind not in _MODELS:
        raise SettingsError(f"encoder clip: {folder}: holds a {kind!r} model; it must be {' or '.join(_MODELS)}")
    try:
        with _no_progress_bars():
            model, report = _MODELS[kind].from_pretrained(folder, dtype=dtype, output_loading_info=True)
    except Exception as error:  # torch, safetensors and transformers each raise their own for a damaged file
        raise PluginError(f"encoder clip: {folder}: cannot be loaded: {_line(error)}; download it again") from error
    lacking = sorted([*report["missing_keys"], *(str(key[0]) for key in report["mismatched_keys"])])
    if lacking:
        raise PluginError(
            f"encoder clip: {folder}: the weights lack or do not fit {len(lacking)} tensors, first {lacking[0]}; "
            "download the model again"
        )
    return model.eval().requires_grad_(False)


@contextmanager
def _no_progress_bars() -> Iterator[None]:
    """Keep the library's bars out of the caller's own display."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _read_tokenizer(folder: Path) -> Any:
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
    except Exception as error:  # the library raises many kinds for a damaged or missing tokenizer
        raise PluginError(f"encoder clip: {folder}: has no usable tokenizer: {_line(error)}") from error
    if tokenizer.pad_token is None:
        raise PluginError(f"encoder clip: {folder}: its tokenizer has no pad token; add one to tokenizer_config.json")
    return tokenizer


def _dimension(config: Any) -> int:
    return int(config.projection_dim if config.model_type == "clip" else config.vision_config.hidden_size)


def _preprocessing(folder: Path, config: Any, fit: Any) -> Preprocessing:
    """Read the model's picture settings; the published defaults of its kind where it has none."""
    side = config.vision_config.image_size
    neutral = (0.5, 0.5, 0.5)
    mean, std = (CLIP_MEAN, CLIP_STD) if config.model_type == "clip" else (neutral, neutral)
    stored = _processor_config(folder)
    return Preprocessing(
        height=side,
        width=side,
        mean=tuple(stored.get("image_mean") or mean),
        std=tuple(stored.get("image_std") or std),
        interpolation=_RESAMPLING.get(stored.get("resample", 3), "bicubic"),  # type: ignore[arg-type]
        fit=fit,
    )


def _processor_config(folder: Path) -> Mapping[str, Any]:
    for name in ("preprocessor_config.json", "processor_config.json"):
        if (folder / name).is_file():
            content = _read_json(folder / name)
            nested = content.get("image_processor")
            return nested if isinstance(nested, dict) else content
    return {}


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"
