"""Turns a script and settings into checked shot specifications and a graph, before anything is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pydantic import ValidationError

from storymem.engine.keys import shot_seed
from storymem.engine.toolbox import ToolboxRecipe
from storymem.errors import SettingsError
from storymem.graph import ShotGraph, build_graph
from storymem.interfaces import Backbone, Capabilities, MemoryPolicy, Subject, Transition
from storymem.interfaces.backbone import mode_of
from storymem.plugin import Kind, PluginHost
from storymem.script.models import StoryScript
from storymem.settings import PluginChoice
from storymem.store.records import Override
from storymem.storyboard import BoardShot, Storyboard
from storymem.validation import describe


@dataclass(frozen=True, slots=True)
class ShotSpec:
    """One shot with everything about it decided.

    Attributes:
        shot: The shot.
        transition: The way into it.
        frames: Number of frames the backbone makes.
        seed: Resolved seed.
        budget: Most keyframes to recall.
        negative_prompt: None for the backbone's default.
        subjects: What it shows.
        options: Per-shot backbone settings.
    """

    shot: BoardShot
    transition: Transition[Any]
    frames: int
    seed: int
    budget: int
    negative_prompt: str | None
    subjects: tuple[Subject, ...]
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StoryPlan:
    """A whole run, decided: its shots, graph, (width, height) in pixels, and frames per second."""

    board: Storyboard
    graph: ShotGraph
    specs: tuple[ShotSpec, ...]
    size: tuple[int, int]
    fps: int


def with_overrides(script: StoryScript, overrides: Mapping[str, Override]) -> StoryScript:
    """Return the script with the user's ``redo`` changes; overrides of shots it does not have are ignored."""
    if not overrides:
        return script
    scenes = []
    for i, scene in enumerate(script.scenes):
        shots = []
        for j, shot in enumerate(scene.shots):
            change = overrides.get(script.shot_id(i, j))
            if change is not None:
                fields = {"seed": change.seed, "prompt": change.prompt}
                shot = shot.model_copy(update={k: v for k, v in fields.items() if v is not None})  # noqa: PLW2901
            shots.append(shot)
        scenes.append(scene.model_copy(update={"shots": tuple(shots)}))
    return script.model_copy(update={"scenes": tuple(scenes)})


class Planner:
    """Builds :class:`StoryPlan` from the run's plugins."""

    def __init__(
        self, recipe: ToolboxRecipe, host: PluginHost, backbone: Backbone[Any], policy: MemoryPolicy[Any]
    ) -> None:
        self._recipe = recipe
        self._settings = recipe.settings
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
        if self._settings.budget > self._capabilities.max_memory:
            raise SettingsError(
                f"budget: {self._settings.budget} keyframes; backbone {self._settings.backbone.name!r} takes at most "
                f"{self._capabilities.max_memory}"
            )
        board = Storyboard(script)
        specs = tuple(self._spec(board, shot) for shot in board)
        for before, after in pairwise(specs):
            _check_join(before, after)
        graph = build_graph(board, self._policy, [spec.transition.handover for spec in specs])
        return StoryPlan(board, graph, specs, size, self._capabilities.fps)

    def _spec(self, board: Storyboard, shot: BoardShot) -> ShotSpec:
        script, overrides = board.script, shot.shot.overrides
        frames = shot.shot.frames or self._settings.frames or self._capabilities.frames
        self._capabilities.check_frames(frames, f"shot {shot.id}")
        story_seed = script.seed if self._settings.seed is None else self._settings.seed
        budget = self._settings.budget if overrides.budget is None else overrides.budget
        transition = self._transition(shot)
        _check_capabilities(self._capabilities, shot, transition, budget, frames)
        return ShotSpec(
            shot=shot,
            transition=transition,
            frames=frames,
            seed=shot_seed(story_seed, shot.id) if shot.shot.seed is None else shot.shot.seed,
            budget=budget,
            negative_prompt=script.negative_prompt if overrides.negative_prompt is None else overrides.negative_prompt,
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
            self._transitions[cached] = self._recipe.one(self._host, Kind.TRANSITION, key, choice, Transition)
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
    if transition.handover > can.max_handover:
        raise SettingsError(
            f"shot {shot.id}: transition {name} hands over {transition.handover} frames; the backbone takes at most "
            f"{can.max_handover}"
        )
    mode = mode_of(transition.handover, 1 if budget else 0)
    if mode not in can.modes:
        raise SettingsError(f"shot {shot.id}: needs mode {mode}; the backbone has {', '.join(sorted(can.modes))}")
    if transition.drop + transition.overlap >= frames:
        raise SettingsError(
            f"shot {shot.id}: {frames} frames leave nothing after transition {name} drops {transition.drop} and "
            f"blends {transition.overlap}"
        )


def _check_join(before: ShotSpec, after: ShotSpec) -> None:
    """Raise unless ``before`` is long enough for what ``after`` takes of its end."""
    kept = before.frames - before.transition.drop - before.transition.overlap
    taken = max(after.transition.handover, after.transition.overlap)
    if taken > kept:
        raise SettingsError(
            f"shot {after.shot.id}: its transition takes {taken} frames of shot {before.shot.id}, "
            f"which has {kept} of its own"
        )
