"""What the entity-aware policies share: the cast of a story, what a keyframe shows, and how good it is.

A keyframe shows the entities of its shot (the schedule). With ``shown="similarity"`` it shows those of them
whose description an image-text encoder finds in the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal
from weakref import WeakKeyDictionary

import numpy as np
from pydantic import Field
from typing_extensions import TypeVar

from storymem.interfaces import QUALITY_SCORES, Keyframe, MemoryPolicy, MemoryView, PluginSettings
from storymem.script.cast import Cast, cast_of, remark
from storymem.values.storyboard import BoardShot, Storyboard

Shown = dict[str, frozenset[str]]


class EntitySettings(PluginSettings):
    """Settings of every entity-aware policy.

    Attributes:
        shown: Which entities a keyframe shows: all of its shot's (``schedule``), or those of them that the
            run's encoder finds in it (``similarity``; one text and one cached image embedding each).
        min_similarity: The cosine from which an entity counts as found. 0.2 suits CLIP ViT-B/32.
        rank_by: Names of keyframe scores; the first that a keyframe has says how good it is. Higher is better.
    """

    shown: Literal["schedule", "similarity"] = "schedule"
    min_similarity: Annotated[float, Field(ge=-1, le=1)] = 0.2
    rank_by: tuple[str, ...] = QUALITY_SCORES


EntitySettingsT = TypeVar("EntitySettingsT", bound=EntitySettings, default=EntitySettings)


class EntityPolicy(MemoryPolicy[EntitySettingsT]):
    """Base of policies that remember by entity."""

    Settings: ClassVar[type[PluginSettings]] = EntitySettings

    def __init__(self, settings: EntitySettingsT | None = None) -> None:
        super().__init__(settings)
        self.needs_encoder = self.settings.shown == "similarity"
        self._casts: WeakKeyDictionary[Storyboard, Cast] = WeakKeyDictionary()

    def cast(self, board: Storyboard) -> Cast:
        """Return the story's cast; worked out once per storyboard."""
        if board not in self._casts:
            self._casts[board] = cast_of(board)
        return self._casts[board]

    def notice(self, board: Storyboard) -> str:
        """Return how the cast was found, where the script does not say."""
        return remark(self.cast(board))

    def shown(self, view: MemoryView, needed: Sequence[str]) -> Shown:
        """Return, by keyframe id, which of the ``needed`` entities each keyframe of ``view`` shows."""
        cast, wanted = self.cast(view.board), frozenset(needed)
        shown = {keyframe.id: wanted.intersection(cast.shown(keyframe)) for keyframe in view}
        return _seen(view, needed, shown, self.settings.min_similarity) if self.needs_encoder else shown

    def quality(self, keyframe: Keyframe) -> float:
        """Return the keyframe's first score among ``rank_by``, 0.0 if it has none of them."""
        return keyframe.quality(self.settings.rank_by)

    def sharing(self, board: Storyboard, shot: BoardShot, most: int) -> Sequence[int]:
        """Return earlier shots that share an entity with ``shot``, the first and last ``most`` of each."""
        cast = self.cast(board)
        return sorted({p for entity in cast.of(shot) for p in cast.edge_appearances(entity, shot.position, most)})


def _seen(view: MemoryView, needed: Sequence[str], scheduled: Shown, threshold: float) -> Shown:
    relevant = view.only([keyframe for keyframe in view if scheduled[keyframe.id]])
    if not len(relevant):
        return scheduled
    texts = view.encoder.encode_texts([_described(view.board, entity) for entity in needed])
    found = np.asarray(relevant.embeddings() @ texts.T) >= threshold
    shown = dict.fromkeys(scheduled, frozenset[str]())
    for keyframe, row in zip(relevant, found, strict=True):
        visible = {entity for entity, hit in zip(needed, row, strict=True) if hit}
        # A reference image is of its entity whatever an encoder says.
        shown[keyframe.id] = scheduled[keyframe.id] if keyframe.is_reference else scheduled[keyframe.id] & visible
    return shown


def _described(board: Storyboard, name: str) -> str:
    entity = board.entities.get(name)
    if entity is None:
        return name
    return f"{entity.label}, {entity.look}" if entity.look else entity.label
