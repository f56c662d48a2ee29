"""The embedded model behind the Backbone interface: the Wan backbone, and a reading of prompts in its own words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from storymem.interfaces import Progress, ShotRequest, Subject
from storymem.values.clip import Clip
from storymem_backbones.wan.backbone import WanBackbone
from storymem_storyworld.language.understand import Concepts, understand


class TinyBackbone(WanBackbone):
    """Make small shots of the storyworld with the embedded weights.

    Its model knows some dozen kinds of characters and places, a few motions, shot sizes and times of day. A prompt
    is reduced to those; what it does not know is left out, and :meth:`explain` says what is left.
    """

    def explain(self, prompt: str, subjects: Sequence[Subject]) -> str:
        """Return the sentence that the model is given."""
        return read_prompt(prompt, subjects).caption() or "nothing of this prompt"

    def generate(self, request: ShotRequest, progress: Progress) -> Clip:
        """Make one clip; see :meth:`WanBackbone.generate`."""
        caption = read_prompt(request.prompt, request.subjects).caption()
        return super().generate(replace(request, prompt=caption), progress)


def read_prompt(prompt: str, subjects: Sequence[Subject]) -> Concepts:
    """Return what a prompt means; who and where it does not say in known words is taken from the subjects' looks."""
    found = understand(prompt)
    looks = understand(". ".join(f"{subject.name}, {subject.look}" for subject in subjects))
    cast = found.cast or tuple((kind, "") for kind, _ in looks.cast)
    return replace(found, cast=cast, place=found.place or looks.place).completed()
