"""Quality by HPSv3, StoryMem's own filter, in a process and environment of its own.

HPSv3 pins versions that do not go together with this project's, so it is installed elsewhere; frames go there as
files and scores come back as JSON lines. Any other program that speaks the same few lines will do.
"""

from __future__ import annotations

import math
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from storymem.errors import PluginError
from storymem.interfaces import ClipContext, FrameFilter, NotInFingerprint, PluginSettings, Verdict
from storymem.values.clip import Frames
from storymem.values.picture import encode_png
from storymem_plugins.selection.line_process import LineProcess, ProcessFailed

_WORKER = Path(__file__).parent / "worker" / "hpsv3_worker.py"


class HpsSettings(PluginSettings):
    """Settings of the ``hpsv3`` filter. Needs ``python`` or ``command``."""

    python: Annotated[str, NotInFingerprint()] = Field(
        "", description="interpreter of the environment in which hpsv3 is installed, e.g. /envs/hpsv3/bin/python"
    )
    command: tuple[str, ...] = Field((), description="another scoring program and its arguments, instead of python")
    threshold: float = Field(3.0, description="least score; StoryMem uses 3.0")
    prompt: str = Field("", description="text the pictures are judged with; StoryMem uses none")
    device: Annotated[str, NotInFingerprint()] = Field("cuda", description="where HPSv3 runs")
    timeout: Annotated[float, NotInFingerprint()] = Field(60.0, gt=0, description="seconds for one picture")
    start_timeout: Annotated[float, NotInFingerprint()] = Field(900.0, gt=0, description="seconds for loading")
    restarts: Annotated[int, NotInFingerprint()] = Field(1, ge=0, description="new attempts for one picture")

    @model_validator(mode="after")
    def _one_program(self) -> HpsSettings:
        if bool(self.python) == bool(self.command):
            raise ValueError("set either python (of an environment with hpsv3) or command")
        return self


class HpsFilter(FrameFilter[HpsSettings]):
    """HPSv3 human preference score of each frame, from a separate process."""

    def __init__(self, settings: HpsSettings) -> None:
        super().__init__(settings)
        self._process: LineProcess | None = None
        self._lock = threading.Lock()
        self._asked = 0

    def __reduce__(self) -> tuple[type[HpsFilter], tuple[HpsSettings]]:
        return type(self), (self.settings,)  # another process starts its own

    def judge(self, indices: Sequence[int], context: ClipContext) -> list[Verdict]:
        """See :meth:`FrameFilter.judge`; the first call starts the process."""
        needed = self.settings.threshold
        with self._lock, tempfile.TemporaryDirectory(prefix="storymem-") as folder:
            scores = [self._score(context.clip.frames[index], Path(folder)) for index in indices]
        return [Verdict(s >= needed, s, needed, "" if s >= needed else "low quality") for s in scores]

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.close()
            self._process = None

    def _score(self, frame: Frames, folder: Path) -> float:
        picture = folder / "frame.png"
        picture.write_bytes(encode_png(frame))
        for attempts_left in range(self.settings.restarts, -1, -1):
            try:
                return self._ask(picture)
            except ProcessFailed as error:
                self.close()
                if not attempts_left:
                    raise PluginError(f"filter hpsv3: the scoring process failed: {error}") from error
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _ask(self, picture: Path) -> float:
        if self._process is None:
            s = self.settings
            command = s.command or (s.python, str(_WORKER), "--device", s.device)
            self._process = LineProcess(command, s.start_timeout, s.timeout)
        self._asked += 1
        request = {"id": self._asked, "image": str(picture), "prompt": self.settings.prompt}
        answer = self._process.ask(request)
        if "error" in answer:
            raise PluginError(f"filter hpsv3: the scoring process says: {answer['error']}")
        score = answer.get("score")
        if answer.get("id") != self._asked or not isinstance(score, int | float) or not math.isfinite(score):
            raise ProcessFailed(f"its answer {dict(answer)} has no finite score for request {self._asked}")
        return float(score)
