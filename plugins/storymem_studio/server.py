"""Puts the studio together and serves it."""

from __future__ import annotations

import secrets
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from storymem.errors import SettingsError, StoryMemError
from storymem_studio import actions, files, live, pages
from storymem_studio.guard import LOOPBACK, Guard
from storymem_studio.library import UnknownRunError
from storymem_studio.state import Studio


def studio_app(root: Path, port: int, token: str = "") -> Starlette:
    """Return the studio of a run folder, or of a folder of run folders, as an ASGI application.

    Args:
        root: The folder.
        port: That it will listen on.
        token: Required of every request where it is not empty.
    """
    studio = Studio.of(root)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        studio.jobs.start()
        yield
        studio.jobs.close()

    app = Starlette(
        routes=[*pages.ROUTES, *actions.ROUTES, *files.ROUTES, *live.ROUTES],
        middleware=[Middleware(Guard, port=port, token=token)],
        exception_handlers={StoryMemError: _refused, HTTPException: _http_error},
        lifespan=lifespan,
    )
    app.state.studio, app.state.watch = studio, live.Watch(studio)
    return app


def serve(root: Path, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve until interrupted.

    Args:
        root: A run folder, or a folder of run folders.
        host: Address to listen on; other than the loopback one, a token is made and required.
        port: Port; 0 takes a free one.
        ready: Called with the address to open, once it answers.

    Raises:
        SettingsError: The port is in use, or the address is not this machine's.
    """
    token = "" if host in LOOPBACK else secrets.token_urlsafe(24)
    listening = _listen(host, port)
    port = listening.getsockname()[1]
    name = f"[{host}]" if ":" in host else host
    app = studio_app(root, port, token)
    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    ready(f"http://{name}:{port}/{f'?token={token}' if token else ''}")
    with listening:
        server.run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen()
    except OSError as error:
        listening.close()
        raise SettingsError(f"cannot listen on {host}, port {port}: {error.strerror}; choose another --port") from error
    return listening


async def _refused(request: Request, error: Exception) -> Response:
    status = 404 if isinstance(error, UnknownRunError) else 409
    return _error_page(request, str(error), status)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _error_page(request, error.detail, error.status_code)


def _error_page(request: Request, text: str, status: int) -> Response:
    page = request.app.state.studio.templates.get_template("error.html")
    return HTMLResponse(page.render(text=text, form_token="", queue=request.app.state.studio.jobs), status)
