"""What a render would make again, found without making anything.

A shot's request is known exactly as long as what it sees stays. Behind a shot that changes only this much is certain:
a take that was shown its pictures or frames is of no use any more; one that merely could see it may stay.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from storymem.engine.plan import ShotSpec, StoryPlan
from storymem.engine.prepare import ShotPreparer
from storymem.errors import DamagedFile
from storymem.memory.memory import Memory
from storymem.store.records import CurrentShot, Take
from storymem.store.runstore import RunStore


class Reason(StrEnum):
    """Why a shot would be made again."""

    CHANGED = "changed"  #: what it is asked for differs, or it has no take
    SHOWN = "shown"  #: its take was shown pictures, or handed frames, of a shot that changes
    SEES = "sees"  #: it sees a shot that changes, and is made again only if it is then shown something else


@dataclass(frozen=True, slots=True)
class MadeAgain:
    """A shot that a render would make again.

    Attributes:
        shot: Its id.
        reason: Why.
        because: Ids of the shots that it depends on in this, in story order.
        seconds: How long its newest take took, or takes of this run on average; None where there are none.
    """

    shot: str
    reason: Reason
    because: tuple[str, ...]
    seconds: float | None

    @property
    def certain(self) -> bool:
        """Whether it will be made again in any case."""
        return self.reason is not Reason.SEES


class Previewer:
    """Walks a plan over an open run.

    Args:
        plan: What would be made.
        preparer: Knows each shot's request, and what is there.
        memory: Of the plan's shots; what is finished is given to it here.
        store: The run.
    """

    def __init__(self, plan: StoryPlan, preparer: ShotPreparer, memory: Memory, store: RunStore) -> None:
        self._plan = plan
        self._preparer = preparer
        self._memory = memory
        self._store = store
        self._current = {current.shot: current for current in store.finished()}
        self._takes: dict[str, list[Take]] = {}
        for take in store.takes():
            self._takes.setdefault(take.shot, []).append(take)
        self._moved: set[str] = set()  # whose pictures will be others
        self._doubtful: set[str] = set()  # whose pictures may become others
        self._given: set[int] = set()

    def made_again(self) -> tuple[MadeAgain, ...]:
        """Return the shots that would be made again, in story order."""
        self._give()
        # In the order of making: a shot may be anchored to a later one, whose fate must be known first.
        found = {position: self._shot(self._plan.specs[position]) for position in self._plan.graph.order}
        return tuple(again for _, again in sorted(found.items()) if again is not None)

    def _give(self) -> None:
        selections = self._store.selections()
        references = self._store.references()
        if references is not None:
            self._memory.give_references(references.key, references.keyframes)
        for shot in self._plan.board:
            current = self._current.get(shot.id)
            if current is not None:
                self._memory.give(shot.position, current.selection, selections[current.selection])
                self._given.add(shot.position)

    def _shot(self, spec: ShotSpec) -> MadeAgain | None:
        shot, current = spec.shot.id, self._current.get(spec.shot.id)
        if current is None or self._changes(spec, current):
            self._moved.add(shot)
            return self._again(shot, Reason.CHANGED, set())
        if shot in self._moved:  # another take of it takes its place: nothing to make
            return None
        taken = next(take for take in self._takes[shot] if take.number == current.take)
        if taken.pinned:  # whatever it was shown, it stays
            return None
        sources = self._sources(spec, taken)
        if shown := sources & self._moved:
            self._moved.add(shot)
            return self._again(shot, Reason.SHOWN, shown)
        seen = {self._plan.board.shots[p].id for p in self._plan.graph.visible[spec.shot.position]} | sources
        if doubts := seen & (self._moved | self._doubtful):
            self._doubtful.add(shot)
            return self._again(shot, Reason.SEES, doubts)
        return None

    def _changes(self, spec: ShotSpec, current: CurrentShot) -> bool:
        """Whether a shot's own request is not that of its take; notes where another take would be used."""
        needed = set(self._plan.graph.visible[spec.shot.position])
        needed |= {spec.shot.position - 1} if spec.transition.handover else set()
        if not (needed <= self._given and self._preparer.anchors_known(spec.shot.position)):
            return True
        try:
            prepared = self._preparer.prepare(spec.shot.position)
        except DamagedFile:
            return True
        if prepared.take is not None and (prepared.take.number != current.take or prepared.selection is None):
            self._moved.add(spec.shot.id)
        return prepared.take is None

    def _sources(self, spec: ShotSpec, taken: Take) -> set[str]:
        """Return the shots whose pictures or frames a take was given."""
        before = {self._plan.board.shots[spec.shot.position - 1].id} if spec.transition.handover else set()
        anchored = {anchor.shot for anchor in spec.shot.shot.anchors if anchor.shot}
        return before | anchored | {keyframe.shot for keyframe in taken.recalled}

    def _again(self, shot: str, reason: Reason, because: set[str]) -> MadeAgain:
        order = tuple(other.id for other in self._plan.board if other.id in because)
        return MadeAgain(shot, reason, order, self._seconds(shot))

    def _seconds(self, shot: str) -> float | None:
        own = self._takes.get(shot)
        if own:
            return own[-1].seconds
        every = [take.seconds for takes in self._takes.values() for take in takes]
        return sum(every) / len(every) if every else None
