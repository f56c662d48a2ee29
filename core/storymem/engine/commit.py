"""One shot after its work: what is admitted to memory, and the one transaction that keeps it.

Runs in the engine's process and touches no pixels.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from storymem.engine.prepare import PreparedShot
from storymem.engine.shot_keys import ShotKeys
from storymem.errors import PluginError, ShotError, StoryMemError
from storymem.interfaces import Keyframe, MemoryPolicy
from storymem.memory.memory import Memory
from storymem.store.records import CurrentShot, Selection, ShotCommit, Take
from storymem.store.runstore import RunStore
from storymem.values.files import FileRef
from storymem.values.work import MadeClip, ShotOutcome


@dataclass(frozen=True, slots=True)
class Committed:
    """A shot that was kept: its take, and the frames of it that are now remembered."""

    take: Take
    frames: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Admitted:
    """What a shot adds to memory: its selection, and the keyframes as they are stored."""

    selection: Selection
    keyframes: tuple[Keyframe, ...]


class ShotCommitter:
    """Commits the shots of one run.

    Args:
        keys: Makes the keys of shots.
        policy: Decides what is admitted.
        backbone: Its name, for the record of what made a take.
        memory: Gets what is admitted.
        store: Gets the rest.
    """

    def __init__(
        self, keys: ShotKeys, policy: MemoryPolicy[Any], backbone: str, memory: Memory, store: RunStore
    ) -> None:
        self._keys = keys
        self._policy = policy
        self._backbone = backbone
        self._memory = memory
        self._store = store

    def reuse(self, shot: PreparedShot) -> Take | None:
        """Finish a shot from what is there, if it is all there; return its take then."""
        take, view, tail, selection = shot.take, shot.view, shot.tail, shot.selection
        if take is None or view is None or tail is None or selection is None:
            return None
        current = _current(shot, take, view, tail, selection)
        if not self._store.is_current(current):
            self._store.set_current(current)
        self._memory.give(shot.spec.shot.position, selection.key, selection.keyframes)
        return take

    def commit(self, shot: PreparedShot, outcome: ShotOutcome) -> Committed:
        """Move an outcome's files into place and commit it.

        Raises:
            StoryMemError: The policy or the memory store failed. The clip is kept, and only the choosing counts as
                failed.
        """
        take = self._new_take(shot, outcome.made) if outcome.made else shot.take
        view = outcome.view.digest if outcome.view else shot.view
        tail = outcome.tail.digest if outcome.tail else shot.tail if shot.spec.tail else ""
        if take is None or view is None or tail is None:
            raise PluginError(f"shot {outcome.shot}: the executor returned no clip, no viewing copy or no last frames")
        admitted: _Admitted | None = None
        failure: StoryMemError | None = None
        if outcome.candidates is not None:
            try:
                admitted = self._remember(self._admit(shot, take, outcome), outcome)
            except StoryMemError as error:
                failure = error
            except Exception as error:  # a bug in a plugin: it must not cost the clip
                what = f"remembering failed: {type(error).__name__}: {error}"
                failure = ShotError(what, "".join(traceback.format_exception(error)))
        selection = admitted.selection if admitted else shot.selection
        self._write(shot, take, (view, tail), selection, outcome, admitted.keyframes if admitted else ())
        if failure is not None:
            raise failure
        if selection is not None:
            self._memory.give(shot.spec.shot.position, selection.key, selection.keyframes)
        return Committed(take, tuple(k.frame for k in admitted.keyframes) if admitted else ())

    def _remember(self, admitted: _Admitted, outcome: ShotOutcome) -> _Admitted:
        """Enter keyframes in memory, before the transaction: what is too much there is forgotten at the next start."""
        vectors = {k.id: outcome.embeddings[k.id] for k in admitted.keyframes if k.id in outcome.embeddings}
        self._memory.add(admitted.selection.key, admitted.keyframes, vectors)
        return admitted

    def _write(
        self,
        shot: PreparedShot,
        take: Take,
        derived: tuple[str, str],
        selection: Selection | None,
        outcome: ShotOutcome,
        admitted: Sequence[Keyframe],
    ) -> None:
        view, tail = derived
        new = [file for file in (outcome.made and outcome.made.master, outcome.view, outcome.tail) if file]
        pictures = {k.id: k.file.digest for k in admitted if k.file is not None}
        kept = set(pictures.values())
        new += [k.file for k in outcome.candidates or () if k.file is not None and k.file.digest in kept]
        files = self._store.objects.adopt(_once(new))
        by_key = {self._keys.view(shot.spec, take.clip): view}
        if tail:
            by_key[self._keys.tail(shot.spec, take.clip)] = tail
        current = _current(shot, take, view, tail, selection) if selection else None
        self._store.commit(ShotCommit(take, by_key, selection, pictures, current, tuple(files)))

    def _admit(self, shot: PreparedShot, take: Take, outcome: ShotOutcome) -> _Admitted:
        candidates = list(outcome.candidates or ())
        admitted = list(self._policy.admit(shot.spec.shot, candidates, shot.memory))
        frames = {k.frame for k in admitted}
        if any(k not in candidates for k in admitted) or len(frames) != len(admitted):
            raise PluginError(
                f"policy {type(self._policy).__name__}: admit returned keyframes that were not candidates"
            )
        kept = {k.id: self._stored(k) for k in sorted(admitted, key=lambda k: k.frame)}
        key = self._keys.selection_of(shot.spec, take, shot.memory)
        selection = Selection(key, shot.spec.shot.id, tuple(kept), outcome.rejections)
        return _Admitted(selection, tuple(kept.values()))

    def _stored(self, keyframe: Keyframe) -> Keyframe:
        """Return a candidate with its file where it will be; a picture that is there already keeps its file."""
        known = self._store.picture(keyframe.id)
        if known is None and keyframe.file is not None:
            digest = keyframe.file.digest
            known = FileRef(self._store.objects.path(digest, keyframe.file.path.suffix), digest)
        return replace(keyframe, file=known, pixels=None)

    def _new_take(self, shot: PreparedShot, made: MadeClip) -> Take:
        request: Mapping[str, Any] = {
            **shot.request.readable(),
            "seed": made.seed,
            "attempts": made.attempts,
            "accepted": made.accepted,
            **({"advice": made.advice} if made.advice else {}),
            "mode": shot.mode,
            "backbone": self._backbone,
            **({"sound": True} if made.sound else {}),
            **({"notes": dict(made.notes)} if made.notes else {}),
        }
        return Take(
            shot=shot.spec.shot.id,
            number=self._store.last_number(shot.spec.shot.id) + 1,
            key=shot.key,
            clip=made.clip,
            master=made.master.digest,
            frames=made.frames,
            width=made.width,
            height=made.height,
            fps=made.fps,
            request=request,
            recalled=shot.request.memory,
            pinned=False,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            seconds=made.seconds,
        )


def _current(shot: PreparedShot, take: Take, view: str, tail: str, selection: Selection) -> CurrentShot:
    place = shot.spec.shot
    return CurrentShot(place.id, place.position, take.number, view, tail, selection.key, shot.spec.transition.drop)


def _once(files: Sequence[FileRef]) -> list[FileRef]:
    """Return files without those whose content another one has: two frames may be one picture."""
    return list({file.digest: file for file in files}.values())
