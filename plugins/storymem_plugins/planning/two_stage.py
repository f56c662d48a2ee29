"""Planning with a language model in two stages: cast and scenes first, then the shots of each scene.

Each shot's prompt must stand alone, since a video model knows no names: the second stage is asked to repeat
every look, and where it forgets one, the look is put in mechanically (StoryMem, section 4.1).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence

from pydantic import JsonValue
from typing_extensions import TypeVar

from storymem.interfaces import Brief, ScriptPlanner
from storymem.script.models import Entity, Scene, StoryScript
from storymem_plugins.planning.answers import OutlineAnswer, ShotAnswer, outline_answer, shots_answer
from storymem_plugins.planning.asking import Asker
from storymem_plugins.planning.assembling import ScenePlan, cast_of, scene_of, script_of
from storymem_plugins.planning.cache import AnswerCache, default_folder
from storymem_plugins.planning.chat import ChatModel, Message
from storymem_plugins.planning.condensing import condensed
from storymem_plugins.planning.dividing import allot
from storymem_plugins.planning.prompting import system_prompt
from storymem_plugins.planning.provenance import provenance
from storymem_plugins.planning.revising import revised
from storymem_plugins.planning.settings import ModelPlannerSettings

SettingsT = TypeVar("SettingsT", bound=ModelPlannerSettings, default=ModelPlannerSettings)


class ModelPlanner(ScriptPlanner[SettingsT]):
    """Base of the planners that ask a language model."""

    #: How the planner is registered.
    name: str = ""

    @abstractmethod
    def connect(self) -> ChatModel:
        """Return the model to ask; called once for each plan."""

    def prices(self) -> tuple[float, float]:
        """Return the prices of a million tokens read and written; 0 if unknown."""
        return 0.0, 0.0

    def plan(self, brief: Brief, progress: Callable[[str], None]) -> StoryScript:
        """Return a script of exactly ``brief.shots`` shots.

        Raises:
            PlanError: The model or its server failed, or gave no usable answer.
        """
        model = self.connect()
        try:
            asker = self._asker(model, brief.seed, progress)
            outline = _outline(brief, asker)
            cast = cast_of(brief, outline.entities)
            scenes = _scenes(brief, outline, cast, asker)
            script = script_of(brief, outline, cast, scenes, self._provenance(brief, asker))
        finally:
            model.close()
        self._report(asker)
        return script

    def revise(self, script: StoryScript, request: str, progress: Callable[[str], None]) -> StoryScript:
        """Return ``script`` changed as ``request`` asks; untouched shots keep ids and words.

        Raises:
            PlanError: The model or its server failed, or gave no usable answer.
        """
        model = self.connect()
        try:
            asker = self._asker(model, script.seed, progress)
            result = revised(script, request, asker)
        finally:
            model.close()
        self._report(asker)
        return result

    def _asker(self, model: ChatModel, seed: int, progress: Callable[[str], None]) -> Asker:
        cache = AnswerCache(self.settings.cache_dir or default_folder(), enabled=self.settings.cache)
        return Asker(model, self.settings, cache, seed, progress)

    def _provenance(self, brief: Brief, asker: Asker) -> dict[str, JsonValue]:
        prompts = {name: system_prompt(name).label for name in ("outline", "shots", "condense")}
        return {
            **provenance(self.name, self.version, brief),
            "model": asker.model.identity,
            "temperature": self.settings.temperature,
            "prompts": {**prompts},
            "usage": asker.usage.to_json(*self.prices()),
            **asker.usage.read_as(),
        }

    def _report(self, asker: Asker) -> None:
        used = asker.usage.to_json(*self.prices())
        asker.progress(", ".join(f"{value} {name.replace('_', ' ')}" for name, value in used.items()))


def _outline(brief: Brief, asker: Asker) -> OutlineAnswer:
    story = condensed(brief.text, asker)
    lines = [
        f"<brief>\n{story}\n</brief>",
        f"Shots in the film: {brief.shots}. Scenes: at most {min(asker.settings.max_scenes, brief.shots)}.",
        f"Language of your answer: {brief.language}.",
        f"Style of the pictures: {brief.style}." if brief.style else "",
        f"Given cast:\n{_listed(brief.cast)}" if brief.cast else "",
    ]
    messages = [Message("system", system_prompt("outline").text), Message("user", _joined(lines))]
    return asker.ask("outline", messages, outline_answer(asker.settings, brief.shots))


def _scenes(brief: Brief, outline: OutlineAnswer, cast: Sequence[Entity], asker: Asker) -> list[Scene]:
    counts = allot([1] * len(outline.scenes), brief.shots)
    plans = [
        ScenePlan(scene.title, scene.setting, scene.summary, count)
        for scene, count in zip(outline.scenes, counts, strict=True)
    ]
    scenes: list[Scene] = []
    before = ""
    for number, plan in enumerate(plans, start=1):
        stage = f"scene {number} of {len(plans)}"
        answers = _shots(brief, outline.overview, plan, cast, asker, stage, before)
        before = answers[-1].prompt
        scenes.append(scene_of(plan, answers, cast))
    return scenes


def _shots(
    brief: Brief,
    overview: str,
    plan: ScenePlan,
    cast: Sequence[Entity],
    asker: Asker,
    stage: str,
    before: str,
) -> list[ShotAnswer]:
    """Return a scene's shots, asked for in as many requests as ``shots_per_call`` makes of them."""
    answers: list[ShotAnswer] = []
    most = asker.settings.shots_per_call
    while len(answers) < plan.shots:
        count = min(most, plan.shots - len(answers))
        last = answers[-1].prompt if answers else before
        messages = [
            Message("system", system_prompt("shots").text),
            Message("user", _request(brief, overview, plan, cast, last, (len(answers), count))),
        ]
        shape = shots_answer(asker.settings, count, [entity.label for entity in cast])
        part = f", shots {len(answers) + 1} to {len(answers) + count}" if plan.shots > most else ""
        answers += asker.ask(f"{stage}{part}", messages, shape).shots
    return answers


def _request(
    brief: Brief, overview: str, plan: ScenePlan, cast: Sequence[Entity], last: str, part: tuple[int, int]
) -> str:
    done, count = part
    so_far = f"{done} of its {plan.shots} shots are written; go on from there. " if done else ""
    lines = [
        f"The story: {overview}",
        f"Entities:\n{_listed(cast)}" if cast else "",
        f"This scene: {plan.title}. Setting: {plan.setting}. What happens: {plan.summary}",
        f"The shot before: {last}" if last else "",
        f"{so_far}Write exactly {count} shots.",
        f"Language: {brief.language}.",
        f"Style of the pictures, added to each prompt anyway: {brief.style}." if brief.style else "",
    ]
    return _joined(lines)


def _listed(entities: Sequence[Entity]) -> str:
    return "\n".join(f"- {entity.label} ({entity.kind}): {entity.look or 'as named'}" for entity in entities)


def _joined(lines: Sequence[str]) -> str:
    return "\n\n".join(line for line in lines if line)
