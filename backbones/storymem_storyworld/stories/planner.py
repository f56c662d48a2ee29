"""A planner that draws random stories of the storyworld: for benchmarks and demonstrations."""

from __future__ import annotations

from collections.abc import Callable

from storymem.interfaces import Brief, ScriptPlanner
from storymem.values.script import StoryScript
from storymem_storyworld.settings import EpisodeSettings
from storymem_storyworld.stories.episodes import TIERS, sample_episode, story_script


class EpisodePlanner(ScriptPlanner[EpisodeSettings]):
    """Seed, number of shots and tier decide the story; the text of the brief only becomes its overview.

    Given entities are carried along, but nobody but the storyworld's own characters appears.
    """

    def plan(self, brief: Brief, progress: Callable[[str], None]) -> StoryScript:
        """See :meth:`ScriptPlanner.plan`."""
        chosen = self.settings
        tier = chosen.tier or _tier_of(brief.shots)
        progress(f"drawing storyworld story {brief.seed} of tier {tier}")
        episode = sample_episode(brief.seed, tier, chosen.split, chosen.language, shots=brief.shots)
        script = story_script(episode)
        own = tuple(entity for entity in script.entities if entity.id not in {given.id for given in brief.cast})
        changes = {"style": brief.style, "overview": brief.text or script.overview, "entities": (*brief.cast, *own)}
        return script.model_copy(update=changes)


def _tier_of(shots: int) -> str:
    """The first tier that has stories of so many shots, else the last."""
    return next((name for name, tier in TIERS.items() if shots <= tier.shots[1]), "hard")
