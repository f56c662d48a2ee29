"""A finished run as metrics see it: one decoded shot at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from storymem.engine.plan import with_overrides
from storymem.errors import RunStoreError
from storymem.interfaces import FinishedShot, Keyframe
from storymem.interfaces.memory import REFERENCE_POSITION
from storymem.media.clip import Clip
from storymem.media.video import read_clip
from storymem.script.models import StoryScript
from storymem.store.objects import verified
from storymem.store.records import CurrentShot, StoredKeyframe, Take
from storymem.store.runstore import REFERENCES, RunStore
from storymem.storyboard import BoardShot, Storyboard


class FinishedFilm:
    """The film of a run folder, read from its lossless masters.

    Args:
        store: An open run store.

    Raises:
        RunStoreError: The folder was never rendered into, or shots are missing.
    """

    def __init__(self, store: RunStore) -> None:
        script = store.meta("script")
        if script is None:
            raise RunStoreError(f"{store.folder}: was never rendered into; use storymem render")
        story = with_overrides(StoryScript.model_validate_json(script), store.overrides())
        self.board = Storyboard(story)
        self._store = store
        self._files = store.files()
        self._current = {current.shot: current for current in store.finished()}
        self._takes = {(take.shot, take.number): take for take in store.takes()}
        failed = store.failures()  # such a shot may still have a take, made of what the script said before
        missing = [shot.id for shot in self.board if shot.id not in self._current or shot.id in failed]
        if missing:
            raise RunStoreError(f"{store.folder}: shots {', '.join(missing[:5])} are not finished; storymem resume")
        self._keyframes = self._all_keyframes()

    def shots(self) -> Iterator[FinishedShot]:
        """Yield the shots in story order; each clip is decoded when its turn comes."""
        for shot in self.board:
            current = self._current[shot.id]
            take = self._takes[shot.id, current.take]
            recalled = tuple(self._keyframes[name] for name in take.request["recalled"] if name in self._keyframes)
            yield FinishedShot(shot, self._clip(take, current), recalled)

    def kept(self, shot: str) -> tuple[Keyframe, ...]:
        """The keyframes that a shot gives to memory, in the order of its clip."""
        return tuple(keyframe for keyframe in self._keyframes.values() if keyframe.shot == shot)

    def _clip(self, take: Take, current: CurrentShot) -> Clip:
        clip = read_clip(verified(self._path(take.master), take.master), take.fps)
        return Clip(clip.frames[current.first :], clip.fps)

    def _path(self, digest: str) -> Path:
        return self._store.objects.path(digest, self._files[digest].suffix)

    def _all_keyframes(self) -> dict[str, Keyframe]:
        """Return the keyframes in use by the names takes recall them under, ``shot:frame``."""
        shots = {shot.id: shot for shot in self.board}
        in_use = {current.selection for current in self._current.values()}
        found: dict[str, Keyframe] = {}
        for selection in self._store.selections().values():
            if selection.key not in in_use and selection.shot != REFERENCES:
                continue
            for stored in selection.keyframes:
                keyframe = self._keyframe(shots.get(selection.shot), stored)
                found[f"{keyframe.shot}:{keyframe.frame}"] = keyframe
        return found

    def _keyframe(self, shot: BoardShot | None, stored: StoredKeyframe) -> Keyframe:
        path = self._path(stored.digest)
        if shot is None:  # reference images are numbered in the order of the script
            owners = [entity.id for entity in self.board.script.entities for _ in entity.references]
            owner = owners[stored.frame]
            return Keyframe(stored.id, f"ref:{owner}", REFERENCE_POSITION, stored.frame, path, (owner,))
        return Keyframe(stored.id, shot.id, shot.position, stored.frame, path, shot.entities, stored.scores)
