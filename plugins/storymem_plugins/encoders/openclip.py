"""Models of the open_clip library: published tags, local files, custom configs, ``hf-hub:`` and ``local-dir:`` names.

The library is imported when the first model is asked for, so that a broken torchvision is one clear line.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from storymem.errors import PluginError, SettingsError, StoryMemError
from storymem_plugins.encoders.pictures import Preprocessing
from storymem_plugins.encoders.settings import OpenClipSettings
from storymem_plugins.encoders.towers import TowerEncoder, Towers
from storymem_plugins.encoders.weights import content_hash

_LOCAL, _HUB = "local-dir:", "hf-hub:"
_PRECISION = {torch.float32: "fp32", torch.float16: "fp16", torch.bfloat16: "bf16"}


class OpenClipEncoder(TowerEncoder[OpenClipSettings]):
    """A model of the open_clip library."""

    def __init__(self, settings: OpenClipSettings | None = None) -> None:
        super().__init__(settings)
        self._hash: str | None = None

    def weights(self) -> Mapping[str, str]:
        """See :meth:`Encoder.weights`."""
        return {f"{self.settings.model} {self.settings.pretrained}": self.weights_hash()}

    def weights_hash(self) -> str:
        """See :meth:`TowerEncoder.weights_hash`; downloads what is not there yet."""
        if self._hash is None:
            library, name = _library(), self._model_name()
            files = _weight_files(library, name, self.settings.pretrained)
            config = json.dumps(_config(library, name), sort_keys=True, default=str)
            pictures = self.settings.model_dump_json(include={"mean", "std", "interpolation"})
            self._hash = hashlib.sha256(f"{content_hash(files)}\n{config}\n{pictures}".encode()).hexdigest()
        return self._hash

    def load(self, device: torch.device, dtype: torch.dtype) -> Towers:
        """See :meth:`TowerEncoder.load`."""
        library, name = _library(), self._model_name()
        try:
            model = _create(library, name, self.settings.pretrained, device, dtype)
            tokenizer = library.get_tokenizer(name)
        except StoryMemError:
            raise
        except Exception as error:  # torch, safetensors and the library each raise their own for damaged files
            raise PluginError(f"encoder open_clip: {name} cannot be loaded: {_line(error)}") from error

        def texts(sentences: list[str]) -> Tensor:
            features: Tensor = model.encode_text(tokenizer(sentences).to(device))
            return features

        return Towers(
            images=model.encode_image,
            texts=texts,
            dimension=int(_config(library, name)["embed_dim"]),
            preprocessing=_preprocessing(model.visual.preprocess_cfg, self.settings),
        )

    def _model_name(self) -> str:
        """Return the name the library knows the model by, after telling it about a custom config."""
        config = self.settings.config
        if config is None:
            return self.settings.model
        if not config.is_file():
            raise SettingsError(f"encoder open_clip: {config}: no such file; set encoder.config to a model config")
        try:
            missing = {"embed_dim", "vision_cfg", "text_cfg"} - set(json.loads(config.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise SettingsError(f"encoder open_clip: {config}: cannot be read as JSON ({_line(error)})") from error
        if missing:
            raise SettingsError(f"encoder open_clip: {config}: lacks {', '.join(sorted(missing))}")
        _library().add_model_config(config)
        return config.stem


def _library() -> Any:
    """Import open_clip.

    Raises:
        PluginError: It cannot be imported, most often because torchvision was built for another torch.
    """
    try:
        import open_clip
    except (ImportError, RuntimeError, OSError, AttributeError) as error:
        cause = "torchvision does not match torch" if "torchvision" in str(error) else "it is broken"
        raise PluginError(
            f"encoder open_clip: open_clip cannot be imported, {cause} {torch.__version__}: {_line(error)}; "
            "install the torchvision made for this torch, or use encoder=clip, which needs none"
        ) from error
    return open_clip


def _config(library: Any, name: str) -> Mapping[str, Any]:
    if name.startswith(_LOCAL):
        file = Path(name.removeprefix(_LOCAL)) / "open_clip_config.json"
        try:
            config = json.loads(file.read_text(encoding="utf-8"))["model_cfg"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SettingsError(f"encoder open_clip: {file}: is no model config ({_line(error)})") from error
    else:
        config = library.get_model_config(name if name.startswith(_HUB) else name.replace("/", "-"))
    if not config:
        raise SettingsError(
            f"encoder open_clip: unknown model {name!r}; see open_clip.list_models(), or give encoder.config"
        )
    found: Mapping[str, Any] = config
    return found


def _weight_files(library: Any, name: str, pretrained: str) -> list[Path]:
    """Return the files the weights are read from, downloading them if they are on a hub."""
    if name.startswith(_LOCAL):
        folder = Path(name.removeprefix(_LOCAL))
        files = [f for suffix in ("safetensors", "bin", "pt", "pth") for f in sorted(folder.glob(f"*.{suffix}"))]
        if not files:
            raise SettingsError(f"encoder open_clip: {folder}: has no weights (.safetensors, .bin, .pt)")
        return files
    _config(library, name)
    try:
        if name.startswith(_HUB):
            return [Path(library.download_pretrained_from_hf(name.removeprefix(_HUB)))]
        tag = library.get_pretrained_cfg(name.replace("/", "-"), pretrained)
        if tag:
            return [Path(library.download_pretrained(tag))]
    except Exception as error:  # urllib, the hub client and the library raise many kinds
        raise SettingsError(
            f"encoder open_clip: {name}/{pretrained} cannot be downloaded ({_line(error)}); "
            "set encoder.pretrained to a local weights file"
        ) from error
    if not Path(pretrained).is_file():
        tags = ", ".join(library.list_pretrained_tags_by_model(name)) or "none"
        raise SettingsError(
            f"encoder open_clip: {pretrained!r} is neither a file nor a tag of {name}; its tags: {tags}"
        )
    return [Path(pretrained)]


def _create(library: Any, name: str, pretrained: str, device: torch.device, dtype: torch.dtype) -> Any:
    has_scheme = name.startswith((_LOCAL, _HUB))
    tag = {} if has_scheme else library.get_pretrained_cfg(name.replace("/", "-"), pretrained) or {}
    model = library.create_model(
        name,
        pretrained=None if has_scheme else pretrained,
        precision=_PRECISION[dtype],
        device=device,
        # OpenAI's weights need another activation than the config of the same name; the tag knows.
        force_quick_gelu=bool(tag.get("quick_gelu", False)),
        require_pretrained=True,
    )
    return model.eval().requires_grad_(False)


def _preprocessing(config: Mapping[str, Any], settings: OpenClipSettings) -> Preprocessing:
    size = config["size"]
    interpolation = settings.interpolation or config["interpolation"]
    height, width = (size, size) if isinstance(size, int) else size
    return Preprocessing(
        height=height,
        width=width,
        mean=settings.mean or tuple(config["mean"]),
        std=settings.std or tuple(config["std"]),
        interpolation="bilinear" if interpolation == "bilinear" else "bicubic",
        fit=settings.fit,
    )


def _line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0] if text else ''}"
