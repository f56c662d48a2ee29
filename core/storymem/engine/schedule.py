"""One pass over the shot graph: hands ready shots to the executor, commits outcomes, and works around failures.

Runs on one thread. Results never depend on how many workers there are or which finishes first: what a shot
sees is decided by the graph, and every take is found by the hash of what makes it.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from storymem.engine.cancel import CancelToken
from storymem.engine.commit import ShotCommitter
from storymem.engine.plan import StoryPlan
from storymem.engine.prepare import PreparedShot, ShotPreparer
from storymem.errors import Cancelled, DamagedFile, ShotError, StoryMemError
from storymem.interfaces import Executor, Progress
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
    ShotStep,
)
from storymem.values.work import ShotOutcome

#: Longest wait between looks at cancellation and time limits, in seconds.
_TICK = 0.2


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


@dataclass(slots=True)
class _Running:
    prepared: PreparedShot
    started: float
    begun: bool = False  # it may still wait for its turn of the backbone
    killed: bool = False

    @property
    def shot(self) -> str:
        return self.prepared.spec.shot.id


@dataclass(frozen=True, slots=True)
class Services:
    """What a pass works with.

    Attributes:
        preparer: Says what is left to do for a shot.
        committer: Keeps what was done.
        executor: A started executor.
        store: For failures and temporary files.
        finished: Called with the shot id and take when a shot is finished.
    """

    preparer: ShotPreparer
    committer: ShotCommitter
    executor: Executor
    store: RunStore
    finished: Callable[[str, Take], None]


class Scheduler:
    """Makes all shots of a plan, once.

    Args:
        plan: What to make.
        services: What prepares, makes and keeps it.
        emit: Receives every event, on this thread or, for steps, on the executor's.
        cancel: Stops the run between steps.
        timeout: Seconds a shot may take; None for no limit.
        tally: Filled in.
    """

    def __init__(
        self,
        plan: StoryPlan,
        services: Services,
        emit: Callable[[Event], None],
        cancel: CancelToken,
        timeout: float | None,
        tally: Tally,
    ) -> None:
        self._plan = plan
        self._with = services
        self._emit = emit
        self._cancel = cancel
        self._timeout = timeout
        self._tally = tally
        self._remaining = plan.graph.remaining()
        self._waiting = {shot.position: plan.graph.digraph.in_degree(shot.id) for shot in plan.board}
        self._ready: list[tuple[int, int]] = []
        self._running: dict[Future[ShotOutcome], _Running] = {}
        self._abandoned = False
        self._bug: BaseException | None = None  # what a receiver of events raised on an executor's thread
        self._damage: DamagedFile | None = None
        self._alive = 0.0  # when a running shot last gave a sign of life

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
            while (self._ready and not self._stopping) or self._running:
                self._start_ready()
                self._collect()
                self._raise_bug()
        except BaseException:
            self._abandoned = True  # what still runs stops at its next step
            raise
        if self._damage is not None:
            raise self._damage
        self._cancel.check()

    def _raise_bug(self) -> None:
        if self._bug is not None:
            raise self._bug

    @property
    def _stopping(self) -> bool:
        return self._damage is not None or self._cancel.cancelled

    # -- starting -------------------------------------------------------------------------------------------

    def _start_ready(self) -> None:
        while self._ready and not self._stopping and self._with.executor.room() > 0:
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
        self._emit(
            ShotStarted(
                shot=request.shot,
                mode=prepared.mode,
                recalled=tuple(keyframe.name for keyframe in request.memory),
                handover=request.handover.count if request.handover else 0,
                seed=request.seed,
                understood=self._with.preparer.explain(prepared),
            )
        )
        task = self._with.preparer.task(prepared, self._with.store.temporary)
        running = _Running(prepared, time.monotonic())
        self._running[self._with.executor.submit(task, self._progress(running))] = running

    def _progress(self, running: _Running) -> Progress:
        def report(step: int, total: int) -> None:
            self._cancel.check()
            if running.killed or self._abandoned:
                raise Cancelled(f"shot {running.shot}: was given up")
            self._alive = time.monotonic()
            if not running.begun:
                running.begun, running.started = True, self._alive
            try:
                self._emit(ShotStep(shot=running.shot, step=step, total=total))
            except BaseException as error:  # not the backbone's fault: carried past it to the caller
                self._bug, self._abandoned = error, True
                raise Cancelled(f"shot {running.shot}: an event could not be delivered") from error

        return report

    # -- outcomes -------------------------------------------------------------------------------------------

    def _collect(self) -> None:
        """Wait for a running shot; take in all that are finished."""
        if not self._running:
            return
        finished, _ = wait(self._running, timeout=_TICK, return_when=FIRST_COMPLETED)
        self._kill_overdue()
        for future in sorted(finished, key=lambda f: self._running[f].prepared.spec.shot.position):
            running = self._running.pop(future)
            try:
                self._take_in(running, future.result())
            except DamagedFile as error:
                self._damage = error
            except Cancelled:
                pass  # the pass ends by itself once nothing is running
            except StoryMemError as error:
                self._fail(running.prepared.spec.shot.position, error)
            finally:
                self._clear(running.shot)

    def _take_in(self, running: _Running, outcome: ShotOutcome) -> None:
        kept = self._with.committer.commit(running.prepared, outcome)
        for refused in outcome.rejections:
            self._emit(
                FrameRejected(
                    shot=running.shot,
                    frame=refused.frame,
                    filter=refused.filter,
                    score=refused.score,
                    threshold=refused.threshold,
                    reason=refused.reason,
                )
            )
        if outcome.error is not None:
            raise ShotError(outcome.error, outcome.details)
        (self._tally.made if outcome.made else self._tally.updated).add(running.shot)
        self._emit(KeyframesAdmitted(shot=running.shot, frames=kept.frames))
        self._finish(running.prepared, kept.take, time.monotonic() - running.started)

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

    def _kill_overdue(self) -> None:
        if self._timeout is None:
            return
        for future, running in self._running.items():
            # Waiting while others work is not hanging; waiting for one that hangs is.
            since = running.started if running.begun else max(running.started, self._alive)
            if not running.killed and not future.done() and time.monotonic() - since > self._timeout:
                running.killed = True
                why = f"shot {running.shot}: gave up after {self._timeout:g} s (shot_timeout)"
                self._with.executor.kill(future, ShotError(why))

    def _clear(self, shot: str) -> None:
        """Remove what a shot left in the temporary folder: refused keyframes, or the files of a failed one."""
        with suppress(OSError):  # what cannot be removed now goes with the folder when the next run starts
            for path in self._with.store.temporary.glob(f"{shot}-*"):
                path.unlink(missing_ok=True)
