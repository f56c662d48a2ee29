"""Servers with OpenAI's videos interface: SGLang-Diffusion, vLLM-Omni, gateways, and ``storymem serve``.

They share paths and the shape of a job. What differs is data: which fields a request has and how pictures go along.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from storymem.errors import SettingsError
from storymem.interfaces import Mode, ShotRequest
from storymem.values.clip import Frames
from storymem.values.picture import encode_png
from storymem_backbones.http.client import Body, FilePart, Json, Tick, short
from storymem_backbones.http.engine import HttpBackbone
from storymem_backbones.http.looks import JobState, Look
from storymem_backbones.http.pictures import passed, tagged
from storymem_backbones.http.settings import Memory, OpenAIVideoSettings

#: Ways of passing memory that need a server which takes several pictures.
_SEVERAL = frozenset({"references", "tags"})
_STATES = {
    "queued": JobState.QUEUED,
    "pending": JobState.QUEUED,
    "in_progress": JobState.RUNNING,
    "processing": JobState.RUNNING,
    "running": JobState.RUNNING,
    "completed": JobState.DONE,
    "succeeded": JobState.DONE,
}


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one server differs from the others.

    Attributes:
        memory: How memory is passed if nothing is said.
        names: Its name of each field of ours that it knows: frames, fps, seed, negative.
        seconds: Whether the length is asked for in whole seconds.
        form: Whether every request is a form; otherwise those without pictures are JSON.
        one: Field of a single picture.
        several: Field of several pictures; empty where one is all it takes.
        takes_token: Whether it honours ``Idempotency-Key``.
        variant: Which content is downloaded; empty for the server's default.
    """

    memory: Memory
    names: Mapping[str, str] = field(default_factory=dict)
    seconds: bool = False
    form: bool = False
    one: str = "input_reference"
    several: str = ""
    takes_token: bool = False
    variant: str = ""


_DIFFUSION = {"frames": "num_frames", "fps": "fps", "seed": "seed", "negative": "negative_prompt"}

DIALECTS: dict[str, Dialect] = {
    "openai": Dialect(memory="first", seconds=True),
    "sglang": Dialect(memory="first", names=_DIFFUSION),
    "vllm_omni": Dialect(memory="references", names=_DIFFUSION, form=True, several="input_references"),
    "storymem": Dialect(memory="slots", names=_DIFFUSION, form=True, takes_token=True, variant="lossless"),
}


class OpenAIVideo(HttpBackbone[OpenAIVideoSettings]):
    """Make shots at any server with OpenAI's videos interface: SGLang, vLLM-Omni, a gateway, storymem serve."""

    name = "openai_video"

    def __init__(self, settings: OpenAIVideoSettings | None = None) -> None:
        super().__init__(settings)
        self._dialect = DIALECTS[self.settings.dialect]
        self._memory = self.settings.memory or self._dialect.memory
        check_way(self.settings.dialect, self._memory)

    def modes(self) -> tuple[frozenset[Mode], int]:
        """Return what follows from the way of passing memory; a server's one picture is memory or first frame."""
        if self._memory == "slots":
            return frozenset(Mode), self.settings.max_memory
        if self._memory == "off":
            return frozenset({Mode.T2V, Mode.MI2V}), 0
        return frozenset({Mode.T2V, Mode.M2V}), 1 if self._memory == "first" else self.settings.max_memory

    def handovers(self) -> frozenset[int]:
        """Return any number of frames for a server of ours, else one or none."""
        return frozenset(range(1, 82)) if self._memory == "slots" else super().handovers()

    def create(self, request: ShotRequest, token: str, tick: Tick) -> str:
        """Create a job."""
        fields = {**self._fields(request), **self.settings.extra}
        if self._memory == "slots":
            return self._sent(Body(fields=_texts({**fields, **_ours(request)}), files=_slots(request)), token, tick)
        pictures = self._pictures(request)
        name = self._dialect.several if len(pictures) > 1 else self._dialect.one
        files = [_file(name, index, picture) for index, picture in enumerate(pictures)]
        body = Body(fields=_texts(fields), files=files) if files or self._dialect.form else Body(json=fields)
        return self._sent(body, token, tick)

    def look(self, job: str, tick: Tick) -> Look:
        """Return how far a job is."""
        return look_of(self.answer_on(job, f"videos/{job}", tick))

    def content(self, job: str, look: Look) -> str:
        """Return the path of the content, or the address that the job names."""
        if look.url:
            return look.url
        variant = self._dialect.variant if self.settings.variant is None else self.settings.variant
        return f"videos/{job}/content" + (f"?variant={variant}" if variant else "")

    def cancel(self, job: str, tick: Tick) -> None:
        """Delete the job."""
        self.client.ask("DELETE", f"videos/{job}", tick)

    def _sent(self, body: Body, token: str, tick: Tick) -> str:
        answer = self.client.ask("POST", "videos", tick, body, token=token, again=self._dialect.takes_token)
        return job_id(answer.get("id"))

    def _fields(self, request: ShotRequest) -> Json:
        dialect, s = self._dialect, self.settings
        prompt = tagged(request) if self._memory == "tags" else request.prompt
        fields: Json = {"prompt": prompt, "size": f"{request.width}x{request.height}"}
        if s.model:
            fields["model"] = s.model
        if dialect.seconds:
            fields["seconds"] = str(max(1, round(request.frames / s.fps)))
        known: dict[str, Any] = {"frames": request.frames, "fps": s.fps, "seed": request.seed}
        if request.negative_prompt is not None:
            known["negative"] = request.negative_prompt
        return fields | {dialect.names[key]: value for key, value in known.items() if key in dialect.names}

    def _pictures(self, request: ShotRequest) -> list[Frames]:
        if request.handover_frames is not None:
            return [request.handover_frames[-1]]
        return passed(self._memory, request)


