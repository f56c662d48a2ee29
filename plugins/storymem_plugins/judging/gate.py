"""A vision-language model in the accept gate: does the frame show the prompt, and what should the next attempt say?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from storymem.errors import PluginError
from storymem.interfaces import ClipContext, FrameFilter, Verdict
from storymem.text import one_line
from storymem_plugins.judging.asking import PictureQuestions
from storymem_plugins.judging.settings import JudgeFilterSettings


class FrameJudgement(BaseModel):
    """The model's answer."""

    model_config = ConfigDict(extra="ignore")

    reason: Annotated[str, Field(max_length=500)] = ""
    advice: Annotated[str, Field(max_length=200)] = ""
    score: Annotated[float, Field(ge=0, le=10)]


class JudgeFilter(FrameFilter[JudgeFilterSettings]):
    """Rejects frames that do not show what the shot's prompt says; the score is the model's, 0..1.

    One question is asked for every frame that is judged, so that it belongs in ``accept.filters``, which look at a few
    frames of a clip, rather than in ``filters``.
    """

    def __init__(self, settings: JudgeFilterSettings) -> None:
        super().__init__(settings)
        self._questions = PictureQuestions(settings, "fidelity", FrameJudgement, "or leave vision_judge out")

    def fingerprint(self) -> str:
        """See :meth:`Plugin.fingerprint`; the prompt counts."""
        return f"{super().fingerprint()}/{self._questions.label}"

    def judge(self, indices: Sequence[int], context: ClipContext) -> list[Verdict]:
        """See :meth:`FrameFilter.judge`.

        Raises:
            PluginError: The shot has no prompt, the server failed, or its answers were of no use.
        """
        if not context.prompt:
            raise PluginError("vision_judge: there is no prompt to compare frames with")
        return [self._verdict(context, index) for index in indices]

    def close(self) -> None:
        """Close the connections."""
        self._questions.close()

    def _verdict(self, context: ClipContext, index: int) -> Verdict:
        answer = self._questions.ask(context.clip.frames[index], context.prompt)
        score, needed = answer.score / 10, self.settings.threshold
        if score >= needed:
            return Verdict(True, score, needed)
        return Verdict(False, score, needed, one_line(answer.reason), one_line(answer.advice))
