"""Asking a vision-language model about a picture until its answer has the right shape."""

from __future__ import annotations

import base64
from typing import Generic, TypeVar

import numpy as np
from PIL import Image
from pydantic import BaseModel, ValidationError

from storymem.apikey import find_key
from storymem.errors import PluginError
from storymem.validation import describe
from storymem.values.clip import Frames, check_frames
from storymem.values.picture import encode_png
from storymem_plugins.judging.settings import JudgeSettings
from storymem_plugins.planning.answers import schema_of
from storymem_plugins.planning.chat import Message, Question
from storymem_plugins.planning.errors import PlanError
from storymem_plugins.planning.openai_chat import OpenAIChat
from storymem_plugins.planning.prompting import system_prompt

AnswerT = TypeVar("AnswerT", bound=BaseModel)


class PictureQuestions(Generic[AnswerT]):
    """Questions of one kind to one model; connections are opened with the first.

    Args:
        settings: The server and the model.
        prompt: Name of the system prompt, a file of this package.
        answer: The shape of an answer.
        otherwise: What a user can do without the model, the end of an error's line.
    """

    def __init__(self, settings: JudgeSettings, prompt: str, answer: type[AnswerT], otherwise: str) -> None:
        self._settings = settings
        self._prompt = system_prompt(prompt, __package__)
        self._answer = answer
        self._otherwise = otherwise
        self._chat: OpenAIChat | None = None

    @property
    def label(self) -> str:
        """Version and digest of the system prompt."""
        return self._prompt.label

    def ask(self, frame: Frames, text: str) -> AnswerT:
        """Return what the model says of a picture, uint8 RGB (H, W, 3), and a description.

        Raises:
            PluginError: The server failed, or gave no usable answer in ``repairs`` + 1 tries.
        """
        check_frames(frame, 3, "picture to judge")
        problem = ""
        for attempt in range(self._settings.repairs + 1):
            try:
                return self._answer.model_validate_json(_unfenced(self._reply(frame, text, attempt)))
            except ValidationError as error:
                problem = describe(error)
        model = self._settings.model
        raise PluginError(f"vision_judge: {model} gave no usable answer ({problem}); {self._otherwise}")

    def close(self) -> None:
        """Close the connections."""
        if self._chat is not None:
            self._chat.close()
            self._chat = None

    def _reply(self, frame: Frames, text: str, attempt: int) -> str:
        s = self._settings
        messages = (
            Message("system", self._prompt.text),
            Message("user", f"<description>{text}</description>", (_data_uri(frame, s.side),)),
        )
        try:
            if self._chat is None:
                self._chat = OpenAIChat(s, find_key(s.api_key_env, s.api_key_file), self._otherwise)
            question = Question(messages, schema_of(self._answer), attempt, s.temperature, s.max_tokens)
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
