"""Turns a script and settings into checked shot specifications and a graph, before anything is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from pydantic import ValidationError

from storymem.engine.plugins import WorkerConfig
from storymem.errors import SettingsError
from storymem.graph import ShotGraph, build_graph
from storymem.interfaces import Backbone, Capabilities, MemoryPolicy, Transition
from storymem.keys import derived_seed
from storymem.plugin import Kind, PluginHost
from storymem.settings import PluginChoice
from storymem.store.records import Override
from storymem.validation import describe
from storymem.values.request import ShotRequest, Subject, mode_of
from storymem.values.script import StoryScript
from storymem.values.storyboard import BoardShot, Storyboard


@dataclass(frozen=True, slots=True)
class ShotSpec:
    """One shot with everything about it decided that does not depend on other shots' pictures.

    Attributes:
        shot: The shot.
        transition: The way into it.
        budget: Most keyframes to recall.
        request: What the backbone will be asked for, without memory and hand-over.
        tail: How many of its last frames the next shot is given.
    """

    shot: BoardShot
    transition: Transition[Any]
    budget: int
    request: ShotRequest
    tail: int = 0


@dataclass(frozen=True, slots=True)
class StoryPlan:
    """A whole run, decided: its shots, graph, (width, height) in pixels, frames per second, and remarks for the user.

    Attributes:
        board: The story's shots.
        graph: What must wait for what.
        specs: One per shot, in story order.
        size: (width, height) in pixels.
        fps: Frames per second.
        notices: What the user should know, a line each.
    """

    board: Storyboard
    graph: ShotGraph
    specs: tuple[ShotSpec, ...]
    size: tuple[int, int]
    fps: int
    notices: tuple[str, ...] = ()


def with_overrides(script: StoryScript, overrides: Mapping[str, Override]) -> StoryScript:
    """Return the script with the user's ``redo`` changes; overrides of shots it does not have are ignored."""
    ids = {shot.id for shot in Storyboard(script)} if overrides else set()
    for shot_id in ids & overrides.keys():
        fields = {"seed": overrides[shot_id].seed, "prompt": overrides[shot_id].prompt}
        script = script.with_shot(shot_id, **{k: v for k, v in fields.items() if v is not None})
    return script


class Planner:
    """Builds :class:`StoryPlan` from the run's plugins.

    Args:
        config: Settings and given instances.
        host: Builds transitions.
        backbone: The video model; asked for its capabilities.
        policy: Decides what each shot sees.
    """

    def __init__(
        self, config: WorkerConfig, host: PluginHost, backbone: Backbone[Any], policy: MemoryPolicy[Any]
    ) -> None:
        self._config = config
        self._settings = config.settings
        self._host = host
        self._backbone = backbone
        self._policy = policy
        self._capabilities = backbone.capabilities()
        self._transitions: dict[str, Transition[Any]] = {}

    def plan(self, script: StoryScript) -> StoryPlan:
        """Check every shot and build the graph.

        Raises:
            StoryMemError: Names the shot or key, and what is allowed.
        """
        size = self._settings.size or self._capabilities.size
        self._capabilities.check_size(*size)
        board = Storyboard(script)
        budget = self._budget()
        specs = [self._spec(board, shot, size, budget) for shot in board]
        for index, (before, after) in enumerate(pairwise(specs)):
            _check_join(before, after)
            specs[index] = replace(before, tail=after.transition.handover)
        graph = build_graph(board, self._policy, [spec.transition.handover for spec in specs])
        notices = tuple(filter(None, [self._policy.notice(board), graph.notice()]))
        return StoryPlan(board, graph, tuple(specs), size, self._capabilities.fps, notices)

    def _budget(self) -> int:
        """Return the run's budget; the default one is capped by what the backbone takes, a chosen one is checked."""
        most = self._capabilities.max_memory
        if "budget" not in self._settings.model_fields_set:
            return min(self._settings.budget, most)
        if self._settings.budget > most:
            raise SettingsError(
                f"budget: {self._settings.budget} keyframes; backbone {self._settings.backbone.name!r} takes at most "
                f"{most}"
            )
        return self._settings.budget

    def _spec(self, board: Storyboard, shot: BoardShot, size: tuple[int, int], most: int) -> ShotSpec:
        overrides = shot.shot.overrides
        budget = most if overrides.budget is None else overrides.budget
        request = self._request(board, shot, size)
        transition = self._transition(shot)
        _check_capabilities(self._capabilities, shot, transition, budget, request.frames)
        _check_anchors(self._capabilities, shot, transition.handover, request.frames)
        return ShotSpec(shot, transition, budget, request)

    def _request(self, board: Storyboard, shot: BoardShot, size: tuple[int, int]) -> ShotRequest:
        script, overrides = board.script, shot.shot.overrides
        frames = shot.shot.frames or self._settings.frames or self._capabilities.frames
        self._capabilities.check_frames(frames, f"shot {shot.id}")
        story_seed = script.seed if self._settings.seed is None else self._settings.seed
        return ShotRequest(
            shot=shot.id,
            prompt=shot.prompt,
            negative_prompt=script.negative_prompt if overrides.negative_prompt is None else overrides.negative_prompt,
            width=size[0],
            height=size[1],
            frames=frames,
            seed=derived_seed(story_seed, shot.id) if shot.shot.seed is None else shot.shot.seed,
            subjects=tuple(_subject(board, entity) for entity in shot.entities),
            options=self._options(shot),
        )

    def _transition(self, shot: BoardShot) -> Transition[Any]:
        chosen = shot.shot.transition
        if chosen is not None:
            return self._build_transition("transition", PluginChoice(name=chosen.name, settings=chosen.settings))
        key = "cut" if shot.cut else "continuation"
        return self._build_transition(key, getattr(self._settings, key))

    def _build_transition(self, key: str, choice: PluginChoice) -> Transition[Any]:
        cached = choice.model_dump_json() if key == "transition" else key
        if cached not in self._transitions:
            self._transitions[cached] = self._config.one(self._host, Kind.TRANSITION, key, choice, Transition)
        return self._transitions[cached]

    def _options(self, shot: BoardShot) -> Mapping[str, Any]:
        options = shot.shot.overrides.backbone
        if not options:
            return {}
        where = f"shot {shot.id}: overrides.backbone"
        if unknown := sorted(set(options) - self._backbone.shot_options):
            allowed = ", ".join(sorted(self._backbone.shot_options)) or "nothing"
            raise SettingsError(f"{where}: {', '.join(unknown)} cannot be changed for one shot; allowed: {allowed}")
        try:
            merged = type(self._backbone).Settings.model_validate({**self._backbone.settings.model_dump(), **options})
        except ValidationError as error:
            raise SettingsError(f"{where}: {describe(error)}") from error
        return {name: getattr(merged, name) for name in sorted(options)}


