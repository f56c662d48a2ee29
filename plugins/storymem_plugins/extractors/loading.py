"""What the extractors on torch share: one loaded model per process, batches, unit length, fingerprints by content."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from storymem.errors import SettingsError
from storymem.interfaces import Encoder
from storymem.values.clip import Frames, check_frames
from storymem_plugins.encoders.pictures import pick_device
from storymem_plugins.encoders.sharing import Shared
from storymem_plugins.encoders.towers import unit_rows
from storymem_plugins.encoders.weights import content_hash
from storymem_plugins.extractors.pictures import to_tensor
from storymem_plugins.extractors.settings import ModelSettings

SettingsT = TypeVar("SettingsT", bound=ModelSettings)
LOADED: Shared[Any] = Shared()


class TorchModel(Encoder[SettingsT], Generic[SettingsT]):
    """An extractor whose model is loaded when it is first asked, and shared by equal extractors."""

    #: What messages call it.
    name: str = ""

    def __init__(self, settings: SettingsT | None = None) -> None:
        super().__init__(settings)
        self._held: tuple[object, Any] | None = None
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type[TorchModel[SettingsT]], tuple[SettingsT]]:
        return type(self), (self.settings,)  # another process loads its own model

    @abstractmethod
    def files(self) -> list[Path]:
        """Return the files that make the model what it is; raises :class:`SettingsError` where one is missing."""

    @abstractmethod
    def load(self) -> Any:
        """Load the model on the CPU, ready for inference."""

    def weights(self) -> Mapping[str, str]:
        """See :meth:`Encoder.weights`."""
        return {file.name: content_hash([file]) for file in self.files()}

    def fingerprint(self) -> str:
        """See :meth:`Plugin.fingerprint`; the files' content counts, not where they lie."""
        return f"{type(self).__name__}/{self.version}/{self.settings.fingerprint()}/{content_hash(self.files())}"

    def close(self) -> None:
        """Let go of the model; it is dropped when no other extractor uses it."""
        with self._lock:
            if self._held is not None:
                LOADED.release(self._held[0])
                self._held = None

    @property
    def device(self) -> torch.device:
        """Where the model runs."""
        try:
            return pick_device(self.settings.device)
        except RuntimeError as error:
            raise SettingsError(f"{self.name}: device {self.settings.device!r}: use cpu, cuda or cuda:N") from error

    def model(self) -> Any:
        """Return the loaded model on its device."""
        with self._lock:
            if self._held is None:
                key, device = (self.fingerprint(), str(self.device)), self.device
                self._held = key, LOADED.acquire(key, lambda: self.load().to(device))
            return self._held[1]

    def existing(self, *paths: Path) -> list[Path]:
        """Return the paths; raises :class:`SettingsError` naming one that is no file."""
        for path in paths:
            if not path.is_file():
                raise SettingsError(f"{self.name}: {path}: no such file")
        return list(paths)

    @torch.inference_mode()
    def rows(self, frames: Frames, embed: Callable[[Tensor], Tensor]) -> NDArray[np.float32]:
        """Return unit rows (N, D) of uint8 frames, a batch at a time; ``embed`` gets uint8 (n, H, W, 3)."""
        check_frames(frames, 4, f"{self.name}: pictures")
        size, device = self.settings.batch_size, self.device
        batches = [to_tensor(frames[i : i + size], device) for i in range(0, len(frames), size)]
        return np.concatenate([unit_rows(embed(batch)) for batch in batches])


def folder_files(name: str, folder: Path) -> list[Path]:
    """Return the configuration, tokenizer and weights of a model folder in the Hugging Face format.

    Raises:
        SettingsError: It is no such folder.
    """
    weights = sorted(folder.glob("model*.safetensors")) or sorted(folder.glob("pytorch_model*.bin"))
    if not (folder / "config.json").is_file() or not weights:
        raise SettingsError(f"{name}: {folder}: is no model folder; it needs config.json and model.safetensors")
    small = [file for pattern in ("*.json", "*.txt", "*.model") for file in sorted(folder.glob(pattern))]
    return [*small, *weights]
