"""What changes, as server-sent events: the version of every card, of the line above the board and of the queue.

A run is watched through its folder, so it does not matter which process renders it, and nothing is lost when a
connection or the studio itself is lost: each connection begins with all versions, and the page asks for what it lacks.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
from sse_starlette import EventSourceResponse
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.routing import Route

from storymem.errors import StoryMemError
from storymem.store.folder import DATABASE, HOLDER, TEMPORARY
from storymem_studio.library import RunEntry
from storymem_studio.pages import RUN
from storymem_studio.reading import reading
from storymem_studio.state import Studio, studio_of

_EVERY = 0.4  #: seconds between two looks at a folder
_WATCHED = (DATABASE, f"{DATABASE}-wal", HOLDER, "film.mp4", "story.json", "revised.json")
Versions = dict[str, str | dict[str, str]]


class Watch:
    """Versions of a run's parts, worked out once for all connections."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._known: dict[str, tuple[object, Versions]] = {}
        self._lock = threading.Lock()

    def versions(self, entry: RunEntry | None) -> Versions:
        """Return the version of the queue and, for a run, of its cards and of the line above them."""
        found: Versions = {"jobs": self._version("_jobs.html", queue=self._studio.jobs, run=None)}
        if entry is None or not entry.rendered:
            return found
        with self._lock:
            stamp, known = stamp_of(entry.folder), self._known.get(entry.name)
            if known is None or known[0] != stamp:
                try:
                    known = (stamp, self._of_run(entry))
                except StoryMemError:  # it is being made, repaired or moved at this moment
                    return found
                self._known[entry.name] = known
            return {**found, **known[1]}

    def _of_run(self, entry: RunEntry) -> Versions:
        with reading(entry.folder, self._studio.graphs, self._studio.host) as reader:
            cards = {c.shot.id: self._version("_card.html", run=entry, card=c) for c in reader.cards}
            return {"cards": cards, "head": self._version("_head.html", run=entry, reader=reader)}

    def _version(self, template: str, **values: object) -> str:
        text = self._studio.templates.get_template(template).render({"form_token": "", **values})
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def stamp_of(folder: Path) -> object:
    """Return what differs whenever something in a run folder has changed; cheap."""
    return tuple(_stamps(folder))


def _stamps(folder: Path) -> Iterator[tuple[int, int] | None]:
    paths = [*(folder / name for name in _WATCHED), *sorted((folder / TEMPORARY).glob("*/progress.json"))]
    for path in paths:
        try:
            stat = path.stat()
        except OSError:
            yield None
        else:
            yield stat.st_mtime_ns, stat.st_size


async def live(request: Request) -> EventSourceResponse:
    """Send the versions now, and whenever they change."""
    watch: Watch = request.app.state.watch
    name = request.path_params.get("run")
    entry = await run_in_threadpool(studio_of(request).library.run, name) if name else None
    return EventSourceResponse(_events(watch, entry), ping=15, headers={"Cache-Control": "no-store"})


async def _events(watch: Watch, entry: RunEntry | None) -> AsyncIterator[dict[str, str]]:
    before: Versions | None = None
    while True:
        now = await run_in_threadpool(watch.versions, entry)
        if now != before:
            before = now
            yield {"data": json.dumps(now)}
        await anyio.sleep(_EVERY)


ROUTES = [Route("/live", live), Route(RUN + "/live", live)]
