"""From a finished film to the cast library: the best pictures of one entity."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from storymem.errors import RunStoreError
from storymem.interfaces import Keyframe
from storymem.memory.library import CastLibrary, CastMember, entity_of

if TYPE_CHECKING:
    from storymem.runs import OpenRun


def keep_entity(run: OpenRun, name: str, library: CastLibrary, most: int) -> list[Keyframe]:
    """Take the best keyframes of an entity of a run into a library, its look and name included.

    The best first: those whose shot shows the fewest other entities, then by quality score. One a shot, as long as
    there are shots left, so that the pictures differ.

    Args:
        run: An open run.
        name: The entity, by its id or name in the run's script.
        library: Gets the pictures.
        most: Most pictures to take over.

    Returns:
        The keyframes that were taken over, the best first.

    Raises:
        ScriptError: The script has no such entity.
        RunStoreError: No finished shot of it has a keyframe.
    """
    entity = entity_of(run.board.script, name)
    ranked = sorted(_shown(run, entity.id), key=lambda k: (len(k.entities), -k.quality(), k.position, k.frame))
    if not ranked:
        raise RunStoreError(f"{run.store.folder}: no finished shot that shows {entity.id!r} has a keyframe")
    chosen = _spread(ranked, most)
    known = library.find(entity)
    said = {"kind": entity.kind, "name": entity.name, "look": entity.look}
    member = known or CastMember(id=entity.id)
    member = member.model_copy(update={key: value for key, value in said.items() if value})
    library.add(member, [k.load() for k in chosen], [k.scores for k in chosen])
    return chosen


def _shown(run: OpenRun, entity: str) -> Iterator[Keyframe]:
    for shot in run.board:
        if entity in shot.entities:
            yield from run.keyframes(shot.id)


def _spread(ranked: list[Keyframe], most: int) -> list[Keyframe]:
    """Return the first ``most``: the best of every shot, then the rest."""
    first: dict[str, Keyframe] = {}
    for keyframe in ranked:
        first.setdefault(keyframe.shot, keyframe)
    best = list(first.values())
    return (best + [k for k in ranked if k not in best])[:most]
