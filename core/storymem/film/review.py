"""A finished run as metrics see it: one decoded shot at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from storymem.engine.plan import with_overrides
from storymem.errors import RunStoreError
from storymem.interfaces import FinishedShot, Keyframe, MemoryStore
from storymem.media.video import read_clip
from storymem.store.objects import verified
from storymem.store.records import CurrentShot, Take
from storymem.store.runstore import RunStore
from storymem.values.clip import Clip
from storymem.values.script import StoryScript
from storymem.values.storyboard import Storyboard


class FinishedFilm:
    """The film of a run folder, read from its lossless masters.

    Args:
        store: An open run store.
        memory_store: The run's memory store, open; without it there are no keyframes.

    Raises:
        RunStoreError: The folder was never rendered into, or shots are missing.
    """

    def __init__(self, store: RunStore, memory_store: MemoryStore[Any] | None = None) -> None:
        self.board = Storyboard(story_of(store))
        self._store = store
        self._memory_store = memory_store
        self._current = {current.shot: current for current in store.finished()}
        failed = store.failures()  # such a shot may still have a take, made of what the script said before
        missing = [shot.id for shot in self.board if shot.id not in self._current or shot.id in failed]
        if missing:
            raise RunStoreError(f"{store.folder}: shots {', '.join(missing[:5])} are not finished; storymem resume")

    def shots(self) -> Iterator[FinishedShot]:
        """Yield the shots in story order; each clip is decoded when its turn comes."""
        for shot in self.board:
            current = self._current[shot.id]
            take = self._store.take(shot.id, current.take)
            assert take is not None  # a finished shot has its take
            yield FinishedShot(shot, self._clip(take, current), take.recalled)

    def kept(self, shot: str) -> tuple[Keyframe, ...]:
        """Return the keyframes that a shot gives to memory, in the order of its clip."""
        return self._memory_store.of(self._current[shot].selection) if self._memory_store else ()

    def references(self, entity: str) -> tuple[Keyframe, ...]:
        """Return the reference images of an entity, in the script's order."""
        found = self._store.references()
        if found is None or self._memory_store is None:
            return ()
        return tuple(k for k in self._memory_store.of(found.key) if entity in k.entities)

    def _clip(self, take: Take, current: CurrentShot) -> Clip:
        return read_clip(verified(self._store.file_ref(take.master)), take.fps).cut(current.first)


def story_of(store: RunStore) -> StoryScript:
    """Return the script of a run as it is rendered: with the user's changes.

    Raises:
        RunStoreError: The folder was never rendered into.
    """
    script = store.meta("script")
    if script is None:
        raise RunStoreError(f"{store.folder}: was never rendered into; use storymem render")
    return with_overrides(StoryScript.model_validate_json(script), store.overrides())
