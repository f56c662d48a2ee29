"""Who may ask a studio for what: Host, token, Origin and cross-site forms are checked before any page runs.

A page of another site that is open in the same browser can send requests here; it can read and change nothing.
"""

from __future__ import annotations

import hmac
import secrets
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]", "::1"})
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "media-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_READING = frozenset({"GET", "HEAD"})


class Guard:
    """ASGI middleware.

    Args:
        app: What is guarded.
        port: Part of the names of cookies, which browsers do not keep apart by port.
        token: Required of every request where it is not empty.
    """

    def __init__(self, app: ASGIApp, port: int, token: str = "") -> None:
        self._app = app
        self._token = token
        self._form_cookie = f"storymem_form_{port}"
        self._token_cookie = f"storymem_token_{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers, cookies = Headers(scope=scope), _cookies(scope)
        form = cookies.get(self._form_cookie) or secrets.token_urlsafe(24)
        scope["form_token"] = form
        refused = self._refusal(scope, headers, cookies)
        if refused is not None:
            await refused(scope, receive, _with_headers(send, ""))
            return
        new = "" if self._form_cookie in cookies else f"{self._form_cookie}={form}; Path=/; HttpOnly; SameSite=Lax"
        await self._app(scope, receive, _with_headers(send, new))

    def _refusal(self, scope: Scope, headers: Headers, cookies: dict[str, str]) -> Response | None:
        if not self._token and _host_name(headers.get("host", "")) not in LOOPBACK:
            return PlainTextResponse("this studio answers to localhost alone", 421)
        if self._token:
            given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
            if given and _same(given, self._token):
                answer = RedirectResponse(scope["path"], 303)
                answer.set_cookie(self._token_cookie, given, httponly=True, samesite="lax")
                return answer
            if not _same(cookies.get(self._token_cookie, ""), self._token):
                return PlainTextResponse("open the address with the token that the studio printed", 401)
        if scope["method"] in _READING:
            return None
        return None if _own_origin(scope, headers) else PlainTextResponse("not from another site", 403)


def check_form(scope: Scope, given: str) -> bool:
    """Whether a form was made by a page of this studio for this browser."""
    return _same(given, scope["form_token"])


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())


def _own_origin(scope: Scope, headers: Headers) -> bool:
    """Whether a browser says that a writing request comes from a page of this very address."""
    return headers.get("origin") == f"{scope['scheme']}://{headers.get('host', '')}"


def _host_name(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host).lower()


def _cookies(scope: Scope) -> dict[str, str]:
    jar: SimpleCookie = SimpleCookie()
    try:
        jar.load(Headers(scope=scope).get("cookie", ""))
    except CookieError:
        return {}
    return {name: morsel.value for name, morsel in jar.items()}


def _with_headers(send: Send, cookie: str) -> Send:
    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers[name] = value
            headers.setdefault("Cache-Control", "no-store")
            if cookie:
                headers.append("Set-Cookie", cookie)
        await send(message)

    return wrapped
