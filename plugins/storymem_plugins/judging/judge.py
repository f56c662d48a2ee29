"""Asks a vision-language model how well a picture shows what a text describes."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Annotated

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from storymem.apikey import find_key
from storymem.errors import PluginError
from storymem.interfaces import ImageTextScorer
from storymem.validation import describe
from storymem.values.clip import Frames, check_frames
from storymem.values.picture import encode_png
from storymem_plugins.judging.settings import JudgeSettings
from storymem_plugins.planning.answers import schema_of
from storymem_plugins.planning.chat import Message, Question
from storymem_plugins.planning.errors import PlanError
from storymem_plugins.planning.openai_chat import OpenAIChat
from storymem_plugins.planning.prompting import system_prompt

_OTHERWISE = "or evaluate without a judge"


class Judgement(BaseModel):
    """The model's answer."""

    model_config = ConfigDict(extra="ignore")

    reason: str = ""
    score: Annotated[float, Field(ge=0, le=10)]


class VisionJudge(ImageTextScorer[JudgeSettings]):
    """A vision-language model's agreement of picture and description, 0..1, with this project's own prompt."""

    def __init__(self, settings: JudgeSettings) -> None:
        super().__init__(settings)
        self._chat: OpenAIChat | None = None
        self._prompt = system_prompt("agreement", "storymem_plugins.judging")

    def fingerprint(self) -> str:
        """See :meth:`Plugin.fingerprint`; the prompt counts."""
        return f"{super().fingerprint()}/{self._prompt.label}"

    def weights(self) -> Mapping[str, str]:
        """Return the prompt's digest under the model's name; the weights are the server's."""
        return {f"{self.settings.model} prompt {self._prompt.label.split()[0]}": self._prompt.label.split()[1]}

    def agreement(self, frame: Frames, text: str) -> float:
        """See :meth:`ImageTextScorer.agreement`.

        Raises:
            PluginError: The server failed, or gave no usable answer in ``repairs`` + 1 tries.
        """
        check_frames(frame, 3, "picture to judge")
        problem = ""
        for attempt in range(self.settings.repairs + 1):
            answer = self._ask(frame, text, attempt)
            try:
                return Judgement.model_validate_json(_unfenced(answer)).score / 10
            except ValidationError as error:
                problem = describe(error)
        raise PluginError(f"vision_judge: {self.settings.model} gave no usable answer ({problem}); {_OTHERWISE}")

    def close(self) -> None:
        """Close the connections."""
        if self._chat is not None:
            self._chat.close()
            self._chat = None

    def _ask(self, frame: Frames, text: str, attempt: int) -> str:
        s = self.settings
        messages = (
            Message("system", self._prompt.text),
            Message("user", f"<description>{text}</description>", (_data_uri(frame, s.side),)),
        )
        try:
            if self._chat is None:
                self._chat = OpenAIChat(s, find_key(s.api_key_env, s.api_key_file), _OTHERWISE)
            question = Question(messages, schema_of(Judgement), attempt, s.temperature, s.max_tokens)
            return self._chat.ask(question, lambda count: None).text
        except PlanError as error:
            raise PluginError(f"vision_judge: {error}") from error


def _data_uri(frame: Frames, side: int) -> str:
    image = Image.fromarray(frame)
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return f"data:image/png;base64,{base64.b64encode(encode_png(np.asarray(image))).decode('ascii')}"


def _unfenced(text: str) -> str:
    """Return an answer without the marks that models like to put around JSON."""
    start, end = text.find("{"), text.rfind("}")
    return text[start : end + 1] if 0 <= start < end else text
