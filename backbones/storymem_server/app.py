"""The HTTP interface: a thin layer over the job store."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from storymem.interfaces import Capabilities
from storymem.media.video import read_clip
from storymem.values.clip import Frames
from storymem_server.answers import error_answer
from storymem_server.errors import ApiError
from storymem_server.jobs import JobStore
from storymem_server.orders import PICTURES, Given, decode, make_order, pictures_of, read_fields
from storymem_server.working import Working

_MEDIA = {".mp4": "video/mp4", ".mkv": "video/x-matroska"}
_MAX_FILES = 100
_MAX_LIST = 100


class Api:
    """The routes.

    Args:
        model: The backbone's name.
        can: What it makes.
        references: What ``input_reference`` is.
        store: The jobs.
        working: What makes them.
    """

    def __init__(
        self,
        model: str,
        can: Capabilities,
        references: Literal["memory", "first_frame"],
        store: JobStore,
        working: Working,
    ) -> None:
        self._model, self._can, self._references = model, can, references
        self._store, self._working = store, working

    def app(self) -> Starlette:
        """Return the application."""
        routes = [
            Route("/health", self.health),
            Route("/v1/models", self.models),
            Route("/v1/videos", self.create, methods=["POST"]),
            Route("/v1/videos", self.list_jobs, methods=["GET"]),
            Route("/v1/videos/{id}", self.retrieve, methods=["GET"]),
            Route("/v1/videos/{id}", self.delete, methods=["DELETE"]),
            Route("/v1/videos/{id}/content", self.content, methods=["GET"]),
        ]
        handlers: dict[Any, Any] = {ApiError: _refused, HTTPException: _unknown}
        return Starlette(routes=routes, exception_handlers=handlers)

    def health(self, request: Request) -> Response:
        """Say that the server is there."""
        return JSONResponse({"status": "ok"})

    def models(self, request: Request) -> Response:
        """Return the one model, and what it makes."""
        can = self._can
        storymem = {
            "modes": sorted(can.modes),
            "size": list(can.size),
            "size_multiple": can.size_multiple,
            "frames": can.frames,
            "frame_step": can.frame_step,
            "frame_offset": can.frame_offset,
            "most_frames": can.most_frames,
            "fps": can.fps,
            "max_memory": can.max_memory,
        }
        model = {"id": self._model, "object": "model", "created": 0, "owned_by": "storymem", "storymem": storymem}
        return JSONResponse({"object": "list", "data": [model]})

    async def create(self, request: Request) -> Response:
        """Queue a job."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "multipart/form-data":
            fields, given = await _form(request)
        elif kind == "application/json":
            fields, given = _body(await request.body())
        else:
            raise ApiError(415, "unsupported", "send application/json or multipart/form-data")
        token = request.headers.get("idempotency-key", "")[:200]
        return JSONResponse(await run_in_threadpool(self._create, fields, given, token))

    def list_jobs(self, request: Request) -> Response:
        """Return jobs, newest first, in pages."""
        jobs = self._store.newest_first()
        query = request.query_params
        if query.get("order", "desc") == "asc":
            jobs.reverse()
        if "after" in query:
            ids = [job.id for job in jobs]
            jobs = jobs[ids.index(query["after"]) + 1 :] if query["after"] in ids else []
        limit = int(query["limit"]) if query.get("limit", "").isdecimal() else 20
        page = jobs[: max(1, min(limit, _MAX_LIST))]
        return JSONResponse(
            {
                "object": "list",
                "data": [job.to_json(self._model, self._working.progress(job)) for job in page],
                "first_id": page[0].id if page else None,
                "last_id": page[-1].id if page else None,
                "has_more": len(page) < len(jobs),
            }
        )

    def retrieve(self, request: Request) -> Response:
        """Return a job."""
        job = self._store.get(request.path_params["id"])
        return JSONResponse(job.to_json(self._model, self._working.progress(job)))

    def delete(self, request: Request) -> Response:
        """Delete a job, which also stops it."""
        job = self._store.get(request.path_params["id"])
        self._store.remove(job.id)
        return JSONResponse({"id": job.id, "object": "video.deleted", "deleted": True})

    def content(self, request: Request) -> Response:
        """Return a finished job's video."""
        job = self._store.get(request.path_params["id"])
        path = self._store.content(job, request.query_params.get("variant", "video"))
        return FileResponse(path, media_type=_MEDIA[path.suffix], filename=f"{job.id}{path.suffix}")

    def _create(self, fields: Mapping[str, Any], given: Mapping[str, list[Given]], token: str) -> dict[str, Any]:
        checked = read_fields(fields)
        pictures = {name: [self._picture(one) for one in found] for name, found in given.items()}
        order = make_order(checked, pictures, self._can, self._references)
        job = self._store.add(order, token, self._can.fps)
        return job.to_json(self._model, self._working.progress(job))

    def _picture(self, given: Given) -> Frames:
        """Return a picture: an upload, or a frame of another job, its middle one if none is named."""
        if isinstance(given, bytes):
            return decode(given)
        job = self._store.get(given["id"])
        frames = read_clip(self._store.content(job, "lossless"), job.fps).frames
        index = given.get("frame", len(frames) // 2)
        if not isinstance(index, int) or not -len(frames) <= index < len(frames):
            raise ApiError(400, "invalid_picture", f"video {job.id} has no frame {index!r}; it has {len(frames)}")
        picture: Frames = frames[index]
        return picture


async def _form(request: Request) -> tuple[dict[str, Any], dict[str, list[Given]]]:
    """Return the fields of a form, and its pictures: files, or text that is JSON."""
    fields: dict[str, Any] = {}
    given: dict[str, list[Given]] = {}
    async with request.form(max_files=_MAX_FILES, max_fields=_MAX_FILES) as form:
        for name, value in form.multi_items():
            plain = name.removesuffix("[]")  # how some client libraries write lists
            if isinstance(value, UploadFile):
                if plain not in PICTURES:
                    raise ApiError(400, "invalid_request", f"{plain[:40]}: takes no file")
                given.setdefault(plain, []).append(await value.read())
            elif plain in PICTURES:
                given.setdefault(plain, []).extend(pictures_of(_json(value)))
            else:
                fields[plain] = value
    return fields, given


def _body(content: bytes) -> tuple[dict[str, Any], dict[str, list[Given]]]:
    data = _json(content)
    if not isinstance(data, dict):
        raise ApiError(400, "invalid_request", "the body must be a JSON object")
    given = {name: pictures_of(data.pop(name)) for name in PICTURES if data.get(name) is not None}
    return {name: value for name, value in data.items() if name not in PICTURES}, given


def _json(text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ApiError(400, "invalid_request", "is no JSON") from error


def _refused(request: Request, error: ApiError) -> Response:
    return error_answer(error)


def _unknown(request: Request, error: HTTPException) -> Response:
    return error_answer(ApiError(error.status_code, "invalid_request", str(error.detail)))
