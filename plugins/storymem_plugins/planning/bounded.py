"""An HTTP transport that gives up on servers that send too much or take too long.

Read timeouts start over with every byte, so a server that drips holds a client for ever; here the whole answer
has one deadline and one size.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import httpx2

from storymem_plugins.planning.errors import PlanError

MAX_BYTES = 4 * 1024 * 1024
_TICK_SECONDS = 1.0


@dataclass(slots=True)
class Bounds:
    """What one answer may take.

    Attributes:
        seconds: Time for one whole answer.
        tick: Called about once a second while bytes arrive; may raise to stop.
        deadline: When the time is up, on the monotonic clock.
        answered: Whether the server has begun to answer.
    """

    seconds: float
    tick: Callable[[], None] = lambda: None
    deadline: float = field(default=0.0, init=False)
    answered: bool = field(default=False, init=False)

    def start(self, tick: Callable[[], None]) -> None:
        """Begin an answer."""
        self.tick, self.answered = tick, False
        self.deadline = time.monotonic() + self.seconds


class BoundedTransport(httpx2.BaseTransport):
    """Wraps a transport; every response's body is held to the bounds."""

    def __init__(self, inner: httpx2.BaseTransport, bounds: Bounds) -> None:
        self._inner, self._bounds = inner, bounds

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request; its body is bounded while it is read."""
        self._bounds.answered = False
        response = self._inner.handle_request(request)
        self._bounds.answered = True
        if isinstance(response.stream, httpx2.SyncByteStream):
            response.stream = _BoundedStream(response.stream, self._bounds)
        return response

    def close(self) -> None:
        """Close the wrapped transport."""
        self._inner.close()


class _BoundedStream(httpx2.SyncByteStream):
    def __init__(self, inner: httpx2.SyncByteStream, bounds: Bounds) -> None:
        self._inner, self._bounds = inner, bounds

    def __iter__(self) -> Iterator[bytes]:
        size, ticked = 0, time.monotonic()
        for chunk in self._inner:
            size += len(chunk)
            now = time.monotonic()
            if size > MAX_BYTES:
                raise PlanError(f"the server sent more than {MAX_BYTES // 2**20} MiB for one answer")
            if now > self._bounds.deadline:
                raise PlanError(f"the answer took longer than {self._bounds.seconds:g} s; raise timeout")
            if now - ticked > _TICK_SECONDS:
                ticked = now
                self._bounds.tick()
            yield chunk

    def close(self) -> None:
        self._inner.close()
