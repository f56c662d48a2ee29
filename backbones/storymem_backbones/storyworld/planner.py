"""A planner that draws random stories of the storyworld: for benchmarks and demonstrations."""

from __future__ import annotations

from collections.abc import Callable

from storymem.interfaces import Brief, ScriptPlanner
from storymem.script.models import StoryScript
from storymem_backbones.storyworld.episodes import sample_episode, story_script
from storymem_backbones.storyworld.settings import EpisodeSettings


class EpisodePlanner(ScriptPlanner[EpisodeSettings]):
    """The story is decided by the brief's seed and the tier; the text of the brief only becomes its overview."""

    def plan(self, brief: Brief, progress: Callable[[str], None]) -> StoryScript:
        """See :meth:`ScriptPlanner.plan`."""
        chosen = self.settings
        progress(f"drawing storyworld story {brief.seed} of tier {chosen.tier}")
        script = story_script(sample_episode(brief.seed, chosen.tier, chosen.split, chosen.language))
        return script.model_copy(update={"style": brief.style, "overview": brief.text or script.overview})
