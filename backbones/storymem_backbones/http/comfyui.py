"""ComfyUI: workflows of the user's own in API format, with named places for prompt, seed, size and pictures."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from storymem.errors import SettingsError, os_error
from storymem.interfaces import Mode, ShotRequest
from storymem.values.clip import Frames
from storymem.values.picture import encode_png
from storymem_backbones.http.client import Body, Json, Tick, short
from storymem_backbones.http.engine import HttpBackbone
from storymem_backbones.http.errors import EngineError, JobLost
from storymem_backbones.http.looks import JobState, Look
from storymem_backbones.http.openai_video import job_id
from storymem_backbones.http.settings import ComfySettings, Workflow

#: Outputs of saving nodes that hold videos: SaveVideo's, VideoHelperSuite's, others'.
_OUTPUTS = ("images", "gifs", "videos", "video")
_VIDEOS = (".mp4", ".mkv", ".webm", ".mov", ".avi", ".gif", ".webp")


class ComfyUI(HttpBackbone[ComfySettings]):
    """Make shots at a ComfyUI server, with workflows of your own."""

    name = "comfyui"

    def modes(self) -> tuple[frozenset[Mode], int]:
        """Return the modes that have a workflow, and how many pictures all of them take that take any."""
        places = [len(w.memory) for w in self.settings.workflows.values() if w.memory]
        return frozenset(self.settings.workflows), min(places, default=0)

    def fingerprint(self) -> str:
        """Return the settings, and the content of the workflow files."""
        files = sorted(self.settings.workflows.items())
        content = [hashlib.sha256(_read(workflow).encode()).hexdigest() for _, workflow in files]
        return "/".join([super().fingerprint(), *content])

    def create(self, request: ShotRequest, token: str, tick: Tick) -> str:
        """Upload the pictures and queue the workflow under ``token``."""
        if self.knows(token, tick):
            return token
        workflow = self.settings.workflows[request.mode]
        graph = _graph(workflow)
        for place, value in self._values(workflow, request).items():
            _set(graph, place, value, workflow)
        for index, (place, picture) in enumerate(_pictures(workflow, request)):
            _set(graph, place, self._upload(f"storymem-{token}-{index}.png", picture, tick), workflow)
        body: Json = {"prompt": graph, "prompt_id": token, "client_id": token, **self.settings.extra}
        answer = self.client.ask("POST", "prompt", tick, Body(json=body), again=False)
        if answer.get("node_errors"):
            raise EngineError(f"{workflow.file}: refused by ComfyUI ({short(json.dumps(answer['node_errors']))})")
        return job_id(answer.get("prompt_id"))

    def look(self, job: str, tick: Tick) -> Look:
        """Return how far a prompt is: done if the history has it, else as the queue says."""
        found = self.client.ask("GET", f"history/{job}", tick).get(job)
        if isinstance(found, dict):
            return self._look(found)
        queue = self.client.ask("GET", "queue", tick)
        for name, state in (("queue_running", JobState.RUNNING), ("queue_pending", JobState.QUEUED)):
            if any(isinstance(entry, list) and job in entry[:2] for entry in queue.get(name) or ()):
                return Look(state)
        again = self.client.ask("GET", f"history/{job}", tick).get(job)  # it may have ended between the two questions
        if isinstance(again, dict):
            return self._look(again)
        raise JobLost(f"does not know prompt {job}")

    def content(self, job: str, look: Look) -> str:
        """Return the path of the video."""
        return look.url

    def cancel(self, job: str, tick: Tick) -> None:
        """Take the prompt out of the queue, and interrupt it if it is running."""
        self.client.ask("POST", "queue", tick, Body(json={"delete": [job]}))
        self.client.ask("POST", "interrupt", tick, Body(json={"prompt_id": job}))

    def _look(self, entry: Json) -> Look:
        status = entry.get("status")
        status = status if isinstance(status, dict) else {}
        if status.get("status_str") == "error":
            return Look(JobState.FAILED, reason=short(_exception(status)))
        url = _video(entry.get("outputs"), {w.output for w in self.settings.workflows.values()})
        if not url:
            return Look(JobState.FAILED, reason="the workflow saved no video; it needs a node such as SaveVideo")
        return Look(JobState.DONE, url=url)

    def _values(self, workflow: Workflow, request: ShotRequest) -> dict[str, Any]:
        values = {
            workflow.prompt: request.prompt,
            workflow.negative: request.negative_prompt,
            workflow.seed: request.seed,
            workflow.width: request.width,
            workflow.height: request.height,
            workflow.frames: request.frames,
            workflow.fps: self.settings.fps,
        }
        return {place: value for place, value in values.items() if place is not None and value is not None}

    def _upload(self, name: str, picture: Frames, tick: Tick) -> str:
        body = Body(
            fields={"type": "input", "overwrite": "true"}, files=[("image", (name, encode_png(picture), "image/png"))]
        )
        answer = self.client.ask("POST", "upload/image", tick, body)
        folder, stored = str(answer.get("subfolder") or ""), str(answer.get("name") or "")
        if not stored:
            raise EngineError(f"{self.settings.base_url}: took a picture and does not say where it is")
        return f"{folder}/{stored}" if folder else stored


def _read(workflow: Workflow) -> str:
    try:
        return workflow.file.read_text("utf-8")
    except OSError as error:
        raise os_error(f"{workflow.file}: cannot be read", error, SettingsError) from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{workflow.file}: is no text") from error


def _graph(workflow: Workflow) -> Json:
    try:
        graph: Json = json.loads(_read(workflow))
    except ValueError as error:
        raise SettingsError(f"{workflow.file}: is no JSON ({error})") from error
    if not isinstance(graph, dict) or not all(
        isinstance(node, dict) and "class_type" in node for node in graph.values()
    ):
        raise SettingsError(f"{workflow.file}: is no workflow in API format; in ComfyUI, use Workflow > Export (API)")
    return graph


def _set(graph: Json, place: str, value: Any, workflow: Workflow) -> None:
    node, _, name = place.partition(".")
    inputs = graph.get(node, {}).get("inputs")
    if not isinstance(inputs, dict) or name not in inputs:
        raise SettingsError(f"{workflow.file}: has no input {place}")
    inputs[name] = value


def _pictures(workflow: Workflow, request: ShotRequest) -> list[tuple[str, Frames]]:
    """Return which picture goes where; places left over show the last recalled picture again."""
    shown = list(request.pictures)
    places = zip(workflow.memory, shown + shown[-1:] * len(workflow.memory), strict=False)
    pictures = list(places) if shown else []
    if workflow.first_frame is not None and request.handover_frames is not None:
        pictures.append((workflow.first_frame, request.handover_frames[-1]))
    return pictures


def _video(outputs: object, nodes: set[str]) -> str:
    """Return the path of the first video that a workflow saved, in the named nodes if any are named."""
    from urllib.parse import urlencode

    named = nodes - {""}
    for node, found in (outputs if isinstance(outputs, dict) else {}).items():
        if not isinstance(found, dict) or (named and node not in named):
            continue
        for entry in (entry for name in _OUTPUTS for entry in found.get(name) or () if isinstance(entry, dict)):
            if str(entry.get("filename", "")).lower().endswith(_VIDEOS):
                return "view?" + urlencode({key: entry.get(key, "") for key in ("filename", "subfolder", "type")})
    return ""


def _exception(status: Json) -> str:
    for message in status.get("messages") or ():
        if isinstance(message, list) and len(message) == 2 and message[0] == "execution_error":
            detail = message[1] if isinstance(message[1], dict) else {}
            return f"{detail.get('node_type', 'a node')}: {detail.get('exception_message', 'failed')}"
    return "the workflow failed"
