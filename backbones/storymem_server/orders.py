"""A request as it came, JSON or form alike, turned into what a backbone is asked for."""

from __future__ import annotations

import base64
import json
import secrets
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from PIL import Image, ImageOps
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from storymem.errors import MediaError, SettingsError
from storymem.interfaces import Capabilities, ShotRequest, Subject
from storymem.keys import digest
from storymem.media.images import read_reference
from storymem.validation import describe
from storymem.values.clip import Frames, pixel_hash
from storymem.values.keyframe import Keyframe
from storymem.values.request import Handover, mode_of
from storymem_server.errors import ApiError

#: A picture as a client gives it: bytes of a file, or a picture of a job's result.
Given = bytes | Mapping[str, Any]
#: Fields that hold pictures.
PICTURES = ("input_reference", "memory", "handover")

_MAX_TEXT = 20_000
_MAX_PICTURES = 90


class GivenSubject(BaseModel):
    """What a shot shows."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(max_length=200)]
    kind: Annotated[str, Field(max_length=40)] = "character"
    look: Annotated[str, Field(max_length=2000)] = ""


class Fields(BaseModel):
    """The fields of a request that hold no picture.

    ``quality`` and ``user`` are taken because client libraries send them; they change nothing.
    """

    model_config = ConfigDict(extra="forbid")

    prompt: Annotated[str, Field(min_length=1, max_length=_MAX_TEXT)]
    negative_prompt: Annotated[str, Field(max_length=_MAX_TEXT)] | None = None
    model: str | None = None
    size: Annotated[str, Field(pattern=r"^\d{1,5}x\d{1,5}$")] | None = None
    width: Annotated[int, Field(ge=1, le=8192)] | None = None
    height: Annotated[int, Field(ge=1, le=8192)] | None = None
    seconds: Annotated[float, Field(gt=0, le=600)] | None = None
    num_frames: Annotated[int, Field(ge=1, le=10_000)] | None = None
    fps: Annotated[int, Field(ge=1)] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    subjects: Annotated[list[GivenSubject], Field(max_length=100)] = []
    memory_entities: Annotated[list[list[str]], Field(max_length=_MAX_PICTURES)] = []
    quality: str | None = None
    user: str | None = None

    @field_validator("subjects", "memory_entities", mode="before")
    @classmethod
    def _from_a_form(cls, value: Any) -> Any:
        return json.loads(value) if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for, complete: numbers chosen, pictures decoded; and whether it named a seed."""

    request: ShotRequest
    seeded: bool

    @property
    def key(self) -> str:
        """The hash of what was asked for, to tell a repeated request from another one."""
        r = self.request
        return digest(
            "order",
            {
                "texts": [r.prompt, r.negative_prompt],
                "numbers": [r.width, r.height, r.frames, r.seed if self.seeded else None],
                "subjects": [[s.name, s.kind, s.look] for s in r.subjects],
                "memory": [[k.id, list(k.entities)] for k in r.memory],
                "handover": [] if r.handover_frames is None else [pixel_hash(r.handover_frames)],
            },
        )


def read_fields(data: Mapping[str, Any]) -> Fields:
    """Return the fields of a request.

    Raises:
        ApiError: One is unknown, missing or wrong.
    """
    try:
        return Fields.model_validate(dict(data))
    except ValidationError as error:
        raise ApiError(400, "invalid_request", describe(error)) from error


def pictures_of(value: Any) -> list[Given]:
    """Return the pictures of a JSON field: ``{"image_url": "data:..."}``, ``{"id": "video_..."}``, or a list of them.

    Raises:
        ApiError: It is something else; a picture elsewhere is not fetched.
    """
    entries = value if isinstance(value, list) else [value]
    return [_given(entry) for entry in entries]


def _given(entry: Any) -> Given:
    if isinstance(entry, str):
        entry = {"image_url": entry}
    if isinstance(entry, Mapping) and isinstance(entry.get("id"), str):
        return entry
    url = entry.get("image_url") if isinstance(entry, Mapping) else None
    head, comma, encoded = str(url or "").partition(",")
    if not (comma and head.startswith("data:image/") and head.endswith(";base64")):
        raise ApiError(
            400,
            "invalid_picture",
            'a picture must be an upload, {"image_url": "data:image/png;base64,..."} or {"id": "video_..."}',
        )
    try:
        return base64.b64decode(encoded, validate=True)
    except ValueError as error:
        raise ApiError(400, "invalid_picture", "a picture's base64 is damaged") from error


