"""Files of a run, by the hash of their content: looked up in the run database, never made into a path."""

from __future__ import annotations

from importlib.resources import files

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from storymem.errors import MediaError
from storymem.values.files import FileRef
from storymem_studio.pages import RUN
from storymem_studio.state import Studio, studio_of

_TYPES = {".mp4": "video/mp4", ".png": "image/png"}
#: Named by their content, so good for ever.
_FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}
_STATIC = {"studio.css": "text/css", "studio.js": "text/javascript", "icon.svg": "image/svg+xml"}


def stored(request: Request) -> Response:
    """Return a file, or the range of it that is asked for."""
    _, file = _file(request)
    kind = _TYPES.get(file.path.suffix)
    if kind is None or not file.path.is_file():
        raise HTTPException(404)
    return FileResponse(file.path, media_type=kind, headers={**_FOREVER, "ETag": f'"{file.digest}"'})


def still(request: Request) -> Response:
    """Return a small copy of a picture, or of one frame of a video."""
    studio, file = _file(request)
    frame = request.path_params.get("frame")
    try:
        if frame is None:
            data = studio.stills.picture(file.digest, file.path)
        else:
            data = studio.stills.frame(file.digest, file.path, frame)
    except MediaError as error:
        raise HTTPException(404, str(error)) from error
    return Response(data, media_type="image/jpeg", headers=_FOREVER)


def film(request: Request) -> Response:
    """Return the film."""
    entry = studio_of(request).library.run(request.path_params["run"])
    path = entry.folder / "film.mp4"
    if not path.is_file():
        raise HTTPException(404)
    return FileResponse(path, media_type="video/mp4", headers={"Cache-Control": "no-cache"})


def static(request: Request) -> Response:
    """Return a file of the page itself."""
    name = request.path_params["name"]
    if name not in _STATIC:
        raise HTTPException(404)
    data = (files("storymem_studio") / "static" / name).read_bytes()
    return Response(data, media_type=_STATIC[name], headers={"Cache-Control": "no-cache"})


def _file(request: Request) -> tuple[Studio, FileRef]:
    studio = studio_of(request)
    entry = studio.library.run(request.path_params["run"])
    file = studio.file(entry, request.path_params["digest"])
    if file is None:
        raise HTTPException(404)
    return studio, file


ROUTES = [
    Route("/static/{name}", static),
    Route(RUN + "/film.mp4", film),
    Route(RUN + "/files/{digest}", stored),
    Route(RUN + "/stills/{digest}", still),
    Route(RUN + "/stills/{digest}/{frame:int}", still),
]
