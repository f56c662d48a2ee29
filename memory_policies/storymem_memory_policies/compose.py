"""A budget filled by several policies, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from storymem.errors import PluginError
from storymem.interfaces import BuildPlugin, BuildsPlugins, Keyframe, MemoryPolicy, MemoryView, PluginSettings
from storymem.settings import PluginChoice
from storymem.values.storyboard import BoardShot, Storyboard
from storymem_memory_policies.ordering import in_view_order


class Part(BaseModel):
    """One policy of a composition.

    Attributes:
        policy: Its name and settings.
        most: Most keyframes it may add; None for whatever budget is left.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    policy: PluginChoice
    most: Annotated[int, Field(ge=1)] | None = None


class ComposeSettings(PluginSettings):
    """Settings of :class:`Compose`.

    Attributes:
        parts: The policies, the most important first.
    """

    parts: Annotated[tuple[Part, ...], Field(min_length=1)] = (
        Part(policy=PluginChoice(name="entity_bank")),
        Part(policy=PluginChoice(name="sink_recent")),
    )


class Compose(MemoryPolicy[ComposeSettings], BuildsPlugins):
    """Fill the budget from several policies, the first one first.

    Each part gets the budget that is left and a view of what itself sees, without what is already chosen.
    Source: EntityMem and Memento both join an entity memory with a window of recent frames.
    Sees: whatever any part sees; one part that sees everything makes the story serial. Cost: the sum of the
        parts'.
    """

    parts: tuple[MemoryPolicy[Any], ...] = ()

    def build_parts(self, build: BuildPlugin) -> None:
        """Build the parts; see :class:`storymem.interfaces.BuildsPlugins`."""
        self.parts = tuple(_policy(build, part.policy) for part in self.settings.parts)
        self.needs_encoder = any(policy.needs_encoder for policy in self.parts)

    def fingerprint(self) -> str:
        """Return the parts' fingerprints, so that a part's new version is a new composition."""
        return super().fingerprint() + "".join(f"|{policy.fingerprint()}" for policy in self.parts)

    def sees(self, board: Storyboard, shot: BoardShot) -> Sequence[int]:
        """Return what any part sees."""
        seen = [policy.sees(board, shot) for policy in self.parts]
        everything = range(shot.position)
        return everything if everything in seen else sorted({p for positions in seen for p in positions})

    def recall(self, shot: BoardShot, view: MemoryView, budget: int) -> Sequence[Keyframe]:
        """Return the parts' choices together, in story order."""
        chosen: dict[str, Keyframe] = {}
        for part, policy in zip(self.settings.parts, self.parts, strict=True):
            room = min(budget - len(chosen), part.most or budget)
            own = {-1, *policy.sees(view.board, shot)}
            left = [k for k in view if k.id not in chosen and k.position in own]
            for keyframe in policy.recall(shot, view.only(left), room):
                chosen[keyframe.id] = keyframe
        return in_view_order(view, chosen.values())

    def admit(self, shot: BoardShot, candidates: Sequence[Keyframe], view: MemoryView) -> Sequence[Keyframe]:
        """Return what any part admits."""
        kept = {k.id for policy in self.parts for k in policy.admit(shot, candidates, view)}
        return [keyframe for keyframe in candidates if keyframe.id in kept]

    def notice(self, board: Storyboard) -> str:
        """Return what the parts have to say, each thing once."""
        return "; ".join(dict.fromkeys(filter(None, (policy.notice(board) for policy in self.parts))))

    def close(self) -> None:
        """Close all parts."""
        for policy in self.parts:
            policy.close()


def _policy(build: BuildPlugin, choice: PluginChoice) -> MemoryPolicy[Any]:
    policy = build("policy", choice.name, choice.settings)
    if not isinstance(policy, MemoryPolicy):
        raise PluginError(f"policy compose: part {choice.name!r} is not a memory policy")
    return policy
