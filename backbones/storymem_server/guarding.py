"""Who may call: clients with the token; without one, programs on this machine, and no page in a browser.

A page from anywhere may send requests to the loopback, or have its own name lead there. Both show in the headers:
such a request carries an ``Origin``, or a ``Host`` that is not ours.
"""

from __future__ import annotations

import hmac
import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from storymem.apikey import ApiKey
from storymem_server.answers import error_answer
from storymem_server.errors import ApiError

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def is_loopback(host: str) -> bool:
    """Whether an address to listen at is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Guard:
    """Refuses requests before anything else looks at them.

    Args:
        app: What is guarded.
        token: What clients must send; empty for none.
        hosts: Names by which the server may be called, beside those of the loopback.
        max_body: Largest body, bytes.
    """

    def __init__(self, app: ASGIApp, token: ApiKey, hosts: tuple[str, ...], max_body: int) -> None:
        self._app, self._token, self._max_body = app, token, max_body
        self._hosts = _LOOPBACK | {host.lower() for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "http":
            refusal = self._refusal(scope["method"], Headers(scope=scope))
            if refusal is not None:
                await error_answer(refusal)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refusal(self, method: str, headers: Headers) -> ApiError | None:
        expected = self._token.reveal()
        if expected and not hmac.compare_digest(
            headers.get("authorization", "").encode(), f"Bearer {expected}".encode()
        ):
            return ApiError(401, "unauthorized", "send the server's token: Authorization: Bearer ...")
        if not expected and _name(headers.get("host", "")) not in self._hosts:
            return ApiError(403, "wrong_host", "the server is not called by this name here; see --allow-host")
        if "origin" in headers and _name(urlsplit(headers["origin"]).netloc) not in self._hosts:
            return ApiError(403, "wrong_origin", "pages of other sites may not call this server")
        if method in ("POST", "PUT", "PATCH"):
            return self._refused_body(headers.get("content-length", ""))
        return None

    def _refused_body(self, length: str) -> ApiError | None:
        if not length.isdecimal():
            return ApiError(411, "length_required", "send Content-Length")
        if int(length) > self._max_body:
            return ApiError(413, "too_large", f"a request may have {self._max_body // 2**20} MiB")
        return None


def _name(authority: str) -> str:
    return (urlsplit(f"//{authority}").hostname or "").lower()
