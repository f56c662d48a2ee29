"""The Python interface: a :class:`Storyteller` renders scripts into a run folder.

    with Storyteller("out", backbone="animatic", budget=4) as teller:
        for event in teller.stream("story.json"):
            ...

There is no global state: any number of storytellers live side by side in one process.
"""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from pydantic_core import to_json

from storymem.engine.cancel import CancelToken
from storymem.engine.driver import Driver, Tally
from storymem.engine.plan import Planner, StoryPlan, with_overrides
from storymem.engine.references import check_references, import_references
from storymem.engine.shots import DoneShot, ShotDesk
from storymem.engine.toolbox import Toolbox, ToolboxRecipe, policy_of
from storymem.engine.worker import WorkerRecipe
from storymem.errors import DamagedFile, RunStoreError, ShotError, StoryMemError
from storymem.events import Event, FilmWritten, RunFinished, RunStarted
from storymem.film.film import FilmPart, write_film
from storymem.film.names import names_of, publish
from storymem.interfaces import Executor, MemoryPolicy, MemoryStore, Plugin
from storymem.interfaces.events import EventSink
from storymem.plugin import Kind, PluginHost
from storymem.script.loader import load_script
from storymem.script.models import StoryScript
from storymem.settings import Layer, RunSettings, no_suggestions, resolve
from storymem.settings.model import CHOICE_KEYS
from storymem.store.runstore import RunStore

