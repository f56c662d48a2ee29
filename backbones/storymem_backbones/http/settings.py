"""Settings of the backbones behind HTTP. Light to import."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, JsonValue, field_validator

from storymem.apikey import KeyVariable, ServerAddress
from storymem.interfaces import Mode, NotInFingerprint, PluginSettings

Inert = NotInFingerprint()
Side = Annotated[int, Field(ge=1, le=8192)]
Memory = Literal["off", "first", "grid", "references", "tags", "slots"]


class HttpSettings(PluginSettings):
    """What all engines behind HTTP share.

    Attributes:
        base_url: The server; http or https, without user name or password.
        api_key_env: Environment variable that holds the key, if the server wants one.
        api_key_file: A file that holds the key; wins over the variable.
        size: Default (width, height) in pixels.
        size_multiple: Width and height must be multiples of this.
        frames: Default number of frames of a shot.
        frame_step: Frame counts must be ``frame_step * n + frame_offset``.
        frame_offset: See ``frame_step``.
        most_frames: Most frames of a shot; None for no limit.
        fps: Frames per second that are asked for and returned.
        max_memory: Most keyframes that are passed, where the way of passing them allows several.
        extra: Further fields of every request, as the server names them, such as ``num_inference_steps``.
        poll: Seconds between two looks at a job.
        request_timeout: Seconds for one answer; a download may take ``job_timeout``.
        queue_timeout: Seconds a job may wait at the server before it is given up.
        job_timeout: Seconds a job may take once it has begun.
        grace: Seconds after creation during which an unknown job is taken for one not yet seen by the whole server.
        retries: Further tries after 429, 5xx and broken connections.
        back_off: Seconds before the first further try; doubled each time, unless the server says when.
        download_hosts: Further hosts that results may be on. No key is sent there.
        allow_private: Let names in ``base_url`` and ``download_hosts`` lead to private addresses.
        max_download: Largest download, MiB.
    """

    base_url: ServerAddress
    api_key_env: Annotated[KeyVariable, Inert] = "VIDEO_API_KEY"
    api_key_file: Annotated[Path | None, Inert] = None
    size: tuple[Side, Side] = (832, 480)
    size_multiple: Annotated[int, Field(ge=1, le=256)] = 16
    frames: Annotated[int, Field(ge=1)] = 81
    frame_step: Annotated[int, Field(ge=1)] = 4
    frame_offset: Annotated[int, Field(ge=0)] = 1
    most_frames: Annotated[int, Field(ge=1)] | None = None
    fps: Annotated[int, Field(ge=1, le=120)] = 16
    max_memory: Annotated[int, Field(ge=1, le=64)] = 4
    extra: Annotated[dict[str, JsonValue], Field(default_factory=dict)]
    poll: Annotated[float, Field(gt=0, le=600), Inert] = 2.0
    request_timeout: Annotated[float, Field(gt=0, le=3600), Inert] = 60.0
    queue_timeout: Annotated[float, Field(gt=0), Inert] = 3600.0
    job_timeout: Annotated[float, Field(gt=0), Inert] = 7200.0
    grace: Annotated[float, Field(ge=0), Inert] = 30.0
    retries: Annotated[int, Field(ge=0, le=20), Inert] = 4
    back_off: Annotated[float, Field(ge=0, le=60), Inert] = 1.0
    download_hosts: Annotated[tuple[str, ...], Inert] = ()
    allow_private: Annotated[bool, Inert] = False
    max_download: Annotated[int, Field(ge=1), Inert] = 2048


class OpenAIVideoSettings(HttpSettings):
    """A server with OpenAI's videos interface.

    Attributes:
        dialect: Whose fields it knows; see docs/engines-http.md.
        model: The model's name at the server; empty for the server's own.
        memory: How recalled keyframes are passed. ``off``: not at all. ``first``: the first one, as the one picture
            of the request. ``grid``: all in one picture. ``references``: as several pictures, in recall order.
            ``tags``: the same, and the prompt says which picture shows whom. ``slots``: as memory, to a server of
            ours. None for the dialect's default: ``slots`` for storymem, ``references`` for vllm_omni, else ``first``.
        variant: Which content is downloaded; None for the dialect's default.
    """

    base_url: ServerAddress = "http://127.0.0.1:8000/v1"
    dialect: Literal["openai", "sglang", "vllm_omni", "storymem"] = "openai"
    model: Annotated[str, Field(max_length=200)] = ""
    memory: Memory | None = None
    variant: Annotated[str, Field(max_length=40)] | None = None


class LightX2VSettings(HttpSettings):
    """A LightX2V server.

    Attributes:
        memory: ``off``; ``first`` or ``grid``: in place of the first frame.
    """

    base_url: ServerAddress = "http://127.0.0.1:8000"
    memory: Literal["off", "first", "grid"] = "off"


class EchoSettings(HttpSettings):
    """A JoyAI-Echo server.

    Attributes:
        work: The server's name for the film that a shot belongs to.
    """

    base_url: ServerAddress = "http://127.0.0.1:8221"
    size: tuple[Side, Side] = (1280, 736)
    size_multiple: Annotated[int, Field(ge=1, le=256)] = 32
    frames: Annotated[int, Field(ge=1)] = 241
    frame_step: Annotated[int, Field(ge=1)] = 8
    fps: Annotated[int, Field(ge=1, le=120)] = 25
    max_memory: Annotated[int, Field(ge=1, le=7)] = 7
    work: Annotated[str, Field(min_length=1, max_length=100)] = "storymem"


Place = Annotated[str, Field(pattern=r"^[^.\s]+\.[^.\s]+$")]


class Workflow(PluginSettings):
    """A ComfyUI workflow in API format, and where in it what goes: ``node.input``, such as ``6.text``.

    Attributes:
        file: The workflow, as ComfyUI's *Export (API)* writes it.
        prompt: Text.
        seed: Seed.
        negative: Text of what to avoid.
        width: Pixels.
        height: Pixels.
        frames: Number of frames.
        fps: Frames per second.
        first_frame: A ``LoadImage`` node's picture: the last frame of the shot before.
        memory: Pictures of ``LoadImage`` nodes, in recall order. Where fewer are recalled, the last one is repeated.
        output: The node whose video is taken; empty for the only one.
    """

    file: Path
    prompt: Place
    seed: Place | None = None
    negative: Place | None = None
    width: Place | None = None
    height: Place | None = None
    frames: Place | None = None
    fps: Place | None = None
    first_frame: Place | None = None
    memory: tuple[Place, ...] = ()
    output: str = ""


class ComfySettings(HttpSettings):
    """A ComfyUI server.

    Attributes:
        workflows: By mode: what makes a shot from text (``t2v``), from memory (``m2v``), from the last frame of the
            shot before and what is recalled (``mi2v``). Modes without one are not available.
    """

    base_url: ServerAddress = "http://127.0.0.1:8188"
    workflows: dict[Mode, Workflow]

    @field_validator("workflows")
    @classmethod
    def _complete(cls, value: dict[Mode, Workflow]) -> dict[Mode, Workflow]:
        if not value or Mode.MM2V in value:
            raise ValueError("needs workflows for some of t2v, m2v, mi2v; there is no mm2v")
        if Mode.M2V in value and not value[Mode.M2V].memory:
            raise ValueError('m2v needs memory = ["node.input", ...]')
        if Mode.MI2V in value and value[Mode.MI2V].first_frame is None:
            raise ValueError('mi2v needs first_frame = "node.input"')
        return value
