"""The Python interface: a :class:`Storyteller` renders scripts into a run folder.

    with Storyteller("out", backbone="animatic", budget=4) as teller:
        for event in teller.stream("story.json"):
            ...

There is no global state: any number of storytellers live side by side in one process.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from storymem.engine.cancel import CancelToken
from storymem.engine.plan import StoryPlan
from storymem.errors import StoryMemError
from storymem.plugin import PluginHost
from storymem.result import RunResult, ShotStatus
from storymem.runs import open_run
from storymem.script.source import Script
from storymem.session import Session
from storymem.settings import RunSettings
from storymem.values.events import Event

__all__ = ["CancelToken", "RunResult", "Storyteller", "StoryMemError"]


class Storyteller:
    """Renders scripts into one run folder.

    A render that leaves shots unmade raises: a film that is not there must not go unnoticed, and somebody will forget
    to check a result that has to be checked by hand. ``check=False`` returns it instead.

    Args:
        out: The run folder; made if it does not exist.
        settings: Settings to start from, as a model or nested plain data; the defaults if None.
        plugins: Local plugin files to load, or a host that has loaded its plugins.
        session: Use this session's plugins and settings instead, for example to render many stories with weights that
            are loaded once; it stays open.
        overrides: Settings by key, on top; see :class:`storymem.session.Session`.

    Raises:
        SettingsError: A key is unknown or a value is wrong.
        PluginError: A plugin cannot be found or built.
    """

    def __init__(
        self,
        out: Path | str,
        settings: RunSettings | Mapping[str, Any] | None = None,
        *,
        plugins: Sequence[Path] | PluginHost = (),
        session: Session | None = None,
        **overrides: Any,
    ) -> None:
        self.folder = Path(out)
        self._owns_session = session is None
        self.session = session or Session(settings, plugins=plugins, **overrides)

    @property
    def settings(self) -> RunSettings:
        """All settings, defaults and suggestions included."""
        return self.session.settings

    def __enter__(self) -> Storyteller:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the backbone and the other plugins, unless they are a session's that was given."""
        if self._owns_session:
            self.session.close()

    def dry_run(self, script: Script) -> StoryPlan:
        """Check a script against the settings and return its shots and graph, without making anything."""
        return self.session.plan(script)

    def status(self) -> dict[str, ShotStatus]:
        """Return what every shot of the run folder is at present, by id; also while another process renders."""
        with open_run(self.folder, host=self.session.host) as run:
            return run.status()

    def render(
        self,
        script: Script,
        on_event: Callable[[Event], None] | None = None,
        cancel: CancelToken | None = None,
        base: Path | None = None,
        check: bool = True,
    ) -> RunResult:
        """Render a script, making only what is not there yet.

        Args:
            script: A script, its plain data, or the path of a script file.
            on_event: Receives every event, one at a time; must be quick.
            cancel: Lets another thread stop the run.
            base: Folder of reference images; that of the script file by default.
            check: Raise if shots failed; otherwise the result says so.

        Raises:
            ShotError: Shots failed. Everything finished is kept; rendering again resumes.
            Cancelled: On request.
            StoryMemError: The script, a setting, a plugin or the run folder is not in order.
        """
        result = self.session.render(script, self.folder, on_event, cancel, base)
        return result.check() if check else result

    def stream(self, script: Script, base: Path | None = None) -> Iterator[Event]:
        """Render in the background and yield events as they happen.

        Leaving the loop early cancels the run. Errors, failed shots included, are raised where the loop is.
        """
        events: queue.Queue[Event | RunResult | BaseException | None] = queue.Queue()
        cancel = CancelToken()
        thread = threading.Thread(target=self._work, args=(script, events.put, cancel, base), name="storymem-stream")
        thread.start()
        try:
            while (event := events.get()) is not None:
                if isinstance(event, BaseException):
                    raise event
                if isinstance(event, Event):
                    yield event
        finally:
            cancel.cancel()
            thread.join()

    async def render_async(
        self, script: Script, on_event: Callable[[Event], None] | None = None, base: Path | None = None
    ) -> RunResult:
        """Render without blocking the event loop; cancelling the task stops the run between steps.

        ``on_event`` is called on the event loop's thread.
        """
        result: RunResult | None = None
        async with aclosing(self._items(script, base)) as items:
            async for item in items:
                if isinstance(item, RunResult):
                    result = item
                elif on_event is not None:
                    on_event(item)
        assert result is not None  # otherwise an error was raised
        return result

    async def stream_async(self, script: Script, base: Path | None = None) -> AsyncIterator[Event]:
        """Yield events as they happen, without blocking the event loop; leaving the loop cancels the run."""
        async with aclosing(self._items(script, base)) as items:
            async for item in items:
                if isinstance(item, Event):
                    yield item

    async def _items(self, script: Script, base: Path | None) -> AsyncGenerator[Event | RunResult]:
        loop, items = asyncio.get_running_loop(), asyncio.Queue[Event | RunResult | BaseException | None]()
        cancel = CancelToken()

        def put(item: Event | RunResult | BaseException | None) -> None:
            loop.call_soon_threadsafe(items.put_nowait, item)

        done = asyncio.create_task(asyncio.to_thread(self._work, script, put, cancel, base))
        try:
            while (item := await items.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            cancel.cancel()
            await asyncio.shield(done)  # the run folder is unlocked when this returns

    def _work(
        self,
        script: Script,
        put: Callable[[Any], None],
        cancel: CancelToken,
        base: Path | None,
    ) -> None:
        try:
            put_result = self.render(script, put, cancel, base)
        except BaseException as error:  # handed to the consumer, which raises it
            put(error)
        else:
            put(put_result)
            put(None)
