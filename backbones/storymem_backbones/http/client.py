"""Requests to one server: bounded, retried where that is safe, and told in one line where they fail.

Knows no protocol: what is asked, and what an answer means, is the adapters' business.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urljoin

import httpx2

from storymem.apikey import ApiKey
from storymem_backbones.http.addresses import PinnedTransport, Reach
from storymem_backbones.http.errors import EngineError, Interrupted, Refused
from storymem_backbones.http.settings import HttpSettings

Json = dict[str, Any]
AnswerT = TypeVar("AnswerT")
#: Called about twice a second while waiting; raises :class:`storymem.errors.Cancelled` to stop.
Tick = Callable[[], None]
#: A file of a form: (field, (file name, content, media type)).
FilePart = tuple[str, tuple[str, bytes, str]]

_MAX_ANSWER = 8 * 2**20
_CONNECT_SECONDS = 10.0
_LONGEST_WAIT = 600.0  #: seconds a server may ask us to wait before a further try
_LONGEST_BACK_OFF = 60.0
_TICK_SECONDS = 0.5
_REDIRECTS = 5
_SHOWN = 200
#: Refused before anything was done, so that asking again starts nothing twice.
_NOT_STARTED = frozenset({425, 429, 500, 503})
#: A gateway gave up; the server behind it may have begun.
_UNSURE = frozenset({408, 502, 504})


@dataclass(frozen=True, slots=True)
class Body:
    """The body of a request: JSON, or the fields and files of a form."""

    json: Json | None = None
    fields: Mapping[str, str] | None = None
    files: Sequence[FilePart] = ()

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of the client library."""
        if self.json is not None:
            return {"json": self.json}
        # A part without a file name is a plain field; so the form is multipart also without files.
        fields = [(name, (None, text.encode())) for name, text in (self.fields or {}).items()]
        return {"files": [*fields, *self.files]} if fields or self.files else {}


class _TryAgain(Exception):
    """A failure that may pass.

    Attributes:
        started: Whether the server may have begun what was asked.
        after: Seconds that the server asks us to wait; None if it does not say.
    """

    def __init__(self, reason: str, started: bool, after: float | None = None) -> None:
        super().__init__(reason)
        self.started = started
        self.after = after


