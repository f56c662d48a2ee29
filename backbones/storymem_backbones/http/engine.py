"""The base of backbones whose model is run by a server: create a job, wait, fetch, fit.

An adapter says how its protocol creates a job, looks at it, fetches what it made and cancels it. Everything else is
here: the note that survives a crash, jobs that a server has lost, progress, time limits and what a take records.
"""

from __future__ import annotations

import math
import tempfile
import time
from abc import abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import ClassVar

from typing_extensions import TypeVar

from storymem.apikey import find_key
from storymem.errors import Cancelled, MediaError
from storymem.interfaces import Backbone, Capabilities, Check, Mode, Progress, ShotRequest
from storymem.values.clip import Clip, Frames
from storymem_backbones.http.client import Client, Tick, sleep
from storymem_backbones.http.errors import EngineError, Interrupted, JobEnded, JobLost, Refused
from storymem_backbones.http.fitting import Wanted, read_fitted
from storymem_backbones.http.jobs import JobNotes, request_key
from storymem_backbones.http.settings import HttpSettings

SettingsT = TypeVar("SettingsT", bound=HttpSettings)

#: Progress is reported in hundredths.
_TOTAL = 100
_TICK_SECONDS = 0.4
#: Parts of error codes by which servers say that they will not make this.
_MODERATION = ("moderation", "content_policy", "safety", "nsfw")
#: What a result is answered with once it is no longer there.
_GONE = frozenset({403, 404, 410})


class JobState(StrEnum):
    """How far a job is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Look:
    """What a server says of a job.

    Attributes:
        state: How far it is.
        percent: 0 .. 100, if the server says.
        reason: Why it failed.
        code: The server's code of that.
        url: Where the result is, if the job names a place of its own.
        cost: What it cost, in the server's currency, if it says.
        seconds: How long the server worked on it, if it says.
    """

    state: JobState
    percent: float | None = None
    reason: str = ""
    code: str = ""
    url: str = ""
    cost: float | None = None
    seconds: float | None = None


class HttpBackbone(Backbone[SettingsT]):
    """Makes clips at a server; the results are not reproducible, and takes say so.

    Attributes:
        name: How settings call it.
    """

    name: ClassVar[str]

    def __init__(self, settings: SettingsT | None = None) -> None:
        super().__init__(settings)
        self._connected: Client | None = None

    # -- what an adapter says -------------------------------------------------------------------------------

    @abstractmethod
    def modes(self) -> tuple[frozenset[Mode], int]:
        """Return the modes that the settings give, and the most keyframes of a request."""

    @abstractmethod
    def create(self, request: ShotRequest, token: str, tick: Tick) -> str:
        """Create a job and return its id; ``token`` is the same when the same job is asked for again."""

    @abstractmethod
    def look(self, job: str, tick: Tick) -> Look:
        """Return how far a job is; raises :class:`JobLost` if the server does not know it."""

    @abstractmethod
    def content(self, job: str, look: Look) -> str:
        """Return where the video of a finished job is: a path at the server, or an address."""

    @abstractmethod
    def cancel(self, job: str, tick: Tick) -> None:
        """Ask the server to stop a job."""

    # -- the backbone ---------------------------------------------------------------------------------------

    def capabilities(self) -> Capabilities:
        """Return what the settings declare; the server is not asked."""
        s = self.settings
        modes, most = self.modes()
        return Capabilities(
            modes=modes,
            size=s.size,
            size_multiple=s.size_multiple,
            frames=s.frames,
            frame_step=s.frame_step,
            frame_offset=s.frame_offset,
            most_frames=s.most_frames,
            fps=s.fps,
            max_memory=most,
            handovers=self.handovers(),
            concurrent=True,
        )

    def handovers(self) -> frozenset[int]:
        """Return how many frames may be handed over: the first frame alone, where there is a mode for it."""
        return frozenset({1}) if Mode.MI2V in self.modes()[0] else frozenset()

    def doctor(self) -> Sequence[Check]:
        """Return which server would be asked, and whether there is a key for it."""
        s = self.settings
        key = find_key(s.api_key_env, s.api_key_file)
        source = str(s.api_key_file or f"${s.api_key_env}")
        return (Check("server", True, s.base_url), Check("key", True, f"from {source}" if key.reveal() else "none"))

    def close(self) -> None:
        """Close the connections."""
        if self._connected is not None:
            self._connected.close()
            self._connected = None

    @property
    def client(self) -> Client:
        """The connection to the server; the key is read when it is first used and kept nowhere else."""
        if self._connected is None:
            self._connected = Client(self.settings, find_key(self.settings.api_key_env, self.settings.api_key_file))
        return self._connected

    def generate(self, request: ShotRequest, progress: Progress) -> Clip:
        """Have the clip made; see :class:`storymem.interfaces.Backbone`."""
        capabilities = self.capabilities()
        capabilities.check_size(request.width, request.height)
        capabilities.check_frames(request.frames, self.name)
        key = request_key(self.fingerprint(), request)
        work = _Work(self, request, JobNotes(request.jobs, request.shot, key, self.settings.base_url), progress)
        try:
            return work.clip()
        except Cancelled:
            work.give_up()
            raise


class _Work:
    """One request on its way through the server."""

    def __init__(
        self, engine: HttpBackbone[HttpSettings], request: ShotRequest, notes: JobNotes, progress: Progress
    ) -> None:
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
        return Clip(frames, self._settings.fps, self._record(job, look))

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
