"""The story script: entities, scenes and shots, strictly validated."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from storymem.errors import ScriptError
from storymem.numbers import seed_number, whole_number
from storymem.text import composed
from storymem.validation import describe

MAX_PROMPT = 20_000  #: characters; far beyond the 512 tokens any current text encoder reads
MAX_SHOTS = 100_000
MAX_ENTITIES = 10_000
#: Without leading zeros: 1.2 and 01.02 would be two shots under one file name.
SHOT_ID = re.compile(r"(0|[1-9][0-9]{0,4})\.(0|[1-9][0-9]{0,4})[a-z]?")

Prompt = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_PROMPT)]
Text = Annotated[str, StringConstraints(max_length=MAX_PROMPT)]
#: In NFC, so that the same letters are the same name however a file or a keyboard composes them.
Name = Annotated[str, AfterValidator(composed), StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
#: A whole number in any form, 0 .. 2**64-1; -1 draws one.
Seed = Annotated[int, BeforeValidator(seed_number)]
Count = Annotated[int, BeforeValidator(whole_number)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class EntityKind(StrEnum):
    """What an entity is."""

    CHARACTER = "character"
    PLACE = "place"
    OBJECT = "object"
    STYLE = "style"


class Entity(_Model):
    """Something that must look the same in every shot that shows it.

    Attributes:
        id: How shots refer to it; unique.
        name: How prompts call it; the id if not given.
        kind: character, place, object or style.
        look: Its fixed appearance, in words.
        references: Image files, relative to the script. They enter memory before the first shot.
    """

    id: Name
    name: Annotated[str, AfterValidator(composed)] = ""
    kind: Annotated[EntityKind, Field(strict=False)] = EntityKind.CHARACTER
    look: Text = ""
    references: tuple[str, ...] = Field(default=(), strict=False)

    @property
    def label(self) -> str:
        """The name, or the id if it has none."""
        return self.name or self.id


class TransitionChoice(_Model):
    """A transition by name, with its settings."""

    name: Name
    settings: dict[str, JsonValue] = Field(default_factory=dict)


class ShotOverrides(_Model):
    """Run settings that one shot changes for itself.

    Attributes:
        budget: Memory budget, in keyframes.
        negative_prompt: Replaces the script's.
        backbone: Backbone settings that the backbone lets a shot change.
    """

    budget: Annotated[Count, Field(ge=0)] | None = None
    negative_prompt: Text | None = None
    backbone: dict[str, JsonValue] = Field(default_factory=dict)


class Line(_Model):
    """One line of dialogue.

    Attributes:
        text: What is said.
        speaker: Who says it: the id of an entity, or any name; empty if it does not matter.
    """

    text: Prompt
    speaker: Annotated[str, AfterValidator(composed), StringConstraints(strip_whitespace=True, max_length=200)] = ""


class Anchor(_Model):
    """A picture that a shot shows at one of its frames: an image file, or a frame of another shot.

    Attributes:
        frame: Where the shot shows it: 0 is the first frame of its clip, -1 the last.
        image: An image file, relative to the script; cropped in the middle to the shape of the film.
        shot: Id of the shot whose frame it is. That shot is made first.
        shot_frame: Which frame of that shot, as the film shows it: 0 is the first, -1 the last.
    """

    frame: Annotated[Count, Field(ge=-100_000, le=100_000)] = -1
    image: Annotated[str, StringConstraints(max_length=MAX_PROMPT)] = ""
    shot: str = ""
    shot_frame: Annotated[Count, Field(ge=-100_000, le=100_000)] = 0

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if bool(self.image) == bool(self.shot):
            raise ValueError("an anchor needs either image or shot")
        if self.shot and not SHOT_ID.fullmatch(self.shot):
            raise ValueError(f"shot {self.shot!r} must be scene.shot, such as 2.3")
        return self


class Shot(_Model):
    """One shot.

    Attributes:
        prompt: What is seen and what happens.
        id: ``scene.shot``, such as 2.3; counted if not given. Keep ids when inserting, so that takes stay.
        cut: False if the shot continues the one before it without a cut.
        entities: Ids of the entities it shows.
        transition: The way into this shot; None for the run's default.
        frames: Number of frames; None for the run's default.
        seed: Fixed seed, 0 .. 2**64-1; None derives one from the story seed and the id.
        overrides: Run settings changed for this shot alone.
        narration: What a narrator says over the shot, before any dialogue; no backbone sees it.
        dialogue: What is said in the shot, in order; no backbone sees it.
        anchors: Pictures that the shot shows at chosen frames, where the backbone can hold them.
    """

    prompt: Prompt
    id: str = ""
    cut: bool = True
    entities: tuple[Name, ...] = Field(default=(), strict=False)
    transition: TransitionChoice | None = None
    frames: Annotated[Count, Field(ge=1, le=100_000)] | None = None
    seed: Seed | None = None
    overrides: ShotOverrides = ShotOverrides()
    narration: Text = ""
    dialogue: tuple[Line, ...] = Field(default=(), strict=False)
    anchors: Annotated[tuple[Anchor, ...], Field(max_length=64, strict=False)] = ()

    @field_validator("anchors")
    @classmethod
    def _one_at_a_frame(cls, anchors: tuple[Anchor, ...]) -> tuple[Anchor, ...]:
        frames = [anchor.frame for anchor in anchors]
        if twice := sorted({frame for frame in frames if frames.count(frame) > 1}):
            raise ValueError(f"two anchors at frame {twice[0]}; keep one")
        return anchors

    @field_validator("id")
    @classmethod
    def _id_form(cls, value: str) -> str:
        if value and not SHOT_ID.fullmatch(value):
            raise ValueError(f"{value!r} must be scene.shot, such as 2.3 (an inserted shot may be 2.3a)")
        return value

    @field_validator("transition", mode="before")
    @classmethod
    def _transition_by_name(cls, value: Any) -> Any:
        """Accept a name alone, and settings beside the name, as settings files write plugins."""
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, dict) and "name" in value and "settings" not in value:
            return {"name": value["name"], "settings": {k: v for k, v in value.items() if k != "name"}}
        return value


class Scene(_Model):
    """Shots that belong together. ``setting`` says where and when, for people and planners."""

    shots: tuple[Shot, ...] = Field(min_length=1, strict=False)
    title: str = ""
    setting: Text = ""


class StoryScript(_Model):
    """A whole story.

    Attributes:
        title: Names the story; a run folder belongs to one title.
        overview: The story in a few sentences.
        style: Added to every prompt.
        negative_prompt: What to avoid in every shot; None for the backbone's default.
        seed: Story seed, from which shot seeds derive. -1, as elsewhere, draws one.
        entities: What recurs.
        scenes: In story order.
        metadata: Anything the framework should carry but not read, such as a planner's provenance.
    """

    title: Name
    overview: Text = ""
    style: Text = ""
    negative_prompt: Text | None = None
    seed: Seed = 0
    entities: tuple[Entity, ...] = Field(default=(), strict=False)
    scenes: tuple[Scene, ...] = Field(min_length=1, strict=False)
    metadata: dict[str, JsonValue] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _check(self)
        return self

    def shot_id(self, scene: int, shot: int) -> str:
        """Return the id of a shot by its indices from 0: its own, or counted from 1."""
        return self.scenes[scene].shots[shot].id or f"{scene + 1}.{shot + 1}"

    def locate(self, shot_id: str) -> tuple[int, int]:
        """Return the indices of a shot's scene and of the shot in it; raises :class:`ScriptError` if it has none."""
        for i, scene in enumerate(self.scenes):
            for j in range(len(scene.shots)):
                if self.shot_id(i, j) == shot_id:
                    return i, j
        raise ScriptError(f"shot {shot_id}: the script has no such shot")

    def with_shot(self, shot_id: str, **fields: Any) -> Self:
        """Return the script with these fields of one shot replaced and checked.

        Raises:
            ScriptError: There is no such shot, or the new fields do not suit it.
        """
        i, j = self.locate(shot_id)
        shots, scenes = list(self.scenes[i].shots), list(self.scenes)
        try:
            shots[j] = Shot.model_validate({**dict(shots[j]), **fields})
        except ValidationError as error:
            raise ScriptError(f"shot {shot_id}: {describe(error)}") from error
        scenes[i] = scenes[i].model_copy(update={"shots": tuple(shots)})
        made = self.model_copy(update={"scenes": tuple(scenes)})
        try:
            _check(made)
        except ValueError as error:
            raise ScriptError(f"shot {shot_id}: {error}") from error
        return made

    def with_prompt(self, shot_id: str, prompt: str) -> Self:
        """Return the script with another prompt for one shot; raises as :meth:`with_shot`."""
        return self.with_shot(shot_id, prompt=prompt)