class Client:
    """One server. Threads may share it.

    Args:
        settings: Address, times, retries.
        key: Sent to this server alone.
    """

    def __init__(self, settings: HttpSettings, key: ApiKey) -> None:
        self._settings, self._key = settings, key
        self.reach = Reach(settings.base_url, settings.download_hosts, settings.allow_private)
        timeout = httpx2.Timeout(settings.request_timeout, connect=min(_CONNECT_SECONDS, settings.request_timeout))
        # The environment's proxies and .netrc are not used: they would decide who sees prompts and keys.
        self._http = httpx2.Client(transport=PinnedTransport(self.reach), timeout=timeout, trust_env=False)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def ask(
        self,
        method: str,
        path: str,
        tick: Tick,
        body: Body | None = None,
        *,
        token: str = "",
        again: bool = True,
    ) -> Json:
        """Return the JSON object that the server answers.

        Args:
            method: HTTP method.
            path: Below the server's address, or an address of its own.
            tick: Called while waiting.
            body: What is sent.
            token: Sent as ``Idempotency-Key``.
            again: Whether asking twice is harmless; otherwise only what the server has not begun is asked again.

        Raises:
            Refused: The server answered that it will not.
            EngineError: It cannot be reached, keeps failing, or is no such server.
        """
        url = self._url(path)
        headers = {"Idempotency-Key": token} if token else {}
        return self._retried(lambda: self._object(method, url, headers, body, tick), tick, again)

    def download(self, url: str, path: Path, tick: Tick) -> None:
        """Write what an address gives to a file.

        Raises:
            Refused: It is not there, or not for us.
            EngineError: It cannot be fetched, is no video, or is too large.
        """
        self._retried(lambda: self._fetch(self._url(url), path, tick), tick, again=True)

    def _url(self, path: str) -> str:
        return self.reach.resolve(path if "://" in path else f"{self._settings.base_url}/{path.lstrip('/')}")

    # -- one try --------------------------------------------------------------------------------------------

    def _object(self, method: str, url: str, headers: dict[str, str], body: Body | None, tick: Tick) -> Json:
        with closing(self._open(method, url, headers, body)) as response:
            kind = response.headers.get("content-type", "")
            content = self._whole(response, tick)
            self._check_status(response, content)
        try:
            answer = json.loads(content or b"{}")
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            said = self._said(content)
            raise _TryAgain(f"answers no JSON object but {kind or 'something else'} ({said}); check base_url", True)
        return answer

    def _fetch(self, url: str, path: Path, tick: Tick) -> None:
        most, size = self._settings.max_download * 2**20, 0
        deadline = time.monotonic() + self._settings.job_timeout
        with closing(self._open("GET", url, {}, None)) as response, path.open("wb") as file:
            kind = response.headers.get("content-type", "")
            if not response.is_success:
                self._check_status(response, self._whole(response, tick))
            if kind.startswith(("text/", "application/json")):
                raise _TryAgain(f"sends {kind} in place of a video", True)
            for chunk in response.iter_bytes(2**16):
                tick()
                size += len(chunk)
                if size > most:
                    raise EngineError(
                        f"{self._name}: the video has over {self._settings.max_download} MiB (max_download)"
                    )
                if time.monotonic() > deadline:
                    raise EngineError(f"{self._name}: the download took longer than {self._settings.job_timeout:g} s")
                file.write(chunk)

    def _whole(self, response: httpx2.Response, tick: Tick) -> bytes:
        """Return a body that is expected to be small."""
        content, deadline = bytearray(), time.monotonic() + self._settings.request_timeout
        for chunk in response.iter_bytes():
            tick()
            content += chunk
            if len(content) > _MAX_ANSWER or time.monotonic() > deadline:
                raise EngineError(f"{self._name}: an answer is too long or too slow; is this the right server?")
        return bytes(content)

    def _open(self, method: str, url: str, headers: dict[str, str], body: Body | None) -> httpx2.Response:
        """Return a response whose body is not read yet; redirects of a GET within what may be reached are followed."""
        for _ in range(_REDIRECTS):
            if self.reach.is_server(url) and self._key.reveal():
                headers = {**headers, "Authorization": f"Bearer {self._key.reveal()}"}
            else:
                headers = {name: value for name, value in headers.items() if name != "Authorization"}
            request = self._http.build_request(method, url, headers=headers, **(body.arguments() if body else {}))
            response = self._http.send(request, stream=True, follow_redirects=False)
            if not response.is_redirect:
                return response
            response.close()
            if method != "GET":
                raise EngineError(f"{self._name}: redirects a {method} request, which is refused; check base_url")
            url = self.reach.resolve(urljoin(url, response.headers["location"]))
        raise EngineError(f"{self._name}: redirects in circles")

    def _check_status(self, response: httpx2.Response, content: bytes) -> None:
        status = response.status_code
        if response.is_success:
            return
        said, code = self._error(content)
        reason = f"answers {status} ({said})"
        if status in _NOT_STARTED | _UNSURE:
            raise _TryAgain(reason, status in _UNSURE, _after(response.headers.get("retry-after", "")))
        hint = ""
        if status in (401, 403):
            source = self._settings.api_key_file or f"${self._settings.api_key_env}"
            hint = f"; the key comes from {source}"
        raise Refused(f"{self._name} {reason}{hint}", status, code)

    # -- retries --------------------------------------------------------------------------------------------

    def _retried(self, call: Callable[[], AnswerT], tick: Tick, again: bool) -> AnswerT:
        tries = self._settings.retries + 1
        for attempt in range(tries):
            tick()
            try:
                return self._tried(call)
            except _TryAgain as error:
                if error.started and not again:
                    raise Interrupted(f"{self._name} {error}; whether it has begun is not known") from None
                if attempt + 1 == tries:
                    raise EngineError(f"{self._name} {error}, {tries} times; try again later") from None
                self._pause(attempt, error.after, tick)
        raise AssertionError("unreachable")

    def _tried(self, call: Callable[[], AnswerT]) -> AnswerT:
        """Call, with what the client library raises turned into :class:`_TryAgain`."""
        try:
            return call()
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            raise _TryAgain(f"cannot be reached ({self._flat(str(error))}); is it running?", False) from None
        except httpx2.TimeoutException:
            raise _TryAgain(f"does not answer within {self._settings.request_timeout:g} s", True) from None
        except (httpx2.HTTPError, httpx2.StreamError) as error:
            raise _TryAgain(f"broke off ({self._flat(str(error) or type(error).__name__)})", True) from None
        except httpx2.InvalidURL as error:
            raise EngineError(f"{self._name}: sends an address that is none ({self._flat(str(error))})") from None

    def _pause(self, attempt: int, after: float | None, tick: Tick) -> None:
        if after is not None and after > _LONGEST_WAIT:
            raise EngineError(f"{self._name}: asks to wait {after:.0f} s; try again then")
        sleep(min(self._settings.back_off * 2**attempt, _LONGEST_BACK_OFF) if after is None else after, tick)

    # -- what the server says -------------------------------------------------------------------------------

    @property
    def _name(self) -> str:
        return self._settings.base_url

    def _error(self, content: bytes) -> tuple[str, str]:
        """Return message and code of an error as OpenAI, FastAPI and ComfyUI write them."""
        try:
            data = json.loads(content)
        except ValueError:
            return self._said(content), ""
        error = data.get("error", data) if isinstance(data, dict) else data
        if not isinstance(error, dict):
            return self._flat(str(error)), ""
        text = error.get("message") or error.get("detail") or error
        return self._flat(str(text)), str(error.get("code") or error.get("type") or "")

    def _said(self, content: bytes) -> str:
        return self._flat(content[:1000].decode("utf-8", "replace"))

    def _flat(self, text: str) -> str:
        return short(self._key.hide(text))


def short(text: str) -> str:
    """Return a server's words on one line, without control characters, cut to a readable length."""
    flat = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return flat if len(flat) <= _SHOWN else f"{flat[:_SHOWN]}..."


def sleep(seconds: float, tick: Tick) -> None:
    """Wait, and tick."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        tick()
        time.sleep(min(left, _TICK_SECONDS))


def _after(value: str) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks for: a number or a date."""
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())
