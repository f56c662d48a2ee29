"""One pass over the shot graph: hands ready shots to the executor, commits outcomes, and works around failures.

Runs on one thread. Results never depend on how many workers there are or which finishes first: what a shot
sees is decided by the graph, and every take is found by the hash of what makes it.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from storymem.engine.cancel import CancelToken
from storymem.engine.commit import ShotCommitter
from storymem.engine.plan import StoryPlan
from storymem.engine.prepare import PreparedShot, ShotPreparer
from storymem.engine.running import Ended, TaskRunner
from storymem.errors import Cancelled, DamagedFile, MissingInput, ShotError, StoryMemError
from storymem.store.records import Take
from storymem.store.runstore import RunStore
from storymem.values.events import (
    Event,
    FrameRejected,
    KeyframesAdmitted,
    ShotBlocked,
    ShotFailed,
    ShotFinished,
    ShotStarted,
)
from storymem.values.work import ShotOutcome


@dataclass(slots=True)
class Tally:
    """What became of the shots so far, over all passes of a run.

    Attributes:
        made: Shots whose clip was made.
        updated: Shots whose clip was there, and whose keyframes or viewing copy were made.
        failed: Shots that could not be made.
        details: Tracebacks of the bugs behind them, by shot.
        done: How many shots are finished.
        shots: How many there are.
    """

    shots: int
    made: set[str] = field(default_factory=set)
    updated: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)
    details: dict[str, str] = field(default_factory=dict)
    done: int = 0

    @property
    def cached(self) -> int:
        """How many finished shots needed nothing."""
        return self.done - len((self.made | self.updated) - self.failed.keys())

    @property
    def blocked(self) -> int:
        """How many shots were not tried, because they need a failed one."""
        return self.shots - self.done - len(self.failed)


@dataclass(frozen=True, slots=True)
class Services:
    """What a pass works with.

    Attributes:
        preparer: Says what is left to do for a shot.
        committer: Keeps what was done.
        runner: Has tasks made.
        store: For failures and temporary files.
        finished: Called with the shot id and take when a shot is finished.
    """

    preparer: ShotPreparer
    committer: ShotCommitter
    runner: TaskRunner[PreparedShot]
    store: RunStore
    finished: Callable[[str, Take], None]


class Scheduler:
    """Makes all shots of a plan, once.

    Args:
        plan: What to make.
        services: What prepares, makes and keeps it.
        emit: Receives every event, on this thread or, for steps, on the executor's.
        cancel: Stops the run between steps.
        workers: How many shots may be with the executor at once.
        tally: Filled in.
    """

    def __init__(
        self,
        plan: StoryPlan,
        services: Services,
        emit: Callable[[Event], None],
        cancel: CancelToken,
        workers: int,
        tally: Tally,
    ) -> None:
        self._plan = plan
        self._with = services
        self._emit = emit
        self._cancel = cancel
        self._workers = workers
        self._tally = tally
        self._remaining = plan.graph.remaining()
        self._waiting = {shot.position: plan.graph.digraph.in_degree(shot.id) for shot in plan.board}
        self._ready: list[tuple[int, int]] = []
        self._damage: DamagedFile | None = None

    def run(self) -> None:
        """Make every shot that can be made.

        Raises:
            Cancelled: On request; running shots were stopped, finished ones are kept.
            DamagedFile: A stored file is not what was recorded; what was running is finished and kept.
        """
        self._tally.done, self._tally.failed, self._tally.details = 0, {}, {}
        for position, count in self._waiting.items():
            if count == 0:
                self._make_ready(position)
        try:
            while (self._ready and not self._stopping) or len(self._with.runner):
                self._start_ready()
                self._collect()
                self._with.runner.raise_bug()
        except BaseException:
            self._with.runner.abandon()
            raise
        if self._damage is not None:
            raise self._damage
        self._cancel.check()

    @property
    def _stopping(self) -> bool:
        return self._damage is not None or self._cancel.cancelled

    # -- starting -------------------------------------------------------------------------------------------

    def _start_ready(self) -> None:
        while self._ready and not self._stopping and len(self._with.runner) < self._workers:
            self._start(heapq.heappop(self._ready)[1])

    def _make_ready(self, position: int) -> None:
        """Queue a shot: those that most others wait for in a row come first, else in story order."""
        heapq.heappush(self._ready, (-self._remaining[position], position))

    def _start(self, position: int) -> None:
        try:
            prepared = self._with.preparer.prepare(position)
            take = self._with.committer.reuse(prepared)
            if take is None:
                self._submit(prepared)
            else:
                self._finish(prepared, take, 0.0)
        except DamagedFile as error:
            self._damage = error
        except StoryMemError as error:
            self._fail(position, error)

    def _submit(self, prepared: PreparedShot) -> None:
        request = prepared.request
        started = ShotStarted(
            shot=request.shot,
            mode=prepared.mode,
            recalled=tuple(keyframe.name for keyframe in request.memory),
            handover=request.handover.count if request.handover else 0,
            seed=request.seed,
            understood=self._with.preparer.explain(prepared),
        )
        task = self._with.preparer.task(prepared, self._with.store.temporary)
        priority = float(self._remaining[prepared.spec.shot.position])
        self._with.runner.submit(prepared, started, task, priority)

    # -- outcomes -------------------------------------------------------------------------------------------

    def _collect(self) -> None:
        """Take in all shots that have ended."""
        for ended in sorted(self._with.runner.wait(), key=lambda e: e.shot.spec.shot.position):
            place = ended.shot.spec.shot
            try:
                self._take_in(ended)
            except DamagedFile as error:
                self._damage = error
            except Cancelled:
                pass  # the pass ends by itself once nothing is running
            except StoryMemError as error:
                self._fail(place.position, error)
            finally:
                self._clear(place.id)

    def _outcome(self, ended: Ended[PreparedShot]) -> ShotOutcome:
        """Return a task's outcome; raise its error."""
        try:
            return ended.future.result()
        except DamagedFile as error:
            if self._with.store.is_intact(error.digest):
                # Nothing finished is dropped because a worker elsewhere cannot see it.
                raise MissingInput(f"{error}; on this machine it is in order") from error
            raise

    def _take_in(self, ended: Ended[PreparedShot]) -> None:
        prepared, outcome = ended.shot, self._outcome(ended)
        kept = self._with.committer.commit(prepared, outcome)
        for refused in outcome.rejections:
            self._emit(
                FrameRejected(
                    shot=outcome.shot,
                    frame=refused.frame,
                    filter=refused.filter,
                    score=refused.score,
                    threshold=refused.threshold,
                    reason=refused.reason,
                )
            )
        if outcome.error is not None:
            raise ShotError(outcome.error, outcome.details)
        (self._tally.made if outcome.made else self._tally.updated).add(outcome.shot)
        self._emit(KeyframesAdmitted(shot=outcome.shot, frames=kept.frames))
        self._finish(prepared, kept.take, ended.seconds)

    def _finish(self, prepared: PreparedShot, take: Take, seconds: float) -> None:
        shot = prepared.spec.shot.id
        self._with.finished(shot, take)
        self._tally.done += 1
        cached = shot not in self._tally.made | self._tally.updated
        recalled = tuple(keyframe.name for keyframe in take.recalled)
        self._emit(ShotFinished(shot=shot, take=take.number, cached=cached, recalled=recalled, seconds=seconds))
        for child in self._plan.graph.children(shot):
            position = self._plan.board.shot(child).position
            self._waiting[position] -= 1
            if self._waiting[position] == 0:
                self._make_ready(position)

    def _fail(self, position: int, error: StoryMemError) -> None:
        shot = self._plan.board.shots[position].id
        message = str(error) if f"shot {shot}" in str(error) else f"shot {shot}: {error}"
        self._tally.failed[shot] = message
        if error.details:
            self._tally.details[shot] = error.details
        self._with.store.fail(shot, message, error.details, datetime.now(UTC).isoformat(timespec="seconds"))
        self._emit(ShotFailed(shot=shot, error=message, details=error.details))
        for blocked in sorted(self._plan.graph.descendants(shot), key=lambda s: self._plan.board.shot(s).position):
            self._emit(ShotBlocked(shot=blocked, needs=shot))

    def _clear(self, shot: str) -> None:
        """Remove what a shot left in the temporary folder: refused keyframes, or the files of a failed one."""
        with suppress(OSError):  # what cannot be removed now goes with the folder when the next run starts
            for path in self._with.store.temporary.glob(f"{shot}-*"):
                path.unlink(missing_ok=True)
