"""Shots on a Ray cluster: one actor a worker, on whichever node has what it needs."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Any
from uuid import uuid4

import ray
from ray.exceptions import GetTimeoutError, RayError

from storymem.errors import Cancelled, MissingInput, ShotError
from storymem.interfaces import Requirements, TaskState, WorkerRecipe
from storymem.placement import place, visible_gpus
from storymem.values.work import ShotOutcome, ShotTask
from storymem_plugins.executors.pool import Job, PoolExecutor, Seat, WorkerLostError
from storymem_plugins.executors.ray.actor import Answer, ShotActor
from storymem_plugins.executors.ray.connection import Connection
from storymem_plugins.executors.ray.settings import RaySettings
from storymem_plugins.executors.ray.shipping import (
    Inputs,
    LostOnTheWayError,
    own_folder,
    probe,
    taken_over,
    written,
)
from storymem_plugins.executors.recipes import PickledRecipes

#: Seconds a poll waits for the next step.
_POLL = 1.0
#: Seconds in which the files of a finished shot must arrive.
_TRANSFER = 300.0


@dataclass(slots=True)
class _Worker:
    actor: Any
    place: str


class RayExecutor(PoolExecutor[RaySettings]):
    """Make shots on a Ray cluster.

    A worker that dies, or says nothing for ``silence`` seconds, is given up, and its shot is made again by another. It
    is committed once: only what the last attempt returns is ever looked at.
    """

    def describe(self, workers: int, needs: Requirements) -> str:
        """Say what Ray is asked for; on this machine, where the workers would be."""
        settings = self.settings
        each = [f"{settings.cpus:g} CPU", *([f"{needs.gpus} GPU"] if needs.gpus else [])]
        each += [f"{amount:g} {name}" for name, amount in settings.resources.items()]
        if settings.address is None:
            place(workers, needs.gpus, visible_gpus(os.environ) if needs.gpus else ())
        where = f"the cluster at {settings.address}" if settings.address else "this machine"
        return f"{workers} worker{'s' if workers > 1 else ''}, placed by Ray on {where}, each with {', '.join(each)}"

    def open(self, workers: int, needs: Requirements) -> None:
        """Join or start the cluster; actors start with their first task.

        Raises:
            PluginError: The cluster does not answer.
            SettingsError: No node has what a worker needs.
        """
        self.describe(workers, needs)
        self.attempts = self.settings.attempts
        self._gpus = needs.gpus
        self._connection = Connection(self.settings, workers, needs.gpus)
        self._recipes = PickledRecipes("ray", "other machines")
        self._inputs = Inputs()
        self._workers: dict[int, _Worker] = {}
        self._attempt_numbers = count()
        self._cache = f"storymem-ray-{uuid4().hex[:12]}"
        self.open_seats(workers)

    def check_recipe(self, recipe: WorkerRecipe) -> None:
        """Raise :class:`PluginError` if a plugin object cannot be sent to other machines."""
        self._recipes.of(recipe)

    def close(self) -> None:
        """End all workers and leave the cluster."""
        if self.is_open:
            super().close()
            self._connection.close()

    def place_of(self, seat: Seat) -> str:
        """Return host, process and GPUs of the seat's worker."""
        worker = self._workers.get(seat.number)
        return worker.place if worker else f"worker {seat.number + 1}"

    def run(self, seat: Seat, job: Job) -> ShotOutcome:
        """Run a task on the seat's actor, starting one if needed."""
        shared = self.settings.files == "shared"
        inputs = None if shared else self._inputs.of(job.task)
        attempt = own_folder(job.task) if shared else job.task
        try:
            worker = self._ready(seat, job)
            if shared:
                self._check_shared(worker, job)
            job.tell(TaskState.RUNNING, worker.place)
            answer = self._follow(worker, job, attempt, inputs)
            if isinstance(answer, BaseException):
                raise answer
            outcome, contents = answer
            return taken_over(job.task, attempt, outcome) if shared else written(job.task, outcome, contents)
        except (RayError, LostOnTheWayError) as error:
            self._give_up(seat)
            why = "no sign of life" if isinstance(error, GetTimeoutError) else " ".join(str(error).split())[:200]
            raise WorkerLostError(why) from error

    def lost(self, error: WorkerLostError) -> ShotError:
        """Say how often it was tried."""
        return ShotError(f"{self.settings.attempts} workers were lost while they made it; the last one: {error}")

    def stop(self, seat: Seat) -> None:
        """Let the worker release what it holds, and end it."""
        worker = self._workers.get(seat.number)
        if worker is not None:
            with suppress(RayError):  # it died by itself
                ray.get(worker.actor.finish.remote(), timeout=self.settings.silence)
            self._give_up(seat)

    def destroy(self, seat: Seat, reason: BaseException) -> None:
        """Kill the actor; its seat is free for a new one."""
        worker = self._workers.get(seat.number)
        if worker is not None:
            ray.kill(worker.actor)

    def _give_up(self, seat: Seat) -> None:
        worker = self._workers.pop(seat.number, None)
        seat.key = ""
        if worker is not None:
            with suppress(RayError):
                ray.kill(worker.actor)

    def _ready(self, seat: Seat, job: Job) -> _Worker:
        """Return the seat's worker, built for the task's recipe and with its weights loaded."""
        worker = self._workers.get(seat.number)
        if worker is None:
            worker = self._workers[seat.number] = self._start(job)
            seat.key = ""
        if seat.key != job.recipe.key:
            job.tell(TaskState.LOADING, worker.place)
            files = [(path.name, path.read_bytes()) for path in job.recipe.files]
            load = job.task.source is None
            error = self._wait(worker.actor.build.remote(self._recipes.of(job.recipe), files, load), job)
            if error is not None:
                raise error
            seat.key = job.recipe.key
        return worker

    def _start(self, job: Job) -> _Worker:
        """Start an actor and wait for the node that gets it, which may have to come first."""
        actor = (
            ray.remote(concurrency_groups={"control": 2})(ShotActor)
            .options(
                num_cpus=self.settings.cpus,
                num_gpus=self._gpus,
                resources=self.settings.resources or None,
                max_restarts=0,  # a worker that comes back by itself would have forgotten its weights and its task
            )
            .remote(os.environ.get("OMP_NUM_THREADS"), self._cache)
        )
        try:
            host, process, gpus = self._wait(actor.where.remote(), job)
        except BaseException:
            ray.kill(actor)
            raise
        return _Worker(actor, f"{host}, process {process}{f', GPU {gpus}' if gpus else ''}")

    @staticmethod
    def _wait(reference: Any, job: Job) -> Any:
        """Wait for an answer for as long as it takes, unless the task is given up meanwhile."""
        while not ray.wait([reference], timeout=_POLL)[0]:
            if job.cancelled or job.future.done():
                raise Cancelled(f"shot {job.task.shot}: was given up")
        return ray.get(reference)

    def _follow(self, worker: _Worker, job: Job, task: ShotTask, inputs: Any) -> Answer:
        """Run a task, pass on its steps, and return its answer."""
        number, seen, over, stopped = next(self._attempt_numbers), 0, False, False
        answer = worker.actor.run.remote(number, task, inputs)
        while not over:
            follow = worker.actor.follow.remote(number, seen, _POLL)
            steps, over = ray.get(follow, timeout=_POLL + self.settings.silence)
            seen += len(steps)
            if not stopped and not _goes_on(job, steps):
                stopped = True
                worker.actor.stop.remote(number)
        result: Answer = ray.get(answer, timeout=_TRANSFER)
        # Where the last steps were taken before the worker heard of it, there is an outcome that nobody wants.
        return Cancelled(f"shot {task.shot}: was given up") if stopped else result

    def _check_shared(self, worker: _Worker, job: Job) -> None:
        """Raise :class:`MissingInput` unless the node sees the run folder."""
        file = probe(job.task.folder)
        node = worker.actor.sees.remote(file.path, file.digest)
        try:
            if not self._wait(node, job):
                raise MissingInput(
                    f"{worker.place}: does not see {job.task.folder}; executor.files = shared needs a file system that "
                    "all nodes have at the same path"
                )
        finally:
            file.path.unlink(missing_ok=True)


def _goes_on(job: Job, steps: list[tuple[int, int]]) -> bool:
    """Report steps; return whether the worker is to continue."""
    try:
        for step, total in steps:
            job.step(step, total)
    except Cancelled:
        return False
    return not job.cancelled
