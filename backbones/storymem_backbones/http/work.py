"""One request on its way through a server: create its job or find it again, wait, fetch, fit.

What survives a crash is the note of the job; what a server may do wrong on the way is met here, for all protocols.
"""

from __future__ import annotations

import math
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from storymem.errors import MediaError
from storymem.interfaces import Progress, ShotRequest
from storymem.values.clip import Clip, Frames
from storymem_backbones.http.client import sleep
from storymem_backbones.http.errors import EngineError, Interrupted, JobEnded, JobLost, Refused
from storymem_backbones.http.fitting import Wanted, read_fitted
from storymem_backbones.http.jobs import JobNotes
from storymem_backbones.http.looks import JobState, Look

if TYPE_CHECKING:
    from storymem_backbones.http.engine import HttpBackbone

#: Progress is reported in hundredths.
_TOTAL = 100
_TICK_SECONDS = 0.4
#: Parts of error codes by which servers say that they will not make this.
_MODERATION = ("moderation", "content_policy", "safety", "nsfw")
#: What a result is answered with once it is no longer there.
_GONE = frozenset({403, 404, 410})


class Work:
    """One request.

    Args:
        engine: The adapter.
        request: What to make.
        notes: The note of its job.
        progress: Told how far it is; raises to cancel.
    """

    def __init__(self, engine: HttpBackbone[Any], request: ShotRequest, notes: JobNotes, progress: Progress) -> None:
        self._engine, self._request, self._notes = engine, request, notes
        self._settings = engine.settings
        self._progress = progress
        self._percent = 0
        self._told: tuple[int, float] = (-1, 0.0)

    def clip(self) -> Clip:
        """Return the finished clip."""
        self._tick()
        try:
            look = self._finished()
            frames = self._fetched(look)
        except JobEnded:
            self._notes.forget()
            raise
        job = self._notes.note.job
        self._report(_TOTAL)
        return Clip(frames, self._settings.fps, notes=self._record(job, look))

    def give_up(self) -> None:
        """Cancel the job at the server, as far as the server still listens."""
        job = self._notes.note.job
        if job:
            with suppress(EngineError):
                self._engine.cancel(job, _no_tick)
        self._notes.forget()

    # -- create ---------------------------------------------------------------------------------------------

    def _finished(self) -> Look:
        """Return the last look at the finished job; one that the server had and lost is created once more."""
        for last in (False, True):
            try:
                return self._awaited(self._job())
            except JobLost as error:
                if last or not self._notes.note.seen:
                    raise JobEnded(f"{self._settings.base_url}: {error}; render again to create a new one") from error
                self._notes.forget()
        raise AssertionError("unreachable")

    def _job(self) -> str:
        note = self._notes.start()
        if not note.job:
            try:
                job = self._engine.create(self._request, note.token, self._tick)
            except Refused as error:
                raise JobEnded(self._refusal(error.code, str(error))) from error
            if not job:
                raise JobEnded(f"{self._settings.base_url}: answers without the id of a job; check base_url")
            self._notes.created(job)
        return self._notes.note.job

    # -- wait -----------------------------------------------------------------------------------------------

    def _awaited(self, job: str) -> Look:
        waiting = running = time.monotonic()
        while True:
            look = self._look(job)
            if look.state is JobState.DONE:
                return look
            if look.state is JobState.FAILED:
                raise JobEnded(self._failure(look))
            now = time.monotonic()
            if look.state is JobState.QUEUED:
                running = now
                self._within(job, now - waiting, self._settings.queue_timeout, "queue_timeout", "waits in the queue")
            else:
                self._within(job, now - running, self._settings.job_timeout, "job_timeout", "has been running")
            self._report(min(_TOTAL - 1, math.floor(look.percent or 0)))
            sleep(self._settings.poll, self._tick)

    def _look(self, job: str) -> Look:
        """Return a look; a job that was created just now may not be known everywhere yet."""
        while True:
            try:
                look = self._engine.look(job, self._tick)
            except JobLost:
                note = self._notes.note
                if note.seen or time.time() - note.created > self._settings.grace:
                    raise
                sleep(min(self._settings.poll, 1.0), self._tick)
            else:
                self._notes.seen()
                return look

    def _within(self, job: str, spent: float, limit: float, name: str, what: str) -> None:
        if spent > limit:
            self.give_up()
            raise EngineError(
                f"{self._settings.base_url}: job {job} {what} for over {limit:g} s ({name}), and was cancelled"
            )

    def _failure(self, look: Look) -> str:
        return self._refusal(
            look.code, f"{self._settings.base_url}: the job failed ({look.reason or 'no reason given'})"
        )

    def _refusal(self, code: str, said: str) -> str:
        if any(word in code.lower() for word in _MODERATION):
            return f"{said}: refused by the server's moderation; change the prompt or the pictures"
        return said

    # -- fetch ----------------------------------------------------------------------------------------------

    def _fetched(self, look: Look) -> Frames:
        request = self._request
        wanted = Wanted(request.frames, request.width, request.height, self._settings.fps)
        with tempfile.TemporaryDirectory(prefix="storymem-") as folder:
            path = Path(folder) / "result"
            for left in range(self._settings.retries, -1, -1):
                try:
                    self._download(look, path)
                    return read_fitted(path, wanted)
                except (Interrupted, MediaError) as error:
                    if not left:
                        raise JobEnded(f"{self._settings.base_url}: {error}") from error
                    sleep(self._settings.back_off, self._tick)
        raise AssertionError("unreachable")

    def _download(self, look: Look, path: Path) -> None:
        """Fetch the result; an address that has expired is asked for once more."""
        engine, job = self._engine, self._notes.note.job
        try:
            engine.client.download(engine.content(job, look), path, self._tick)
        except Refused as error:
            if error.status not in _GONE:
                raise
            fresh = self._look(job)
            try:
                engine.client.download(engine.content(job, fresh), path, self._tick)
            except Refused as again:
                raise JobEnded(f"{again}: the result of job {job} is not there any more; render again") from again

    def _record(self, job: str, look: Look) -> dict[str, str | float | bool]:
        record: dict[str, str | float | bool] = {
            "engine": self._engine.name,
            "server": self._settings.base_url,
            "job": job,
            "reproducible": False,
        }
        if look.cost is not None:
            record["cost"] = look.cost
        if look.seconds is not None:
            record["engine_seconds"] = look.seconds
        return record

    # -- progress -------------------------------------------------------------------------------------------

    def _report(self, percent: int) -> None:
        self._percent = max(self._percent, percent)
        self._tick()

    def _tick(self) -> None:
        """Report progress, which is also where a cancellation comes from, but not for every piece of a download."""
        percent, when = self._told
        now = time.monotonic()
        if self._percent != percent or now - when > _TICK_SECONDS:
            self._told = (self._percent, now)
            self._progress(self._percent, _TOTAL)


def _no_tick() -> None:
    """Wait without asking anybody: what is being done is short, and is the answer to a cancellation."""
