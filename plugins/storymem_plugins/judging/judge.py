"""A vision-language model that says how well a picture shows what a text describes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from storymem.interfaces import ImageTextScorer
from storymem.values.clip import Frames
from storymem_plugins.judging.asking import PictureQuestions
from storymem_plugins.judging.settings import JudgeSettings


class Judgement(BaseModel):
    """The model's answer."""

    model_config = ConfigDict(extra="ignore")

    reason: str = ""
    score: Annotated[float, Field(ge=0, le=10)]


class VisionJudge(ImageTextScorer[JudgeSettings]):
    """A vision-language model's agreement of picture and description, 0..1, with this project's own prompt."""

    def __init__(self, settings: JudgeSettings) -> None:
        super().__init__(settings)
        self._questions = PictureQuestions(settings, "agreement", Judgement, "or evaluate without a judge")

    def fingerprint(self) -> str:
        """See :meth:`Plugin.fingerprint`; the prompt counts."""
        return f"{super().fingerprint()}/{self._questions.label}"

    def weights(self) -> Mapping[str, str]:
        """Return the prompt's digest under the model's name; the weights are the server's."""
        version, digest = self._questions.label.split()
        return {f"{self.settings.model} prompt {version}": digest}

    def agreement(self, frame: Frames, text: str) -> float:
        """See :meth:`ImageTextScorer.agreement`.

        Raises:
            PluginError: The server failed, or gave no usable answer in ``repairs`` + 1 tries.
        """
        return self._questions.ask(frame, text).score / 10

    def close(self) -> None:
        """Close the connections."""
        self._questions.close()
