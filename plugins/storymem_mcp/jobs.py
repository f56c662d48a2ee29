"""Renders in the background, so that an agent can look at a run, or do other work, while shots are made."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from storymem.engine.cancel import CancelToken
from storymem.errors import Cancelled, RunStoreError
from storymem.result import RunResult
from storymem.values.events import Event, RunStarted, ShotFailed, ShotFinished, ShotStep

Work = Callable[[Callable[[Event], None], CancelToken], RunResult]


class Job:
    """One render.

    Args:
        work: Renders; is given what receives events, and the token that stops it.
    """

    def __init__(self, work: Work) -> None:
        self.cancel = CancelToken()
        self.done = threading.Event()
        self.result: RunResult | None = None
        self.error: BaseException | None = None
        self._lock = threading.Lock()
        self._shots, self._ended = 0, 0
        self._running: dict[str, float] = {}
        self.thread = threading.Thread(target=self._run, args=(work,), name="storymem-mcp-render")
        self.thread.start()

    @property
    def starting(self) -> bool:
        """Whether the run folder may still be half made."""
        return not self.done.is_set() and not self.progress()[1]

    def progress(self) -> tuple[float, int]:
        """Return how many shots are made, parts of shots included, and how many there are."""
        with self._lock:
            return self._ended + sum(self._running.values()), self._shots

    def to_json(self) -> dict[str, Any]:
        """Return the state as plain data."""
        made, shots = self.progress()
        if not self.done.is_set():
            return {"state": "running", "shots_done": round(made, 2), "shots": shots}
        if isinstance(self.error, Cancelled):
            return {"state": "stopped"}
        if self.result is None:
            return {"state": "failed", "error": str(self.error)}
        result = self.result
        state = "finished" if result.film else "failed"
        counts = {"made": result.made, "updated": result.updated, "kept": result.cached, "blocked": result.blocked}
        return {"state": state, **counts, "frames": result.frames, "failures": dict(result.failures)}

    def _run(self, work: Work) -> None:
        try:
            self.result = work(self._on_event, self.cancel)
        except BaseException as error:  # raised where the job is waited for
            self.error = error
        finally:
            self.done.set()

    def _on_event(self, event: Event) -> None:
        with self._lock:
            if isinstance(event, RunStarted):
                self._shots = event.shots
            elif isinstance(event, ShotStep):
                self._running[event.shot] = event.step / max(event.total, 1)
            elif isinstance(event, ShotFinished | ShotFailed):
                self._running.pop(event.shot, None)
                self._ended += 1


class Jobs:
    """The renders that this server started, the last one of each run folder."""

    def __init__(self) -> None:
        self._jobs: dict[Path, Job] = {}
        self._lock = threading.Lock()

    def start(self, run: Path, work: Work) -> Job:
        """Start a render.

        Raises:
            RunStoreError: One of this run is under way.
        """
        with self._lock:
            self._check_free(run)
            job = self._jobs[run] = Job(work)
        return job

    def of(self, run: Path) -> Job | None:
        """Return the last render of a run."""
        return self._jobs.get(run)

    def check_free(self, run: Path) -> None:
        """Raise :class:`RunStoreError` while a render of this run is under way."""
        with self._lock:
            self._check_free(run)

    def stop(self, run: Path) -> bool:
        """Ask a render to stop after its current step; return whether there was one."""
        job = self._jobs.get(run)
        if job is None or job.done.is_set():
            return False
        job.cancel.cancel()
        return True

    def close(self) -> None:
        """Stop all renders and wait for them; what is finished is kept."""
        for job in self._jobs.values():
            job.cancel.cancel()
        for job in self._jobs.values():
            job.thread.join()

    def _check_free(self, run: Path) -> None:
        job = self._jobs.get(run)
        if job is not None and not job.done.is_set():
            raise RunStoreError(f"{run.name}: is being rendered; wait for it (status), or stop it")