def check_way(dialect: str, memory: str) -> None:
    """Raise :class:`SettingsError` if a server cannot be passed memory in this way."""
    if memory in _SEVERAL and not DIALECTS[dialect].several:
        raise SettingsError(
            f"memory={memory} needs a server that takes several pictures; {dialect} takes one: use grid or first"
        )
    if memory == "slots" and dialect != "storymem":
        raise SettingsError(f"memory=slots is understood by storymem serve alone, not by {dialect}: use grid or first")
    if dialect == "storymem" and memory != "slots":
        raise SettingsError(f"memory={memory} is for other servers; storymem serve takes memory as slots")


def look_of(job: Json) -> Look:
    """Return a job as its JSON says; whatever is of the wrong type counts as absent."""
    status = str(job.get("status", ""))
    error = job.get("error")
    error = error if isinstance(error, dict) else {"message": error} if error else {}
    state = _STATES.get(status, JobState.FAILED)
    reason = str(error.get("message") or "") or ("" if status == "failed" else f"its status is {status!r}")
    usage = job.get("usage")
    return Look(
        state=state,
        percent=_number(job.get("progress")),
        reason=short(reason) if state is JobState.FAILED else "",
        code=str(error.get("code") or ""),
        url=job["url"] if isinstance(job.get("url"), str) and state is JobState.DONE else "",
        cost=_number(job.get("cost") if usage is None or not isinstance(usage, dict) else usage.get("cost")),
        seconds=_seconds(job),
    )


def job_id(value: object) -> str:
    """Return a job's id, or an empty text if it is none that may stand in a path."""
    text = str(value) if isinstance(value, str | int) else ""
    return text if text.replace("-", "").replace("_", "").replace(".", "").isalnum() and ".." not in text else ""


def _seconds(job: Json) -> float | None:
    took = _number(job.get("inference_time_s"))
    start, end = _number(job.get("created_at")), _number(job.get("completed_at"))
    if took is None and start is not None and end is not None:
        return end - start
    return took


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _texts(fields: Json) -> dict[str, str]:
    """Return the fields of a form: text as it is, everything else as JSON."""
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}


def _file(name: str, index: int, picture: Frames) -> FilePart:
    return name, (f"{name}-{index}.png", encode_png(picture), "image/png")


def _ours(request: ShotRequest) -> Json:
    """Return what a server of ours takes beside OpenAI's fields."""
    return {
        "subjects": [{"name": s.name, "kind": s.kind, "look": s.look} for s in request.subjects],
        "memory_entities": [list(keyframe.entities) for keyframe in request.memory],
    }


def _slots(request: ShotRequest) -> list[FilePart]:
    handed = [] if request.handover_frames is None else list(request.handover_frames)
    memory = [_file("memory", index, picture) for index, picture in enumerate(request.pictures)]
    return memory + [_file("handover", index, picture) for index, picture in enumerate(handed)]
