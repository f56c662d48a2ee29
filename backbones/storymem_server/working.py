"""The one thread that makes what was ordered, in order of arrival."""

from __future__ import annotations

import logging
import threading
from typing import Any

from storymem.errors import Cancelled, StoryMemError
from storymem.interfaces import Backbone
from storymem.media.video import LOSSLESS, viewing_codec, write_clip
from storymem_server.jobs import VARIANTS, Job, JobStore

_log = logging.getLogger(__name__)
_IDLE_SECONDS = 0.5
#: How long the end of the program waits for the step that is being made.
_LAST_STEP_SECONDS = 60.0
_CRF = 18


class Working:
    """Makes the store's jobs until it is stopped.

    Args:
        store: Where they are.
        backbone: What makes them; used by this thread alone.
    """

    def __init__(self, store: JobStore, backbone: Backbone[Any]) -> None:
        self._store, self._backbone = store, backbone
        self._stopped = threading.Event()
        self._progress: dict[str, int] = {}
        self._thread = threading.Thread(target=self._run, name="storymem-serve", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the current step; the job that is running stays in the queue for the next start."""
        self._stopped.set()
        self._thread.join(_LAST_STEP_SECONDS)

    def progress(self, job: Job) -> int:
        """Return how far a job is, 0 .. 100."""
        return self._progress.get(job.id, 0)

    def _run(self) -> None:
        while not self._stopped.is_set():
            job = self._store.next(_IDLE_SECONDS)
            if job is not None:
                self._work(job)

    def _work(self, job: Job) -> None:
        error: dict[str, str] | None = None
        try:
            self._make(job)
        except Cancelled:
            if self._stopped.is_set():
                return
        except StoryMemError as failure:
            error = {"code": "generation_failed", "message": str(failure)}
        except Exception as failure:  # a bug of the backbone must not end the server
            _log.exception("job %s failed", job.id)
            error = {"code": "internal_error", "message": f"{type(failure).__name__}: {failure}"}
        self._progress.pop(job.id, None)
        self._store.finish(job, error)

    def _make(self, job: Job) -> None:
        def progress(step: int, total: int) -> None:
            if self._stopped.is_set() or not self._store.is_wanted(job):
                raise Cancelled("stopped")
            self._progress[job.id] = min(99, 100 * step // max(1, total))

        clip = self._backbone.generate(self._store.request(job), progress)
        folder = self._store.path(job)
        write_clip(folder / VARIANTS["lossless"], clip, LOSSLESS)
        write_clip(folder / VARIANTS["video"], clip, viewing_codec(_CRF))
