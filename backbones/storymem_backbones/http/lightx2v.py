"""LightX2V's server: tasks with an id of our choice, one picture as the first frame."""

from __future__ import annotations

from storymem.interfaces import Mode, ShotRequest
from storymem_backbones.http.client import Body, Json, Tick
from storymem_backbones.http.engine import HttpBackbone
from storymem_backbones.http.errors import Interrupted
from storymem_backbones.http.looks import JobState, Look, look_by_status
from storymem_backbones.http.openai_video import job_id
from storymem_backbones.http.pictures import data_url, passed
from storymem_backbones.http.settings import LightX2VSettings

_STATES = {
    "pending": JobState.QUEUED,
    "processing": JobState.RUNNING,
    "completed": JobState.DONE,
    "failed": JobState.FAILED,
    "cancelled": JobState.FAILED,
}
#: Seeds go to numpy and torch on that side; 32 bits are what both take.
_SEEDS = 2**32


class LightX2V(HttpBackbone[LightX2VSettings]):
    """Make shots at a LightX2V server."""

    name = "lightx2v"

    def modes(self) -> tuple[frozenset[Mode], int]:
        """Return what follows from ``memory``: the one picture is memory or the first frame, not both."""
        if self.settings.memory == "off":
            return frozenset({Mode.T2V, Mode.MI2V}), 0
        return frozenset({Mode.T2V, Mode.M2V}), 1 if self.settings.memory == "first" else self.settings.max_memory

    def create(self, request: ShotRequest, token: str, tick: Tick) -> str:
        """Create a task with ``token`` as its id; one that is there already is the one we were interrupted at."""
        if self.knows(token, tick):
            return token
        body = Body(json=self._task(request, token))
        try:
            return job_id(self.client.ask("POST", "v1/tasks/video/", tick, body, again=False).get("task_id"))
        except Interrupted:
            if self.knows(token, tick):
                return token
            raise

    def look(self, job: str, tick: Tick) -> Look:
        """Return how far a task is; the server knows no percentage."""
        return look_by_status(self.answer_on(job, f"v1/tasks/{job}/status", tick, "task"), _STATES)

    def content(self, job: str, look: Look) -> str:
        """Return the path of the result."""
        return f"v1/tasks/{job}/result"

    def cancel(self, job: str, tick: Tick) -> None:
        """Stop the task."""
        self.client.ask("DELETE", f"v1/tasks/{job}", tick)

    def _task(self, request: ShotRequest, token: str) -> Json:
        task: Json = {
            "task_id": token,
            "prompt": request.prompt,
            "negative_prompt": request.negative_prompt or "",
            "target_video_length": request.frames,
            "target_fps": self.settings.fps,
            "target_shape": [request.height, request.width],
            "seed": request.seed % _SEEDS,
        }
        pictures = passed(self.settings.memory, request)
        if request.handover_frames is not None:
            pictures = [request.handover_frames[-1]]
        if pictures:
            task["image_path"] = data_url(pictures[0])
        return {**task, **self.settings.extra}