Script = StoryScript | Path | str
_DAMAGE_PASSES = 3


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a render came to.

    Attributes:
        folder: The run folder.
        film: The film; None if shots failed.
        frames: Number of frames of the film; 0 without one.
        tally: How many shots were made, found finished, failed and blocked.
        failures: One line per failed shot, by shot id.
    """

    folder: Path
    film: Path | None
    frames: int
    tally: Tally
    failures: Mapping[str, str] = field(default_factory=dict)

    def check(self) -> RunResult:
        """Return this result, or raise :class:`ShotError` if shots failed."""
        if self.failures:
            first = next(iter(self.failures.values()))
            raise ShotError(
                f"failed shots: {len(self.failures)}, waiting for them: {self.tally.blocked}; the first: {first}; "
                f"everything finished is kept in {self.folder}, render again to resume"
            )
        return self


class Storyteller:
    """Renders scripts into one run folder.

    Args:
        out: The run folder; made if it does not exist.
        settings: Settings to start from, as a model or nested plain data; the defaults if None.
        plugins: Local plugin files to load, or a host that has loaded its plugins.
        overrides: Settings by key, on top. For ``backbone``, ``policy``, ``selector``, ``encoder``, ``store`` and
            ``executor`` the value may be a plugin instance instead of a name.

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
        **overrides: Any,
    ) -> None:
        self.folder = Path(out)
        instances = {k: v for k, v in overrides.items() if k in CHOICE_KEYS and isinstance(v, Plugin)}
        named = {k: v for k, v in overrides.items() if k not in instances}
        if isinstance(settings, RunSettings):
            settings = settings.model_dump(mode="json", exclude_unset=True)
        self.host = plugins if isinstance(plugins, PluginHost) else PluginHost(plugins)
        layers = [Layer("settings", settings or {}), Layer("Storyteller", named)]
        # A backbone that is given as an object suggests nothing, and the default one is then not the one that is used.
        suggestions = no_suggestions if "backbone" in instances else self.host.registry.suggestions
        resolved = resolve(layers, suggestions)
        self.settings, self._explicit = resolved.settings, resolved.explicit
        self._recipe = ToolboxRecipe(self.settings, self.host.files, instances)
        self._toolbox: Toolbox | None = None

    def __enter__(self) -> Storyteller:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the backbone and the other plugins; they are built again when next needed."""
        if self._toolbox is not None:
            self._toolbox.close()
            self._toolbox = None

    def plan(self, script: Script) -> StoryPlan:
        """Check a script against the settings and return its shots and graph, without making anything."""
        return self._plan(self._script(script)[0], self._tools())

    def render(
        self,
        script: Script,
        on_event: Callable[[Event], None] | None = None,
        cancel: CancelToken | None = None,
        base: Path | None = None,
    ) -> RunResult:
        """Render a script, making only what is not there yet.

        Args:
            script: A script, or the path of a script file.
            on_event: Receives every event, one at a time; must be quick.
            cancel: Lets another thread stop the run.
            base: Folder of reference images; that of the script file by default.

        Returns:
            The result, also when shots failed; :meth:`RunResult.check` raises then.

        Raises:
            Cancelled: On request.
            StoryMemError: The script, a setting, a plugin or the run folder is not in order.
        """
        started = time.monotonic()
        story, folder = self._script(script, base)
        toolbox = self._tools()
        # Everything is checked before the run folder is touched.
        self._plan(story, toolbox)
        self._check_services()
        check_references(story, folder)
        with RunStore(self.folder, write=True) as store, self._sinks() as sinks:
            emit = _serialised([*([on_event] if on_event else []), *(sink.handle for sink in sinks)])
            self._claim(store, story, folder)
            story = with_overrides(story, store.overrides())
            run = _Run(self, store, self._plan(story, toolbox), toolbox, emit, cancel or CancelToken())
            emit(
                RunStarted(
                    title=story.title,
                    folder=str(self.folder),
                    shots=len(run.plan.board),
                    backbone=self.settings.backbone.name,
                )
            )
            result = run.render(folder)
            emit(
                RunFinished(
                    made=result.tally.made,
                    cached=result.tally.cached,
                    failed=result.tally.failed,
                    seconds=time.monotonic() - started,
                )
            )
            return result

    def stream(self, script: Script, base: Path | None = None) -> Iterator[Event]:
        """Render in the background and yield events as they happen.

        Leaving the loop early cancels the run. Errors are raised where the loop stands.
        """
        events: queue.Queue[Event | BaseException | None] = queue.Queue()
        cancel = CancelToken()

        def work() -> None:
            try:
                self.render(script, events.put, cancel, base)
                events.put(None)
            except BaseException as error:  # handed to the consuming thread, which raises it
                events.put(error)

        thread = threading.Thread(target=work, name="storymem-stream")
        thread.start()
        try:
            while (event := events.get()) is not None:
                if isinstance(event, BaseException):
                    raise event
                yield event
        finally:
            cancel.cancel()
            thread.join()

    # -- inside -------------------------------------------------------------------------------------------

    def _script(self, script: Script, base: Path | None = None) -> tuple[StoryScript, Path]:
        if isinstance(script, StoryScript):
            return script, base or Path()
        path = Path(script)
        return load_script(path, self.host), base or path.parent

    def _tools(self) -> Toolbox:
        if self._toolbox is None:
            self._toolbox = self._recipe.build(self.host)
        return self._toolbox

    def _policy(self, toolbox: Toolbox) -> MemoryPolicy[Any]:
        return policy_of(self._recipe, self.host, toolbox.encoder)

    def _plan(self, story: StoryScript, toolbox: Toolbox) -> StoryPlan:
        return Planner(self._recipe, self.host, toolbox.backbone, self._policy(toolbox)).plan(story)

    def _check_services(self) -> None:
        for kind, key in ((Kind.MEMORY_STORE, "store"), (Kind.EXECUTOR, "executor")):
            choice = getattr(self.settings, key)
            if key not in self._recipe.instances:
                found = self.host.find(kind, choice.name)
                found.load()
                found.check(choice.settings)

    def _sinks(self) -> _Sinks:
        names = self.settings.sinks
        return _Sinks([cast("EventSink", self.host.build(Kind.EVENT_SINK, c.name, c.settings)) for c in names])

    def _claim(self, store: RunStore, story: StoryScript, base: Path) -> None:
        owner = store.meta("title")
        if owner is not None and owner != story.title:
            raise RunStoreError(
                f"{self.folder}: holds the story {owner!r}, not {story.title!r}; choose another folder with --out"
            )
        store.set_meta(
            {
                "title": story.title,
                "script": story.model_dump_json(),
                "base": str(base.resolve()),
                "settings": to_json(self._explicit).decode(),
                "plugins": json.dumps([str(path.resolve()) for path in self.host.files]),
            }
        )


class _Run:
    """One render: the plan, the open store, and the plugins that belong to this run alone."""

    def __init__(
        self,
        teller: Storyteller,
        store: RunStore,
        plan: StoryPlan,
        toolbox: Toolbox,
        emit: Callable[[Event], None],
        cancel: CancelToken,
    ) -> None:
        self._teller = teller
        self._settings = teller.settings
        self._recipe = teller._recipe
        self._store = store
        self.plan = plan
        self._toolbox = toolbox
        self._emit = emit
        self._cancel = cancel

    def render(self, base: Path) -> RunResult:
        recipe, host, settings = self._recipe, self._teller.host, self._settings
        memory_store = recipe.one(host, Kind.MEMORY_STORE, "store", settings.store, MemoryStore)
        executor = recipe.one(host, Kind.EXECUTOR, "executor", settings.executor, Executor)
        memory_store.open(self._store.folder)
        try:
            references = import_references(self.plan.board.script, base, self._store)
            policy = policy_of(recipe, host, self._toolbox.encoder)
            desk = ShotDesk(self.plan, settings, self._toolbox, policy, memory_store, self._store, references)
            executor.start(WorkerRecipe(recipe, self._toolbox), settings.workers)
            driver = Driver(self.plan, desk, executor, self._store, self._emit, self._cancel, settings.shot_timeout)
            return self._until_undamaged(driver, desk)
        finally:
            executor.close()
            memory_store.close()

    def _until_undamaged(self, driver: Driver, desk: ShotDesk) -> RunResult:
        for attempt in range(_DAMAGE_PASSES):
            tally = driver.run()
            try:
                return self._finish(tally, [desk.done[position] for position in sorted(desk.done)])
            except DamagedFile as error:
                if attempt + 1 == _DAMAGE_PASSES:
                    raise
                driver.forget(error.digest)
        raise AssertionError("unreachable")

    def _finish(self, tally: Tally, done: Sequence[DoneShot]) -> RunResult:
        store, settings = self._store, self._settings
        store.keep_only([shot.id for shot in self.plan.board])
        publish(store, names_of(done, self.plan.board.script.title, settings.layout))
        failures = store.failures()
        if len(done) < len(self.plan.board):
            return RunResult(store.folder, None, 0, tally, failures)
        started = time.monotonic()
        path, frames, cached = write_film(store, [self._part(shot) for shot in done], self.plan.fps, settings.crf)
        self._emit(FilmWritten(path=str(path), frames=frames, seconds=time.monotonic() - started, cached=cached))
        return RunResult(store.folder, path, frames, tally)

    def _part(self, done: DoneShot) -> FilmPart:
        objects, take = self._store.objects, done.take
        return FilmPart(
            view=objects.path(done.view, ".mp4"),
            view_digest=done.view,
            master=objects.path(take.master, ".mkv"),
            master_digest=take.master,
            clip=take.clip,
            frames=take.frames,
            transition=done.spec.transition,
        )


class _Sinks(list[EventSink]):
    """The run's event sinks, closed together."""

    def __enter__(self) -> _Sinks:
        return self

    def __exit__(self, *exc: object) -> None:
        for sink in self:
            sink.close()


def _serialised(receivers: Sequence[Callable[[Event], None]]) -> Callable[[Event], None]:
    lock = threading.Lock()

    def emit(event: Event) -> None:
        with lock:  # steps come from the executor's threads
            for receive in receivers:
                receive(event)

    return emit


__all__ = ["CancelToken", "RunResult", "Storyteller", "StoryMemError"]
