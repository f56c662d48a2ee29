"""The base of backbones whose model is run by a server.

An adapter says how its protocol creates a job, looks at it, fetches what it made and cancels it; ``work`` has the rest.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from typing_extensions import TypeVar

from storymem.apikey import find_key
from storymem.errors import Cancelled
from storymem.interfaces import Backbone, Capabilities, Check, Mode, Progress, ShotRequest
from storymem.values.clip import Clip
from storymem_backbones.http.client import Client, Json, Tick
from storymem_backbones.http.errors import JobLost, Refused
from storymem_backbones.http.jobs import JobNotes, request_key
from storymem_backbones.http.looks import Look
from storymem_backbones.http.settings import HttpSettings
from storymem_backbones.http.work import Work

SettingsT = TypeVar("SettingsT", bound=HttpSettings)


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

    # -- what adapters share --------------------------------------------------------------------------------

    def answer_on(self, job: str, path: str, tick: Tick, noun: str = "job") -> Json:
        """Return what the server answers of a job; raises :class:`JobLost` where it does not know the job."""
        try:
            return self.client.ask("GET", path, tick)
        except Refused as error:
            if error.status == 404:
                raise JobLost(f"does not know {noun} {job}") from error
            raise

    def knows(self, job: str, tick: Tick) -> bool:
        """Return whether the server knows a job."""
        try:
            self.look(job, tick)
        except JobLost:
            return False
        return True

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
        work = Work(self, request, JobNotes(request.jobs, request.shot, key, self.settings.base_url), progress)
        try:
            return work.clip()
        except Cancelled:
            work.give_up()
            raise
