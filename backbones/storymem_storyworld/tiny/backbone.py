"""The embedded model behind the Backbone interface: the Wan backbone, and a reading of prompts in its own words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from functools import cache
from pathlib import Path

from storymem.errors import SettingsError
from storymem.interfaces import Capabilities, Progress, ShotRequest, Subject
from storymem.values.clip import Clip
from storymem_backbones.wan.backbone import WanBackbone
from storymem_storyworld.language.request import ShotReading, read_shot


class OneSize(Capabilities):
    """Of a model that makes grids and noise at any size but the one that it was trained at."""

    def check_size(self, width: int, height: int) -> None:
        """Raise :class:`SettingsError` unless it is the native size."""
        if (width, height) != self.size:
            native = "x".join(map(str, self.size))
            raise SettingsError(
                f"size {width}x{height}: the embedded model was made for {native} and makes nothing else; "
                f"leave the size out (or set size = {native!r}) and enlarge the film with finish = "
                '["storyworld_upscale"], which makes it four times as large, or ["resize"], which makes it any size'
            )


class TinyBackbone(WanBackbone):
    """Make small shots of the storyworld with the embedded weights.

    Its model knows some dozen kinds of characters and places, a few motions, shot sizes and times of day, colours,
    hats, scarves and patterns. A prompt, in English, is reduced to those, with what the looks of the shot's subjects
    add; what it does not know is left out, and :meth:`explain` says what is left, what is not, and who is missing.
    Weights that were trained with looks in words paint what is told of a look, whatever memory shows; what is not told,
    and with earlier weights every look, comes from memory.
    """

    def capabilities(self) -> Capabilities:
        """See :meth:`WanBackbone.capabilities`; no size but the native one."""
        known = super().capabilities()
        return OneSize(**{item.name: getattr(known, item.name) for item in fields(known)})

    def explain(self, prompt: str, subjects: Sequence[Subject]) -> str:
        """Return the sentence that the model is given, and what was left out."""
        return self._read(prompt, subjects).explanation()

    def generate(self, request: ShotRequest, progress: Progress) -> Clip:
        """Make one clip; see :meth:`WanBackbone.generate`."""
        caption = self._read(request.prompt, request.subjects).concepts.caption()
        with _one_thread():
            return super().generate(replace(request, prompt=caption), progress)

    def _read(self, prompt: str, subjects: Sequence[Subject]) -> ShotReading:
        """What the loaded weights can be told of a shot: those of before looks had words have no tokens for them."""
        read = read_shot(prompt, subjects)
        return read if knows_looks(Path(self.settings.weights)) else read.without_looks()


@cache
def knows_looks(weights: Path) -> bool:
    """Whether a model folder's tokenizer has the words for looks."""
    known = json.loads((weights / "tokenizer" / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    return "outfit" in known


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch use one thread on every processor.

    How a sum is split among threads decides how it is rounded, so that one core gave other pixels than two. One and not
    more: the model is small, and on a busy machine its threads would wait for each other longer than they work.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
