"""The storyworld's exact metrics for a finished film, read from its clips by the read-out network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from storymem.errors import SettingsError
from storymem.interfaces import FilmView, Metric
from storymem.values.clip import Clip
from storymem_storyworld.language.understand import understand
from storymem_storyworld.measure.metrics import Measures, measure
from storymem_storyworld.readout.read import ClipReading, Readout, load_readout, read_clips
from storymem_storyworld.settings import ReadoutSettings

SHIPPED = Path(__file__).parents[1] / "readout" / "weights"
_SIZE = (96, 160)


def as_pictures(clip: Clip) -> Tensor:
    """A clip as float (1, T, 3, 96, 160) in [-1, 1]."""
    frames = torch.from_numpy(clip.frames.copy()).permute(0, 3, 1, 2).float() / 127.5 - 1
    if frames.shape[-2:] != _SIZE:
        frames = functional.interpolate(frames, size=_SIZE, mode="bilinear", antialias=True, align_corners=False)
    return frames[None]


class StoryworldMetric(Metric[ReadoutSettings]):
    """Numbers by name; see `metrics.Measures`. Drifts are better low (0 is perfect), all others high (1 is perfect).

    - ``identity_drift``: mean absolute RGB difference (0 to 1) of a character from its first appearance.
    - ``accessories``: share of hat, scarf and pattern that are those of the first appearance.
    - ``accessory_drift``: mean absolute RGB difference of hat and scarf from the first appearance, where worn.
    - ``presence``: share of due appearances in which the character is seen.
    - ``place_drift``: mean absolute palette difference (0 to 1) of a place from its first appearance.
    - ``adherence/...``: share of shots (for motion: of characters) that show what the prompt tells.

    - ``told/...``: share of told looks that are seen; see `metrics.Measures`.

    Each of the first five also by recurrence gap, such as ``identity_drift/gap_4_7``.
    """

    def __init__(self, settings: ReadoutSettings | None = None) -> None:
        super().__init__(settings)
        self._readout: Readout | None = None

    def measure(self, film: FilmView) -> Mapping[str, float]:
        """See :meth:`Metric.measure`."""
        return self.samples(film).summary()

    def samples(self, film: FilmView) -> Measures:
        """All measured values of a film, to be merged with those of others."""
        told = [understand(shot.shot.prompt) for shot in film.board]
        return measure(told, [self._read(finished.clip) for finished in film.shots()])

    def _read(self, clip: Clip) -> ClipReading:
        if self._readout is None:
            self._readout = load_readout(self._folder(), self.settings.device)
        return read_clips(self._readout, as_pictures(clip).to(self.settings.device))[0]

    def _folder(self) -> Path:
        folder = self.settings.readout or SHIPPED
        if not (folder / "model.safetensors").is_file():
            raise SettingsError(
                f"metric storyworld: {folder}: holds no read-out; train one with "
                "python -m storymem_storyworld.train.readout --out FOLDER and set readout to it"
            )
        return folder