def _subject(board: Storyboard, entity_id: str) -> Subject:
    entity = board.entities[entity_id]
    return Subject(entity.label, entity.kind.value, entity.look)


def _check_capabilities(
    can: Capabilities, shot: BoardShot, transition: Transition[Any], budget: int, frames: int
) -> None:
    name = type(transition).__name__
    if budget > can.max_memory:
        raise SettingsError(f"shot {shot.id}: budget {budget}; the backbone takes at most {can.max_memory} keyframes")
    can.check_handover(transition.handover, f"shot {shot.id}: transition {name}")
    mode = mode_of(handover=transition.handover, memory=1 if budget else 0)
    if mode not in can.modes:
        raise SettingsError(f"shot {shot.id}: needs mode {mode}; the backbone has {', '.join(sorted(can.modes))}")
    if transition.drop + transition.overlap >= frames:
        raise SettingsError(
            f"shot {shot.id}: {frames} frames leave nothing after transition {name} drops {transition.drop} and "
            f"blends {transition.overlap}"
        )


def _check_anchors(can: Capabilities, shot: BoardShot, handover: int, frames: int) -> None:
    """Raise unless every anchor lies within the clip, after what is handed over, where the backbone can hold it."""
    seen: set[int] = set()
    for index, anchor in enumerate(shot.shot.anchors):
        where = f"shot {shot.id}: anchors.{index}"
        if not -frames <= anchor.frame < frames:
            raise SettingsError(f"{where}: frame {anchor.frame}; the clip has {frames} frames")
        frame = anchor.frame % frames
        if frame in seen:
            raise SettingsError(f"{where}: frame {anchor.frame} is anchored twice")
        if frame < handover:
            raise SettingsError(f"{where}: frame {anchor.frame} is handed over by the shot before; make it a cut")
        can.check_anchor(frame, frames, where)
        seen.add(frame)


def _check_join(before: ShotSpec, after: ShotSpec) -> None:
    """Raise unless ``before`` is long enough for what ``after`` takes of its end."""
    kept = before.request.frames - before.transition.drop - before.transition.overlap
    taken = max(after.transition.handover, after.transition.overlap)
    if taken > kept:
        raise SettingsError(
            f"shot {after.shot.id}: its transition takes {taken} frames of shot {before.shot.id}, "
            f"which has {kept} of its own"
        )
