"""Shots side by side in processes, each with its own backbone: for many GPUs, and for backbones that may hang."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

from storymem.errors import Cancelled, PluginError, ShotError, StoryMemError
from storymem.interfaces import Executor, Progress, ShotWorker
from storymem.values.work import ShotOutcome, ShotTask

_SAFE_PATH = "PYTHONSAFEPATH"


@dataclass(slots=True)
class _Child:
    process: SpawnProcess
    pipe: Connection
    future: Future[ShotOutcome] | None = None


class ProcessExecutor(Executor):
    """Make shots in worker processes; a worker that hangs is killed and replaced.

    Processes are spawned, so plugins given as objects must be picklable.
    """

    def start(self, recipe: Callable[[], ShotWorker], workers: int) -> None:
        """Remember the recipe; processes start with their first task.

        Raises:
            PluginError: A plugin was given as an object that cannot be sent to another process.
        """
        try:
            pickle.dumps(recipe)
        except Exception as error:  # pickle and the objects may raise anything
            raise PluginError(
                f"executor process: a plugin given as an object cannot be sent to another process ({error}); "
                "choose it by name, or use executor=thread"
            ) from error
        self._recipe = recipe
        self._workers = workers
        self._lock = threading.Lock()
        self._idle: list[_Child] = []
        self._busy: list[_Child] = []
        self._listeners: list[threading.Thread] = []

    def room(self) -> int:
        """Return the number of idle workers."""
        with self._lock:
            return self._workers - len(self._busy)

    def submit(self, task: ShotTask, progress: Progress) -> Future[ShotOutcome]:
        """Send the task to an idle process, or to a new one."""
        future: Future[ShotOutcome] = Future()
        with self._lock:
            self._idle = [idle for idle in self._idle if idle.process.is_alive()]
            child = self._idle.pop() if self._idle else self._spawn()
            child.future = future
            self._busy.append(child)
        with suppress(BrokenPipeError):  # it has just died: the listener will say so
            child.pipe.send(task)
        listener = threading.Thread(target=self._listen, args=(child, future, progress), name=task.shot, daemon=True)
        self._listeners = [t for t in self._listeners if t.is_alive()] + [listener]
        listener.start()
        return future

    def kill(self, future: Future[ShotOutcome], reason: BaseException) -> None:
        """Kill the process; its place is free for a new one."""
        with self._lock:
            child = next((c for c in self._busy if c.future is future), None)
            if child is None:
                return
            self._busy.remove(child)
        child.process.kill()
        child.process.join()
        future.set_exception(reason)

    def close(self) -> None:
        """End all processes."""
        for listener in getattr(self, "_listeners", []):
            listener.join()
        for child in getattr(self, "_idle", []):
            with suppress(BrokenPipeError):  # it died by itself
                child.pipe.send(None)
            child.process.join()
            child.pipe.close()
        self._idle = []

    def _spawn(self) -> _Child:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self._recipe), daemon=True)
        with _safe_path():
            process.start()
        theirs.close()
        return _Child(process, ours)

    def _listen(self, child: _Child, future: Future[ShotOutcome], progress: Progress) -> None:
        """Pass steps on and, at the end, the result; runs in a thread per task."""
        answer = self._answer(child, progress)
        with self._lock:
            if child not in self._busy:
                child.pipe.close()
                return  # killed meanwhile; the future has its reason
            self._busy.remove(child)
            if child.process.is_alive():
                self._idle.append(child)
        if isinstance(answer, BaseException):
            future.set_exception(answer)
        else:
            future.set_result(answer)

    def _answer(self, child: _Child, progress: Progress) -> ShotOutcome | BaseException:
        try:
            while True:
                message = child.pipe.recv()
                if not isinstance(message, tuple):
                    return message  # type: ignore[no-any-return]
                child.pipe.send(_go_on(progress, *message))
        except (EOFError, OSError):
            child.process.join()
            return ShotError(
                f"worker process ended with exit code {child.process.exitcode} (killed, or out of memory?)"
            )


@contextmanager
def _safe_path() -> Iterator[None]:
    """Keep the working folder out of a new process's module path: a pickle.py in it is no part of the program.

    Python reads it as it starts; what this process has in its own path is handed over afterwards.
    """
    before = os.environ.get(_SAFE_PATH)
    os.environ[_SAFE_PATH] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_SAFE_PATH]
        else:
            os.environ[_SAFE_PATH] = before


def _go_on(progress: Progress, step: int, total: int) -> bool:
    """Report a step; return whether the worker is to continue."""
    try:
        progress(step, total)
    except Cancelled:
        return False
    return True


def _portable(error: Exception) -> Exception:
    """Return the error, or one of the same text if it would not survive the way to another process."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # exceptions with arguments of their own raise anything
        if isinstance(error, StoryMemError):
            return ShotError(str(error))
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _serve(pipe: Connection, recipe: Callable[[], ShotWorker]) -> None:
    """Run in the worker process: make shots until told to stop, or until the engine is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the engine's to handle; it cancels between steps

    def progress(step: int, total: int) -> None:
        pipe.send((step, total))
        if not pipe.recv():
            raise Cancelled("cancelled; finished shots are kept, render again to resume")

    worker: ShotWorker | None = None
    try:
        while (task := pipe.recv()) is not None:
            try:
                worker = worker or recipe()
                pipe.send(worker.run(task, progress))
            except Exception as error:  # travels to the engine, which decides
                pipe.send(_portable(error))
    except (EOFError, OSError):
        os._exit(1)  # the engine was killed: nobody is left to answer
    if worker is not None:
        worker.close()
