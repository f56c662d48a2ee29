"""JoyAI-Echo's server: the one protocol that speaks of memory, and takes an id of ours for a job."""

from __future__ import annotations

from dataclasses import replace

from storymem.interfaces import Mode, ShotRequest
from storymem_backbones.http.client import Body, Json, Tick
from storymem_backbones.http.engine import HttpBackbone
from storymem_backbones.http.errors import EngineError
from storymem_backbones.http.looks import JobState, Look, look_by_status
from storymem_backbones.http.openai_video import job_id
from storymem_backbones.http.pictures import data_url
from storymem_backbones.http.settings import EchoSettings

_STATES = {
    "queued": JobState.QUEUED,
    "running": JobState.RUNNING,
    "succeeded": JobState.DONE,
    "failed": JobState.FAILED,
}


class EchoServer(HttpBackbone[EchoSettings]):
    """Make shots at a JoyAI-Echo server, with up to seven memory slots."""

    name = "echo_server"

    def modes(self) -> tuple[frozenset[Mode], int]:
        """Return all but several handed-over frames: memory slots and a first frame go together."""
        return frozenset({Mode.T2V, Mode.M2V, Mode.MI2V}), self.settings.max_memory

    def create(self, request: ShotRequest, token: str, tick: Tick) -> str:
        """Create a job under ``token``; the server answers the same job for the same token."""
        answer = self.client.ask("POST", "r2v", tick, Body(json=self._job(request, token)))
        return job_id(answer.get("version_id"))

    def look(self, job: str, tick: Tick) -> Look:
        """Return how far a job is; the server names a stage and no percentage."""
        answer = self.answer_on(job, f"version/{job}", tick)
        return replace(look_by_status(answer, _STATES), url=_video(answer))

    def content(self, job: str, look: Look) -> str:
        """Return the address that the job names."""
        if not look.url:
            raise EngineError(f"{self.settings.base_url}: job {job} has succeeded, but names no video")
        return look.url

    def cancel(self, job: str, tick: Tick) -> None:
        """Do nothing: the server cannot stop a job."""

    def _job(self, request: ShotRequest, token: str) -> Json:
        job: Json = {
            "work_id": self.settings.work,
            "shot_id": request.shot,
            "job_id": token,
            "prompt": request.prompt,
            "memory_slots": [{"image_url": data_url(picture), "audio_mode": "empty"} for picture in request.pictures],
            "num_frames": request.frames,
            "width": request.width,
            "height": request.height,
            "seed": request.seed,
        }
        if request.handover_frames is not None:
            job["condition_img"] = data_url(request.handover_frames[-1])
        return {**job, **self.settings.extra}


def _video(job: Json) -> str:
    """Return the address of a job's video: its own field, or that of an artifact."""
    if isinstance(job.get("video_url"), str):
        return str(job["video_url"])
    artifacts = job.get("artifacts")
    for artifact in artifacts if isinstance(artifacts, list) else ():
        for name in ("url", "public_url"):
            if isinstance(artifact, dict) and isinstance(artifact.get(name), str):
                return str(artifact[name])
    return ""
