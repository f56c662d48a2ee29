"""The embedded model behind the Backbone interface: the Wan backbone, and a reading of prompts in its own words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from storymem.interfaces import GenerationRequest, Progress, Subject
from storymem.media.clip import Clip
from storymem_backbones.wan.backbone import WanBackbone
from storymem_storyworld.language.request import read_shot


class TinyBackbone(WanBackbone):
    """Make small shots of the storyworld with the embedded weights.

    Its model knows some dozen kinds of characters and places, a few motions, shot sizes and times of day, colours,
    hats, scarves and patterns. A prompt, in English, is reduced to those, with what the looks of the shot's subjects
    add; what it does not know is left out, and :meth:`explain` says what is left, what is not, and who is missing. What
    is told of a look is painted so, whatever memory shows; what is not told comes from memory.
    """

    def explain(self, prompt: str, subjects: Sequence[Subject]) -> str:
        """Return the sentence that the model is given, and what was left out."""
        return read_shot(prompt, subjects).explanation()

    def generate(self, request: GenerationRequest, progress: Progress) -> Clip:
        """Make one clip; see :meth:`WanBackbone.generate`."""
        caption = read_shot(request.prompt, request.subjects).concepts.caption()
        return super().generate(replace(request, prompt=caption), progress)
