"""Everything a run can be told, by the same keys in files, environment, command line and Python."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    model_serializer,
    model_validator,
)

from storymem.numbers import size_pair
from storymem.values.script import Count, Seed


class PluginChoice(BaseModel):
    """A plugin by name, with its settings; written ``"name"`` or ``{name = "...", key = value}``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    settings: dict[str, JsonValue] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _flat(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, dict) and set(value) != {"name", "settings"}:
            return {"name": value.get("name"), "settings": {k: v for k, v in value.items() if k != "name"}}
        return value

    @model_serializer
    def _flatten(self) -> dict[str, JsonValue]:
        return {"name": self.name, **self.settings}


_Side = Annotated[int, Field(ge=1, le=99_999)]
Size = Annotated[tuple[_Side, _Side], BeforeValidator(size_pair)]


class AcceptSettings(BaseModel):
    """The accept gate: clips that fail are made again with another seed, and the best attempt is kept.

    Attributes:
        attempts: Most clips to make for one shot; each costs a whole generation.
        filters: Frame filters that judge the clip; the built-in ones if none are given.
        share: Share of the sampled frames that must pass all filters.
        samples: How many frames to look at.
        revise: Add what the filters advise to the prompt of the next attempt.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    attempts: Annotated[int, Field(ge=1, le=20)] = 3
    filters: tuple[PluginChoice, ...] = ()
    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    samples: Annotated[int, Field(ge=1, le=100)] = 5
    revise: bool = False


class RunSettings(BaseModel):
    """The settings of one run. Plugins that are not chosen are filled in by :func:`storymem.settings.resolve`.

    Attributes:
        backbone: The video model.
        policy: Which keyframes are remembered and recalled; by default one by entities where the script lists them.
        budget: Most keyframes recalled for a shot; memory costs time (8 to 10 is what M2V was trained for). The
            default is lowered to what the backbone takes.
        selector: Which frames of a finished shot are proposed as keyframes.
        filters: What refuses frames, in this order.
        encoder: The image-text model shared by selector, filters and policy; None if nothing needs one.
        accept: Makes clips again that fail its filters; None keeps every clip. Only accepted shots write memory.
        store: Where keyframes and embeddings are kept.
        library: Folder of the cast library: entities that stories share, with their pictures; None for none.
        cut: Transition into shots that are cuts and name no transition.
        continuation: Transition into shots that are not cuts and name no transition.
        size: (width, height) in pixels, or ``"832x480"``, ``"832*480"``; None for the backbone's default.
        frames: Frames per shot; None for the backbone's default.
        seed: Story seed, 0 .. 2**64-1; -1 draws one; None for the script's.
        executor: Where shots are made.
        workers: How many shots may be made side by side. Never changes the result.
        gpus_per_shot: How many GPUs make one shot together; None for what the backbone's settings say. Changes
            results only within the rounding of its number format.
        shot_timeout: Seconds after which a shot is given up, counted from when a worker has it and has loaded its
            weights, and again for every attempt; None for no limit.
        master: How takes are kept: ``lossless`` (exact), or ``small`` (near-lossless, about a third of the size).
        finish: What makes shots better to look at, in this order: larger, smoother. Only viewing copies and film show
            it; memory and later shots see shots as they were made.
        crf: Quality of viewing copies and film, x264's constant rate factor, 0 (best) to 51.
        layout: Names of per-shot files: ``storymem`` (shots/01_02.mp4) or ``entitybench`` (also <title>/001_002.mp4).
        sinks: Further receivers of events.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    backbone: PluginChoice
    policy: PluginChoice
    budget: Annotated[Count, Field(ge=0, le=1000)] = 8
    selector: PluginChoice
    filters: tuple[PluginChoice, ...]
    encoder: PluginChoice | None = None
    accept: AcceptSettings | None = None
    store: PluginChoice
    library: Path | None = None
    cut: PluginChoice
    continuation: PluginChoice
    size: Size | None = None
    frames: Annotated[Count, Field(ge=1, le=100_000)] | None = None
    seed: Seed | None = None
    executor: PluginChoice
    workers: Annotated[Count, Field(ge=1, le=256)] = 1
    gpus_per_shot: Annotated[Count, Field(ge=1, le=64)] | None = None
    shot_timeout: Annotated[float, Field(gt=0)] | None = None
    master: Literal["lossless", "small"] = "lossless"
    finish: tuple[PluginChoice, ...] = ()
    crf: Annotated[int, Field(ge=0, le=51)] = 18
    layout: Literal["storymem", "entitybench"] = "storymem"
    sinks: tuple[PluginChoice, ...] = ()


#: Keys whose value is one plugin; their tables merge by plugin name.
CHOICE_KEYS = frozenset({"backbone", "policy", "selector", "encoder", "store", "cut", "continuation", "executor"})