def _check(script: StoryScript) -> None:
    """Raise :class:`ValueError` unless ids and references between the parts of a script are in order."""
    _check_entity_ids(script)
    _check_shot_ids(script)
    _check_shot_entities(script)


def _check_entity_ids(script: StoryScript) -> None:
    if len(script.entities) > MAX_ENTITIES:
        raise ValueError(f"entities: {len(script.entities)}; at most {MAX_ENTITIES}")
    seen: set[str] = set()
    for index, entity in enumerate(script.entities):
        if entity.id in seen:
            raise ValueError(f"entities.{index}.id: {entity.id!r} is used twice")
        seen.add(entity.id)


def _check_shot_ids(script: StoryScript) -> None:
    first_use: dict[str, str] = {}
    for i, scene in enumerate(script.scenes):
        for j in range(len(scene.shots)):
            shot_id, where = script.shot_id(i, j), f"scenes.{i}.shots.{j}"
            if shot_id in first_use:
                raise ValueError(f"{where}: id {shot_id} is already used by {first_use[shot_id]}")
            first_use[shot_id] = where
    if len(first_use) > MAX_SHOTS:
        raise ValueError(f"scenes: {len(first_use)} shots; at most {MAX_SHOTS}")
    if not script.scenes[0].shots[0].cut:
        raise ValueError("scenes.0.shots.0.cut: the first shot has nothing to continue; it must be a cut")


def _check_shot_entities(script: StoryScript) -> None:
    known = {entity.id for entity in script.entities}
    for i, scene in enumerate(script.scenes):
        for j, shot in enumerate(scene.shots):
            for entity in shot.entities:
                if entity not in known:
                    raise ValueError(f"scenes.{i}.shots.{j}.entities: {entity!r} is not among the script's entities")