def decode(content: bytes) -> Frames:
    """Return an uploaded picture, uint8 RGB (H, W, 3).

    Raises:
        ApiError: It is none.
    """
    with tempfile.NamedTemporaryFile(prefix="storymem-") as file:
        file.write(content)
        file.flush()
        try:
            return read_reference(Path(file.name))
        except MediaError as error:
            said = str(error).partition(": ")[2]
            raise ApiError(400, "invalid_picture", f"a picture cannot be read: {said}") from error


def make_order(
    fields: Fields,
    pictures: Mapping[str, Sequence[Frames]],
    can: Capabilities,
    references: Literal["memory", "first_frame"],
) -> Order:
    """Return a complete order.

    Args:
        fields: What was asked for.
        pictures: By field: what ``input_reference``, ``memory`` and ``handover`` hold.
        can: What the backbone makes.
        references: What ``input_reference`` is.

    Raises:
        ApiError: The backbone does not make this; says what it makes.
    """
    try:
        size = _size(fields, can)
        frames = _frames(fields, can)
        handed, memory = _roles(pictures, size, references)
        _check(can, handed, memory)
    except SettingsError as error:
        raise ApiError(400, "invalid_request", str(error)) from error
    names = fields.memory_entities or [[] for _ in memory]
    if len(names) > len(memory):
        raise ApiError(400, "invalid_request", f"memory_entities names {len(names)} pictures; there are {len(memory)}")
    names += [[] for _ in range(len(memory) - len(names))]
    keyframes = [
        Keyframe.of_picture(picture, "memory", 0, index, tuple(entities))
        for index, (picture, entities) in enumerate(zip(memory, names, strict=True))
    ]
    request = ShotRequest(
        shot="1.1",
        prompt=fields.prompt,
        negative_prompt=fields.negative_prompt,
        width=size[0],
        height=size[1],
        frames=frames,
        seed=fields.seed if fields.seed is not None else secrets.randbelow(2**31),
        subjects=tuple(Subject(s.name, s.kind, s.look) for s in fields.subjects),
        memory=tuple(keyframes),
        handover=Handover(len(handed), pixel_hash(np.stack(handed)), frames=np.stack(handed)) if handed else None,
    )
    return Order(request, fields.seed is not None)


def _size(fields: Fields, can: Capabilities) -> tuple[int, int]:
    width, height = fields.width or can.size[0], fields.height or can.size[1]
    if fields.size is not None:
        width, height = (int(side) for side in fields.size.split("x"))
    can.check_size(width, height)
    if max(width, height) > 8192:
        raise SettingsError(f"size {width}x{height} is too large; at most 8192 a side")
    return width, height


def _frames(fields: Fields, can: Capabilities) -> int:
    if fields.fps is not None and fields.fps != can.fps:
        raise SettingsError(f"fps {fields.fps} is not made here; it is {can.fps}")
    if fields.num_frames is not None:
        can.check_frames(fields.num_frames, "num_frames")
        return fields.num_frames
    return can.frames if fields.seconds is None else can.nearest_frames(round(fields.seconds * can.fps))


def _roles(
    pictures: Mapping[str, Sequence[Frames]], size: tuple[int, int], references: str
) -> tuple[list[Frames], list[Frames]]:
    """Return handed-over frames and memory."""
    handed, memory = list(pictures.get("handover", ())), list(pictures.get("memory", ()))
    given = list(pictures.get("input_reference", ()))
    if references == "memory":
        memory += given
    elif len(given) > 1 or (given and handed):
        raise SettingsError("input_reference is the first frame here: give one picture, and memory for the others")
    elif given:
        handed = [_covering(given[0], size)]
    if wrong := [f"{f.shape[1]}x{f.shape[0]}" for f in handed if (f.shape[1], f.shape[0]) != size]:
        raise SettingsError(f"handover: a frame is {wrong[0]}, and the video {size[0]}x{size[1]}")
    return handed, memory


def _covering(picture: Frames, size: tuple[int, int]) -> Frames:
    return np.asarray(ImageOps.fit(Image.fromarray(picture), size, Image.Resampling.LANCZOS))


def _check(can: Capabilities, handed: Sequence[Frames], memory: Sequence[Frames]) -> None:
    if len(memory) > can.max_memory:
        raise SettingsError(f"{len(memory)} memory pictures; at most {can.max_memory}")
    can.check_handover(len(handed), "the request")
    mode = mode_of(handover=len(handed), memory=len(memory))
    if mode not in can.modes:
        raise SettingsError(f"needs mode {mode}; there are {', '.join(sorted(can.modes))}")
