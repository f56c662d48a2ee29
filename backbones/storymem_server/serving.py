"""Runs the server: socket, worker, application, and their end."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import uvicorn
from pydantic import BaseModel, ConfigDict

from storymem.apikey import ApiKey
from storymem.errors import SettingsError, StoryMemError, os_error
from storymem.interfaces import Backbone
from storymem_server.app import Api
from storymem_server.guarding import Guard, is_loopback
from storymem_server.jobs import JobStore
from storymem_server.working import Working

#: A hundred pictures of a usual size.
_MAX_BODY = 256 * 2**20


class ServeSettings(BaseModel):
    """How to serve.

    Attributes:
        folder: Where jobs are kept.
        host: Address to listen at.
        port: Port; 0 for any free one.
        queue: Most jobs that wait or run.
        keep: Finished jobs that are kept.
        references: What ``input_reference`` is.
        allow_hosts: Further names by which the server may be called.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    folder: Path
    host: str = "127.0.0.1"
    port: int = 8300
    queue: int = 16
    keep: int = 100
    references: Literal["memory", "first_frame"] = "memory"
    allow_hosts: tuple[str, ...] = ()


def serve_forever(
    settings: ServeSettings, token: ApiKey, model: str, backbone: Backbone[Any], say: Callable[[str], None]
) -> None:
    """Serve until the program is asked to stop.

    Args:
        settings: How.
        token: What clients must send; needed where others than this machine can connect.
        model: The backbone's name.
        backbone: What makes videos; closed at the end.
        say: Gets one line once the server listens.

    Raises:
        SettingsError: A token is needed.
        StoryMemError: The address or the folder is in use.
    """
    if not is_loopback(settings.host) and not token.reveal():
        raise SettingsError(
            f"--host {settings.host} can be reached from elsewhere: set $VIDEO_SERVER_TOKEN or --token-file, which "
            "clients send as their API key"
        )
    store = JobStore(settings.folder, settings.queue, settings.keep)
    try:
        with _listening(settings) as listener:
            working = Working(store, backbone)
            api = Api(model, backbone.capabilities(), settings.references, store, working)
            guarded = Guard(api.app(), token, settings.allow_hosts, _MAX_BODY)
            # h11 is the one parser that is always there; "auto" would behave differently where others are installed.
            config = uvicorn.Config(
                guarded, log_level="warning", access_log=False, lifespan="off", http="h11", ws="none"
            )
            working.start()
            say(f"serving {model} at {_address(listener)}/v1, jobs in {settings.folder}")
            try:
                uvicorn.Server(config).run(sockets=[listener])
            finally:
                working.stop()
    finally:
        store.close()
        backbone.close()


def _listening(settings: ServeSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family)
    except OSError as error:
        raise os_error(f"{settings.host}:{settings.port}: cannot listen", error, StoryMemError) from error


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
