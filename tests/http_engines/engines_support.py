"""Servers for tests: real HTTP on 127.0.0.1, each strict about its protocol, and each as hostile as a test wants."""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import itertools
import json
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import numpy as np
from PIL import Image

from storymem.media.video import LOSSLESS, write_clip
from storymem.values.clip import Clip, Frames

Json = dict[str, Any]


@functools.lru_cache(maxsize=256)
def video(frames: int, width: int, height: int, fps: int, text: str, first: bytes = b"") -> bytes:
    """Return a video file whose pictures follow from a text; its first frame is ``first``, a picture file."""
    seed = int.from_bytes(hashlib.sha256(text.encode() + first).digest()[:8], "big")
    base = np.random.default_rng(seed).integers(0, 255, size=(1, height, width, 3))
    pictures = np.asarray((base + np.arange(frames)[:, None, None, None] * 3) % 256, np.uint8)
    if first:
        pictures[0] = np.asarray(Image.open(BytesIO(first)).convert("RGB").resize((width, height)))
    with tempfile.TemporaryDirectory() as folder:
        write_clip(Path(folder) / "v.mkv", Clip(pictures, fps), LOSSLESS)
        return (Path(folder) / "v.mkv").read_bytes()


@dataclass
class Job:
    """A job at a test's server; ``looks`` counts how often it was asked for."""

    id: str
    content: bytes
    looks: int = 0
    deleted: bool = False
    extra: Json = field(default_factory=dict)


