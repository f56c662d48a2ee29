"""The upsampler as a finisher: pictures of the storyworld at four times their size."""

from __future__ import annotations

import hashlib

import numpy as np
import torch

from storymem.errors import PluginError
from storymem.interfaces import Finisher, Progress
from storymem.values.clip import Clip, Frames, VideoFormat
from storymem_storyworld.upscale.net import SCALE, WEIGHTS_FILE, Upscaler, load_upscaler
from storymem_storyworld.upscale.settings import UpscaleSettings

_AT_ONCE = 2  # frames: what lies between the layers then stays in the processor's cache, and takes half the time


class StoryworldUpscale(Finisher[UpscaleSettings]):
    """Four times the size with crisp lines, by a network that knows how the storyworld is drawn."""

    def __init__(self, settings: UpscaleSettings | None = None) -> None:
        super().__init__(settings)
        self._network: Upscaler | None = None

    def output(self, given: VideoFormat) -> VideoFormat:
        """Return four times the size."""
        return VideoFormat(given.width * SCALE, given.height * SCALE, given.fps)

    def fingerprint(self) -> str:
        """Return the plugin's fingerprint with the content of its weights in place of their path."""
        return f"{super().fingerprint()}/{hashlib.sha256(self._weights()).hexdigest()}"

    def finish(self, clip: Clip, previous: Clip | None, progress: Progress) -> Clip:
        """Enlarge every frame by itself, a few at once."""
        size = self.output(clip.format)
        frames = np.empty((len(clip), size.height, size.width, 3), dtype=np.uint8)
        for start in range(0, len(clip), _AT_ONCE):
            progress(start, len(clip))
            part = slice(start, start + _AT_ONCE)
            frames[part] = self._enlarged(clip.frames[part])
        return Clip(frames, clip.fps)

    def close(self) -> None:
        """Drop the network."""
        self._network = None

    @torch.inference_mode()
    def _enlarged(self, frames: Frames) -> Frames:
        if self._network is None:
            self._network = load_upscaler(self.settings.weights).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        # Permuted, not copied: colours stay innermost, the layout in which convolutions of few channels are quickest.
        small = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float() / 127.5 - 1
        # As bytes before the pixels are put in their places, which so takes a quarter of the memory; 128 rounds.
        cells = self._network.cells(small).mul_(127.5).add_(128).clamp_(0, 255).byte()
        count, _, height, width = small.shape
        placed = cells.view(count, 3, SCALE, SCALE, height, width).permute(0, 4, 2, 5, 3, 1)
        return np.asarray(placed.reshape(count, height * SCALE, width * SCALE, 3).numpy(), dtype=np.uint8)

    def _weights(self) -> bytes:
        path = self.settings.weights / WEIGHTS_FILE
        try:
            return path.read_bytes()
        except OSError as error:
            raise PluginError(
                f"{path}: weights of the upscaler cannot be read ({error.strerror}); train them with "
                "python -m storymem_storyworld.train.upscale"
            ) from error
