"""What the encoders on torch share: batches, precision, unit length, and one loaded model per process."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from storymem.errors import PluginError, SettingsError
from storymem.interfaces import ImageTextEncoder
from storymem.values.clip import Frames, check_frames
from storymem_plugins.encoders.pictures import Preprocessing, pick_device
from storymem_plugins.encoders.settings import EncoderSettings
from storymem_plugins.encoders.sharing import Shared

SettingsT = TypeVar("SettingsT", bound=EncoderSettings)


@dataclass(frozen=True, slots=True)
class Towers:
    """A loaded model.

    Attributes:
        images: From float (N, 3, h, w) on the model's device and in its dtype to (N, D).
        texts: From N sentences to (N, D).
        dimension: D.
        preprocessing: Makes the pictures.
    """

    images: Callable[[Tensor], Tensor]
    texts: Callable[[list[str]], Tensor]
    dimension: int
    preprocessing: Preprocessing


LOADED: Shared[Towers] = Shared()


class TowerEncoder(ImageTextEncoder[SettingsT], Generic[SettingsT]):
    """An encoder made of a vision and a text tower. The model is loaded on first use and shared by equal encoders.

    Its fingerprint covers weights, precision and preprocessing, not where the files lie or what device runs them.
    """

    def __init__(self, settings: SettingsT | None = None) -> None:
        super().__init__(settings)
        self._held: tuple[object, Towers] | None = None
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type[TowerEncoder[SettingsT]], tuple[SettingsT]]:
        return type(self), (self.settings,)  # another process loads its own model

    @abstractmethod
    def weights_hash(self) -> str:
        """Return the hash of everything that was read to load the model; raises if there is nothing to load."""

    @abstractmethod
    def load(self, device: torch.device, dtype: torch.dtype) -> Towers:
        """Load the model for inference."""

    def fingerprint(self) -> str:
        """See :meth:`Plugin.fingerprint`; reads the weight files, not the model."""
        s = self.settings
        return f"{type(self).__name__}/{self.version}/{s.dtype}/{s.fit}/{self.weights_hash()}"

    @property
    def dimension(self) -> int:
        """See :attr:`ImageTextEncoder.dimension`; loads the model."""
        return self._towers().dimension

    def encode_images(self, frames: Frames) -> NDArray[np.float32]:
        """See :meth:`ImageTextEncoder.encode_images`."""
        check_frames(frames, 4, "pictures to encode")
        towers, device = self._towers(), self._device()
        dtype = getattr(torch, self.settings.dtype)

        def encode(start: int, stop: int) -> Tensor:
            batch = torch.from_numpy(np.array(frames[start:stop])).to(device)
            return towers.images(towers.preprocessing(batch).to(dtype))

        return self._in_batches(len(frames), encode)

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See :meth:`ImageTextEncoder.encode_texts`."""
        towers = self._towers()
        return self._in_batches(len(texts), lambda start, stop: towers.texts(list(texts[start:stop])))

    def close(self) -> None:
        """Let go of the model; it is dropped when no other encoder uses it."""
        with self._lock:
            if self._held is not None:
                LOADED.release(self._held[0])
                self._held = None

    def _towers(self) -> Towers:
        with self._lock:
            if self._held is None:
                device, dtype = self._device(), getattr(torch, self.settings.dtype)
                key = (self.fingerprint(), str(device))
                self._held = key, LOADED.acquire(key, lambda: self.load(device, dtype))
            return self._held[1]

    def _device(self) -> torch.device:
        try:
            return pick_device(self.settings.device)
        except RuntimeError as error:
            raise SettingsError(
                f"encoder: device {self.settings.device!r} is not a torch device; use cpu, cuda or cuda:N"
            ) from error

    @torch.inference_mode()
    def _in_batches(self, count: int, encode: Callable[[int, int], Tensor]) -> NDArray[np.float32]:
        size = self.settings.batch_size
        rows = [unit_rows(encode(start, min(start + size, count))) for start in range(0, count, size)]
        return np.concatenate(rows) if rows else np.zeros((0, self.dimension), dtype=np.float32)


def unit_rows(features: Tensor) -> NDArray[np.float32]:
    """Return (N, D) features of any dtype and device as float32 rows of length 1.

    Raises:
        PluginError: The model gave values that are not finite or a zero row.
    """
    rows = features.float().cpu()
    length = rows.norm(dim=1, keepdim=True)
    if not bool(torch.isfinite(length).all()) or not bool((length > 0).all()):
        raise PluginError(
            "encoder: the model gave an embedding that is zero or not finite; its weights are damaged, "
            "or dtype=float16 is too narrow for it (try dtype=float32)"
        )
    return np.asarray((rows / length).numpy(), dtype=np.float32)