class Handler(BaseHTTPRequestHandler):
    """One request; the server's protocol answers."""

    server: EngineServer._Server
    protocol_version = "HTTP/1.1"
    body: bytes = b""

    def _any(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.close_connection = True
        # The client may give up in between, as some tests want it to.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.server.engine.answer(self)

    do_GET = do_POST = do_DELETE = _any  # noqa: N815 - the base class's names

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        pass

    def json(self, data: Json, status: int = 200, **headers: str) -> None:
        self.raw(json.dumps(data).encode(), "application/json", status, **headers)

    def raw(self, body: bytes, kind: str, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", headers.pop("length", str(len(body))))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def form(self) -> tuple[dict[str, str], list[tuple[str, bytes]]]:
        """Return the texts and the files of a form."""
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        texts: dict[str, str] = {}
        files: list[tuple[str, bytes]] = []
        for part in BytesParser().parsebytes(head + self.body).get_payload():
            name = str(part.get_param("name", header="content-disposition"))  # type: ignore[union-attr]
            content: bytes = part.get_payload(decode=True)  # type: ignore[union-attr, assignment]
            if part.get_filename():  # type: ignore[union-attr]
                files.append((name, content))
            else:
                texts[name] = content.decode()
        return texts, files


Fault = Callable[[Handler], None]


class EngineServer:
    """A server; ``faults`` holds, by kind of request, how the next ones are answered in place of the right answer."""

    class _Server(ThreadingHTTPServer):
        daemon_threads = True
        engine: EngineServer

    path: ClassVar[str] = ""

    def __init__(self) -> None:
        self.faults: dict[str, list[Fault]] = {}
        self.log: list[tuple[str, str, dict[str, str]]] = []
        self.jobs: dict[str, Job] = {}
        self.created: list[Json] = []
        self._numbers = itertools.count()
        self.hold = threading.Event()  # set: jobs never end
        self.make: Callable[[Json, bytes], bytes] = self.film
        self._http = self._Server(("127.0.0.1", 0), Handler)
        self._http.engine = self
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}{self.path}"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def answer(self, handler: Handler) -> None:
        kind = self.kind(handler)
        self.log.append((kind, handler.path, dict(handler.headers)))
        faults = self.faults.get(kind, [])
        if faults:
            faults.pop(0)(handler)
        else:
            self.right(kind, handler)

    def count(self, kind: str) -> int:
        return sum(entry[0] == kind for entry in self.log)

    def film(self, asked: Json, pictures: bytes) -> bytes:
        first = asked.pop("first", b"")
        text = json.dumps(asked, sort_keys=True) + hashlib.sha256(pictures).hexdigest()
        return video(asked["frames"], asked["width"], asked["height"], asked["fps"], text, first)

    def start(self, asked: Json, pictures: bytes = b"", job_id: str = "") -> Job:
        job = Job(job_id or f"job-{next(self._numbers)}", self.make(dict(asked), pictures))
        self.created.append(asked)
        self.jobs[job.id] = job
        return job

    def step(self, job: Job) -> str:
        """Return how far a job is: one step further at each look."""
        job.looks += 1
        states = ("queued", "running") if self.hold.is_set() else ("queued", "running", "done")
        return states[min(job.looks, len(states)) - 1]

    def kind(self, handler: Handler) -> str:
        raise NotImplementedError

    def right(self, kind: str, handler: Handler) -> None:
        raise NotImplementedError


class OpenAIServer(EngineServer):
    """OpenAI's videos interface as one of its speakers has it; fields that one does not know are refused."""

    path = "/v1"
    FIELDS: ClassVar[dict[str, set[str]]] = {
        "openai": {"prompt", "model", "seconds", "size"},
        "sglang": {"prompt", "model", "seconds", "size", "fps", "num_frames", "seed", "negative_prompt"},
        "vllm_omni": {"prompt", "model", "size", "fps", "num_frames", "seed", "negative_prompt", "guidance_scale"},
    }

    def __init__(self, dialect: str) -> None:
        self.dialect = dialect
        self.rate, self.default = 16, 9
        super().__init__()

    def kind(self, handler: Handler) -> str:
        if handler.command == "POST":
            return "create"
        if handler.command == "DELETE":
            return "cancel"
        return "content" if urlsplit(handler.path).path.endswith("/content") else "look"

    def right(self, kind: str, handler: Handler) -> None:
        if kind == "create":
            return self._create(handler)
        job = self.jobs.get(urlsplit(handler.path).path.split("/")[3])
        if job is None or job.deleted:
            return handler.json({"detail": "Video not found"}, 404)
        if kind == "cancel":
            job.deleted = True
            return handler.json({"id": job.id, "object": "video.deleted", "deleted": True})
        if kind == "content":
            return handler.raw(job.content, "video/mp4")
        return handler.json(self._object(job, self.step(job)))

    def _object(self, job: Job, state: str) -> Json:
        status = {"queued": "queued", "running": "in_progress", "done": "completed"}[state]
        progress = {"queued": 0, "running": 50, "done": 100}[state]
        return {"id": job.id, "object": "video", "status": status, "progress": progress, "created_at": 100,
                "completed_at": 131 if state == "done" else None, **job.extra}  # fmt: skip

    def _create(self, handler: Handler) -> None:
        is_form = handler.headers["Content-Type"].startswith("multipart/form-data")
        texts, files = handler.form() if is_form else (json.loads(handler.body), [])
        if problem := self._problem(is_form, texts, files):
            return handler.json({"error": {"message": problem, "code": "bad"}}, 400)
        width, height = map(int, texts["size"].split("x"))
        asked: Json = {
            "prompt": texts["prompt"],
            "width": width,
            "height": height,
            "frames": int(texts.get("num_frames", self.default)),
            "fps": int(texts.get("fps", self.rate)),
            "seed": int(texts.get("seed", 0)),
        }
        if len(files) == 1:
            asked["first"] = files[0][1]
        job = self.start(asked, b"".join(content for _, content in files))
        return handler.json(self._object(job, "queued"))

    def _problem(self, is_form: bool, texts: Json, files: list[tuple[str, bytes]]) -> str:
        if unknown := set(texts) - self.FIELDS[self.dialect]:
            return f"unknown {unknown}"
        if self.dialect == "openai" and not (isinstance(texts["seconds"], str) and texts["seconds"].isdecimal()):
            return "seconds must be a whole number as text"
        if self.dialect == "sglang" and is_form and not files:
            return "input_reference file is required"
        if self.dialect == "vllm_omni" and not is_form:
            return "form-data is required"
        names = [name for name, _ in files]
        if len(names) > 1 and (self.dialect != "vllm_omni" or set(names) != {"input_references"}):
            return f"several pictures as {names}"
        return f"a picture as {names}" if len(names) == 1 and names != ["input_reference"] else ""


class LightX2VServer(EngineServer):
    """LightX2V's server: ids of the client's choice, an error 503 for one that is taken."""

    FIELDS: ClassVar[set[str]] = {
        "task_id", "prompt", "negative_prompt", "image_path", "target_video_length", "target_fps", "target_shape",
        "seed", "infer_steps", "save_result_path",
    }  # fmt: skip

    def kind(self, handler: Handler) -> str:
        last = handler.path.rstrip("/").rpartition("/")[2]
        return {"POST": "create", "DELETE": "cancel"}.get(handler.command) or {"status": "look"}.get(last, "content")

    def right(self, kind: str, handler: Handler) -> None:
        if kind == "create":
            return self._create(handler)
        job = self.jobs.get(handler.path.split("/")[3])
        if job is None:
            return handler.json({"detail": "Task not found"}, 404)
        if kind == "cancel":
            job.deleted = True
            return handler.json({"stop_status": "success", "reason": ""})
        if kind == "content":
            return handler.raw(job.content, "video/mp4")
        status = {"queued": "pending", "running": "processing", "done": "completed"}[self.step(job)]
        return handler.json({"task_id": job.id, "status": status, "error": None})

    def _create(self, handler: Handler) -> None:
        assert handler.path == "/v1/tasks/video/", handler.path
        task = json.loads(handler.body)
        if unknown := set(task) - self.FIELDS:
            return handler.json({"detail": f"unknown {unknown}"}, 422)
        if task["task_id"] in self.jobs:
            return handler.json({"detail": "Task ID already exists"}, 503)
        assert 0 <= task["seed"] < 2**32
        height, width = task["target_shape"]
        asked = {"prompt": task["prompt"], "width": width, "height": height, "frames": task["target_video_length"],
                 "fps": task["target_fps"], "seed": task["seed"]}  # fmt: skip
        picture = unpacked(task["image_path"]) if "image_path" in task else b""
        job = self.start(asked | ({"first": picture} if picture else {}), picture, task["task_id"])
        return handler.json({"task_id": job.id, "task_status": "pending", "save_result_path": job.id})


class EchoTestServer(EngineServer):
    """JoyAI-Echo's server: memory slots, and one job for one ``job_id``."""

    FIELDS: ClassVar[set[str]] = {
        "work_id", "shot_id", "job_id", "prompt", "memory_slots", "condition_img", "num_frames", "width", "height",
        "seed",
    }  # fmt: skip

    def kind(self, handler: Handler) -> str:
        first = handler.path.split("/")[1]
        return {"r2v": "create", "version": "look", "media": "content"}[first]

    def right(self, kind: str, handler: Handler) -> None:
        if kind == "create":
            return self._create(handler)
        job = self.jobs.get(handler.path.split("/")[2])
        if job is None:
            return handler.json({"detail": "unknown version"}, 404)
        if kind == "content":
            return handler.raw(job.content, "video/mp4")
        status = {"queued": "queued", "running": "running", "done": "succeeded"}[self.step(job)]
        done = {"video_url": f"{self.url}/media/{job.id}"} if status == "succeeded" else {}
        return handler.json({"version_id": job.id, "status": status, "stage": "inferring", "artifacts": [], **done})

    def _create(self, handler: Handler) -> None:
        order = json.loads(handler.body)
        if unknown := set(order) - self.FIELDS:
            return handler.json({"detail": f"unknown {unknown}"}, 422)
        assert len(order["memory_slots"]) <= 7
        assert all(set(slot) == {"image_url", "audio_mode"} for slot in order["memory_slots"])
        for job in self.jobs.values():
            if job.extra.get("order") == order:
                return handler.json({"accepted": True, "version_id": job.id, "status": "queued"})
        asked = {"prompt": order["prompt"], "width": order["width"], "height": order["height"],
                 "frames": order["num_frames"], "fps": 25, "seed": order["seed"]}  # fmt: skip
        pictures = b"".join(unpacked(slot["image_url"]) for slot in order["memory_slots"])
        if "condition_img" in order:
            asked["first"] = unpacked(order["condition_img"])
        job = self.start(asked, pictures)
        job.extra["order"] = order
        return handler.json({"accepted": True, "version_id": job.id, "job_id": order["job_id"], "status": "queued"})


class ComfyServer(EngineServer):
    """ComfyUI: uploads, a queue, a history."""

    def __init__(self) -> None:
        self.uploads: dict[str, bytes] = {}
        super().__init__()

    def kind(self, handler: Handler) -> str:
        path = urlsplit(handler.path).path
        if path == "/queue" and handler.command == "POST":
            return "cancel"
        return {"upload": "upload", "prompt": "create", "history": "look", "view": "content"}.get(
            path.split("/")[1], path.split("/")[1]
        )

    def right(self, kind: str, handler: Handler) -> None:
        if kind == "upload":
            texts, files = handler.form()
            assert texts == {"type": "input", "overwrite": "true"}
            self.uploads["up.png"] = files[0][1]
            name = f"{len(self.uploads)}-{hashlib.sha256(files[0][1]).hexdigest()[:8]}.png"
            self.uploads[name] = files[0][1]
            handler.json({"name": name, "subfolder": "", "type": "input"})
        elif kind == "create":
            self._create(handler)
        elif kind == "content":
            query = parse_qs(urlsplit(handler.path).query)
            handler.raw(self.jobs[query["filename"][0].removesuffix(".mp4")].content, "video/mp4")
        elif kind == "look":
            handler.json(self._history(handler.path.split("/")[2]))
        elif kind == "queue":
            running = [[0, job.id, {}, {}, []] for job in self.jobs.values() if not job.deleted]
            handler.json({"queue_running": running, "queue_pending": []})
        else:
            for job_id in json.loads(handler.body).get("delete", []):
                self.jobs[job_id].deleted = True
            handler.json({})

    def _history(self, job_id: str) -> Json:
        job = self.jobs.get(job_id)
        if job is None or self.step(job) != "done":
            return {}
        saved = {"filename": f"{job_id}.mp4", "subfolder": "", "type": "output"}
        return {job_id: {"outputs": {"9": {"images": [saved], "animated": [True]}},
                         "status": {"status_str": "success", "completed": True}, **job.extra}}  # fmt: skip

    def _create(self, handler: Handler) -> None:
        data = json.loads(handler.body)
        graph = data["prompt"]
        if any("class_type" not in node for node in graph.values()):
            return handler.json({"error": {"type": "invalid_prompt", "message": "bad"}, "node_errors": {}}, 400)
        inputs = graph["1"]["inputs"]
        asked = {"prompt": graph["2"]["inputs"]["text"], "seed": inputs["seed"], "width": inputs["width"],
                 "height": inputs["height"], "frames": inputs["length"], "fps": 16}  # fmt: skip
        memory = b"".join(self.uploads[graph[n]["inputs"]["image"]] for n in ("4", "5") if n in graph)
        if "3" in graph:
            asked["first"] = self.uploads[graph["3"]["inputs"]["image"]]
        job = self.start(asked, memory, data["prompt_id"])
        return handler.json({"prompt_id": job.id, "number": 1, "node_errors": {}})


def unpacked(url: str) -> bytes:
    """Return the content of a ``data:`` address."""
    head, _, text = url.partition(",")
    assert head == "data:image/png;base64"
    return base64.b64decode(text)


def workflow_files(folder: Path) -> Json:
    """Write three workflows in API format and return the settings that name them."""
    sampler = {"class_type": "Sampler", "inputs": {"seed": 1, "width": 1, "height": 1, "length": 1}}
    nodes = {"1": sampler, "2": {"class_type": "CLIPTextEncode", "inputs": {"text": ""}}}
    load = {"class_type": "LoadImage", "inputs": {"image": "example.png"}}
    places = {"prompt": "2.text", "seed": "1.seed", "width": "1.width", "height": "1.height", "frames": "1.length"}
    memory, first = {"4": load, "5": load}, {"3": load}
    settings: Json = {}
    for mode, more, named in (
        ("t2v", {}, {}),
        ("m2v", memory, {"memory": ["4.image", "5.image"]}),
        ("mi2v", memory | first, {"memory": ["4.image", "5.image"], "first_frame": "3.image"}),
    ):
        file = folder / f"{mode}.json"
        file.write_text(json.dumps(nodes | more))
        settings[mode] = {"file": str(file), **places, **named}
    return settings


def status(code: int, message: str = "no", error_code: str = "", **headers: str) -> Fault:
    """Answer with an error as OpenAI writes it."""
    return lambda handler: handler.json({"error": {"message": message, "code": error_code}}, code, **headers)


def pixels(content: bytes) -> Frames:
    """Return the frames of a video file."""
    from storymem.media.video import read_clip

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "v").write_bytes(content)
        return read_clip(Path(folder) / "v", 1).frames
