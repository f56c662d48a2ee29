"""The scheduling loop: hands ready shots to the executor, takes in outcomes, and keeps going around failures.

Runs on one thread. Results never depend on how many workers there are or which finishes first: what a shot
sees is decided by the graph, and every take is found by the hash of what makes it.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from datetime import UTC, datetime

from storymem.engine.cancel import CancelToken
from storymem.engine.plan import StoryPlan
from storymem.engine.shots import PreparedShot, ShotDesk
from storymem.engine.task import ShotOutcome
from storymem.errors import Cancelled, DamagedFile, RunStoreError, ShotError, StoryMemError
from storymem.events import (
    DamageFound,
    Event,
    FrameRejected,
    KeyframesAdmitted,
    ShotBlocked,
    ShotFailed,
    ShotFinished,
    ShotStarted,
    ShotStep,
)
from storymem.interfaces import Executor, Progress
from storymem.store.runstore import RunStore

#: How often one file may turn out damaged before the disk is blamed.
_MAX_DAMAGE = 2
#: Longest wait between looks at cancellation and time limits, in seconds.
_TICK = 0.2


@dataclass(frozen=True, slots=True)
class Tally:
    """How many shots were made, found finished, failed, or blocked by a failed one."""

    made: int
    cached: int
    failed: int
    blocked: int


@dataclass(slots=True)
class _Running:
    prepared: PreparedShot
    started: float
    begun: bool = False  # it may still wait for its turn of the backbone
    killed: bool = False


class Driver:
    """Makes all shots of a plan.

    Args:
        plan: What to make.
        desk: Prepares shots and takes in outcomes.
        executor: A started executor.
        store: The run store, for failures and damage.
        emit: Receives every event, on this thread or, for steps, on the executor's.
        cancel: Stops the run between steps.
        timeout: Seconds a shot may take; None for no limit.
    """

    def __init__(
        self,
        plan: StoryPlan,
        desk: ShotDesk,
        executor: Executor,
        store: RunStore,
        emit: Callable[[Event], None],
        cancel: CancelToken,
        timeout: float | None,
    ) -> None:
        self._plan = plan
        self._desk = desk
        self._executor = executor
        self._store = store
        self._emit = emit
        self._cancel = cancel
        self._timeout = timeout
        self._remaining = plan.graph.remaining()
        self._damage: dict[str, int] = {}
        self._made: set[str] = set()
        self._abandoned = False
        self._bug: BaseException | None = None  # what a receiver of events raised on an executor's thread
        self._alive = 0.0  # when a running shot last gave a sign of life

    def run(self) -> Tally:
        """Make every shot that can be made.

        Raises:
            Cancelled: On request; running shots were stopped, finished ones are kept.
            RunStoreError: The same file was damaged again and again.
        """
        while True:
            try:
                return self._pass()
            except DamagedFile as error:
                self.forget(error.digest)
            except BaseException:
                self._abandoned = True  # what still runs stops at its next step
                raise

    def forget(self, digest: str) -> None:
        """Drop a damaged file and all that was made of it, so that the next run makes it again."""
        self._forget(digest)
        self._desk.reload()

    # -- one pass over the graph ---------------------------------------------------------------------------

    def _pass(self) -> Tally:
        self._waiting = {shot.position: self._plan.graph.digraph.in_degree(shot.id) for shot in self._plan.board}
        self._ready: list[tuple[int, int]] = []
        for position, count in self._waiting.items():
            if count == 0:
                self._make_ready(position)
        self._running: dict[Future[ShotOutcome], _Running] = {}
        self._failed: dict[str, str] = {}
        damage: DamagedFile | None = None
        while (self._ready and damage is None and not self._cancel.cancelled) or self._running:
            if damage is None and not self._cancel.cancelled:
                self._start_ready()
            damage = self._collect() or damage
            if self._bug is not None:
                raise self._bug
        if damage is not None:
            raise damage
        self._cancel.check()
        return self._tally()

    def _start_ready(self) -> None:
        while self._ready and self._executor.room() > 0 and not self._cancel.cancelled:
            self._start(heapq.heappop(self._ready)[1])

    def _make_ready(self, position: int) -> None:
        """Queue a shot: those that most others wait for in a row come first, else in story order."""
        heapq.heappush(self._ready, (-self._remaining[position], position))

    def _start(self, position: int) -> None:
        try:
            prepared = self._prepare(position)
            if self._desk.reuse(prepared):
                self._finished(prepared, prepared.take.number if prepared.take else 0, 0.0)
                return
            self._submit(prepared)
        except DamagedFile:
            raise
        except StoryMemError as error:
            self._fail(position, str(error))

    def _prepare(self, position: int) -> PreparedShot:
        while True:
            prepared = self._desk.prepare(position)
            bad = self._desk.damaged(prepared)
            if bad is None:
                return prepared
            # Nothing running depends on this shot's files yet, so it alone is prepared again.
            self._forget(bad.digest)
            self._desk.forget(bad.digest)

    def _submit(self, prepared: PreparedShot) -> None:
        shot = prepared.spec.shot.id
        self._emit(
            ShotStarted(
                shot=shot,
                mode=prepared.mode,
                recalled=tuple(f"{k.shot}:{k.frame}" for k in prepared.recalled),
                handed_over=prepared.spec.transition.handover,
                seed=prepared.spec.seed,
                understood=self._desk.explain(prepared),
            )
        )
        task = self._desk.task(prepared, self._store.temporary)
        running = _Running(prepared, time.monotonic())
        self._running[self._executor.submit(task, self._progress(running))] = running

    def _progress(self, running: _Running) -> Progress:
        shot = running.prepared.spec.shot.id

        def report(step: int, total: int) -> None:
            self._cancel.check()
            if running.killed or self._abandoned:
                raise Cancelled(f"shot {shot}: was given up")
            self._alive = time.monotonic()
            if not running.begun:
                running.begun, running.started = True, self._alive
            try:
                self._emit(ShotStep(shot=shot, step=step, total=total))
            except BaseException as error:  # not the backbone's fault: carried past it to the caller
                self._bug, self._abandoned = error, True
                raise Cancelled(f"shot {shot}: an event could not be delivered") from error

        return report

    # -- outcomes ------------------------------------------------------------------------------------------

    def _collect(self) -> DamagedFile | None:
        """Wait for a running shot; take in all that are finished."""
        if not self._running:
            return None
        finished, _ = wait(self._running, timeout=_TICK, return_when=FIRST_COMPLETED)
        self._kill_overdue()
        damage = None
        for future in sorted(finished, key=lambda f: self._running[f].prepared.spec.shot.position):
            running = self._running.pop(future)
            try:
                self._take_in(running, future.result())
            except DamagedFile as error:
                damage = error
            except Cancelled:
                pass  # the pass ends by itself once nothing is running
            except StoryMemError as error:
                self._fail(running.prepared.spec.shot.position, str(error))
            finally:
                self._clear(running.prepared.spec.shot.id)
        return damage

    def _clear(self, shot: str) -> None:
        """Remove what a shot left in the temporary folder: refused keyframes, or the files of a failed one."""
        for path in self._store.temporary.glob(f"{shot}-*"):
            path.unlink(missing_ok=True)

    def _take_in(self, running: _Running, outcome: ShotOutcome) -> None:
        prepared = running.prepared
        take = self._desk.accept(prepared, outcome)
        shot = prepared.spec.shot
        for refused in outcome.rejections:
            self._emit(
                FrameRejected(
                    shot=shot.id,
                    frame=refused.frame,
                    filter=refused.filter,
                    score=refused.score,
                    threshold=refused.threshold,
                    reason=refused.reason,
                )
            )
        if outcome.error is not None:
            raise ShotError(outcome.error)
        self._made.add(shot.id)
        self._finished(prepared, take.number, time.monotonic() - running.started)

    def _finished(self, prepared: PreparedShot, take: int, seconds: float) -> None:
        shot = prepared.spec.shot
        cached = shot.id not in self._made
        if not cached:
            frames = tuple(k.frame for k in self._desk.done[shot.position].keyframes)
            self._emit(KeyframesAdmitted(shot=shot.id, frames=frames))
        self._emit(ShotFinished(shot=shot.id, take=take, cached=cached, seconds=seconds))
        for child in self._plan.graph.children(shot.id):
            position = self._plan.board.shot(child).position
            self._waiting[position] -= 1
            if self._waiting[position] == 0:
                self._make_ready(position)

    def _fail(self, position: int, error: str) -> None:
        shot = self._plan.board.shots[position].id
        message = error if f"shot {shot}" in error else f"shot {shot}: {error}"
        self._failed[shot] = message
        self._store.fail(shot, message, datetime.now(UTC).isoformat(timespec="seconds"))
        self._emit(ShotFailed(shot=shot, error=message))
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
                shot = running.prepared.spec.shot.id
                self._executor.kill(future, ShotError(f"shot {shot}: gave up after {self._timeout:g} s (shot_timeout)"))

    def _forget(self, digest: str) -> None:
        path = f"objects/{digest}"
        self._damage[digest] = self._damage.get(digest, 0) + 1
        if self._damage[digest] > _MAX_DAMAGE:
            raise RunStoreError(f"{path}: is damaged again after being made anew; check the disk")
        shots = self._store.drop_damaged(digest)
        self._emit(DamageFound(path=path, shots=tuple(shots)))

    def _tally(self) -> Tally:
        done = len(self._desk.done)
        made = len(self._made)
        blocked = len(self._plan.board) - done - len(self._failed)
        return Tally(made, done - made, len(self._failed), blocked)
