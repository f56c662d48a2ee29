"""A session owns plugins: built once, used for any number of renders, closed once.

Objects that the caller hands in stay the caller's: they are used and never closed.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from pydantic_core import to_json

from storymem.engine.anchors import Anchors, check_anchors, stored_anchors
from storymem.engine.cancel import CancelToken
from storymem.engine.finishing import film_format
from storymem.engine.given import take_instances
from storymem.engine.plan import Planner, StoryPlan, with_overrides
from storymem.engine.plugins import WorkerConfig, WorkerPlugins, require_encoder
from storymem.engine.prepare import ShotPreparer
from storymem.engine.preview import MadeAgain, Previewer
from storymem.engine.run import Run, RunFolders, RunPlugins
from storymem.engine.worker import WorkerFactory
from storymem.errors import RunStoreError, StoryMemError
from storymem.interfaces import Executor, Finisher, MemoryPolicy, MemoryStore, Plugin, Requirements
from storymem.interfaces.events import EventSink
from storymem.log import RunLog
from storymem.memory.library import CastLibrary, with_cast
from storymem.memory.memory import Memory
from storymem.memory.references import check_references
from storymem.openmp import set_openmp_defaults
from storymem.plugin import Kind, PluginHost
from storymem.progress import ProgressNote
from storymem.result import RunResult, run_result
from storymem.script.source import Script, read_source
from storymem.settings import Layer, PluginChoice, Resolved, RunSettings, resolve
from storymem.store.runstore import RunStore
from storymem.trust import Request
from storymem.values.events import Event, RunFinished, RunStarted
from storymem.values.script import StoryScript

#: Keys whose object decides what is made; a run needs the same ones to be continued.
_DECIDING = frozenset({"backbone", "policy", "selector", "encoder", "filters", "finish", "cut", "continuation"})


class Session:
    """Plugins and settings for any number of renders.

    Args:
        settings: Settings to start from, as a model or nested plain data; the defaults if None.
        plugins: Local plugin files to load, or a host that has loaded its plugins.
        overrides: Settings by key, on top. Wherever a setting names plugins, the value may be a plugin object or class
            instead; ``filters``, ``finish`` and ``sinks`` take lists of them.

    Raises:
        SettingsError: A key is unknown or a value is wrong.
        PluginError: A plugin cannot be found or built.
    """

    def __init__(
        self,
        settings: RunSettings | Mapping[str, Any] | None = None,
        *,
        plugins: Sequence[Path] | PluginHost = (),
        **overrides: Any,
    ) -> None:
        set_openmp_defaults()  # no plugin has been built yet, so that torch is not imported unless the caller did
        self.host = plugins if isinstance(plugins, PluginHost) else PluginHost(plugins)
        instances, named = take_instances(overrides, self.host)
        if isinstance(settings, RunSettings):
            settings = settings.model_dump(mode="json", exclude_unset=True)
        layers = [Layer("settings", settings or {}), Layer("Python", named)]
        # A backbone given as an object suggests nothing, and the default one is then not the one that is used.
        suggest = "backbone" not in instances.one
        self.resolved: Resolved = resolve(layers, self.host.registry, suggest)
        self._instances = instances
        self._parent: Session | None = None
        self._undeciding: frozenset[str] = frozenset()
        self._plugins: WorkerPlugins | None = None
        self._recipe: WorkerFactory | None = None
        self._executor: Executor[Any] | None = None
        self._opened_executor = False
        self._finishing = threading.Lock()
        self._finishers: tuple[Finisher[Any], ...] | None = None
        self._policies: dict[str, MemoryPolicy[Any]] = {}

    @property
    def settings(self) -> RunSettings:
        """All settings, defaults and suggestions included."""
        return self.resolved.settings

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the plugins that were built here; they are built again when next needed."""
        if self._executor is not None and self._opened_executor:
            self._executor.close()  # before the plugins that its workers may share
        self._executor, self._opened_executor, self._recipe = None, False, None
        for policy in self._policies.values():
            policy.close()
        self._policies = {}
        for finisher in self._finishers or ():
            if not self._instances.owns(finisher):
                finisher.close()
        self._finishers = None
        if self._plugins is not None:
            self._plugins.close()
            self._plugins = None

    def with_policy(self, policy: MemoryPolicy[Any], decides: bool = True) -> Session:
        """Return a session that shares this one's plugins, weights included, and remembers by another policy.

        It lives no longer than this one, and closing it closes nothing of this one.

        Args:
            policy: The policy, as an object.
            decides: Whether its runs could not be continued without it. Not so where no shot recalls anything.
        """
        other = Session(self.resolved.explicit, plugins=self.host)
        one = {**self._instances.one, "policy": policy}
        other._instances = replace(self._instances, one=one)
        other._parent = self
        other._undeciding = frozenset() if decides else frozenset({"policy"})
        return other

    # -- rendering --------------------------------------------------------------------------------------------

    def plan(self, script: Script, base: Path | None = None) -> StoryPlan:
        """Check a script against the settings and return its shots and graph, without making anything."""
        return self._plan(self._with_cast(read_source(script, self.host, base)[0]))[1]

    def check(self, script: StoryScript) -> StoryPlan:
        """Return the plan of a run's own script after every check that is made before its folder is touched."""
        plan = self._plan(self._with_cast(script))[1]
        self._check_services()
        return plan

    def render(
        self,
        script: Script,
        out: Path | str,
        on_event: Callable[[Event], None] | None = None,
        cancel: CancelToken | None = None,
        base: Path | None = None,
        resumes: bool = False,
    ) -> RunResult:
        """Render a script into a run folder, making only what is not there yet.

        Args:
            script: A script, its plain data, or the path of a script file.
            out: The run folder; made if it does not exist.
            on_event: Receives every event, one at a time; must be quick.
            cancel: Lets another thread stop the run.
            base: Folder of reference images; that of the script file by default.
            resumes: The script is the run's own: take the reference images that it has imported already, wherever
                they came from.

        Returns:
            The result, also when shots failed; see :meth:`RunResult.check`.

        Raises:
            Cancelled: On request.
            StoryMemError: The script, a setting, a plugin or the run folder is not in order.
        """
        started = time.monotonic()
        story, folder = read_source(script, self.host, base)
        folder = base or folder
        # Everything is checked before the run folder is touched, and files before models are loaded.
        if not resumes:
            check_references(story, folder)
        config, plan = self._plan(self._with_cast(story))
        self._check_services()
        film_format(self.finishers(), plan)
        check_anchors(plan, None if resumes else folder)
        with ExitStack() as opened:
            store = opened.enter_context(RunStore(Path(out), write=True))
            emit = opened.enter_context(self._receivers(store, on_event))
            self._claim(store, story, folder)
            if overrides := store.overrides():
                config, plan = self._plan(self._with_cast(with_overrides(story, overrides)))
            run = opened.enter_context(self._run(config, plan, store, emit, cancel or CancelToken()))
            name, shots = self.settings.backbone.name, len(plan.board)
            placed = self.placement()
            emit(RunStarted(title=story.title, folder=str(store.folder), shots=shots, backbone=name, workers=placed))
            tally, film = run.render(RunFolders(folder, self._library(), resumes))
            result = run_result(store, plan, tally, film)
            emit(
                RunFinished(
                    made=len(tally.made),
                    updated=len(tally.updated),
                    cached=tally.cached,
                    failed=len(tally.failed),
                    seconds=time.monotonic() - started,
                )
            )
            return result

    def preview(
        self,
        script: StoryScript,
        store: RunStore,
        memory_store: MemoryStore[Any],
        pins: Mapping[str, int | None] | None = None,
    ) -> tuple[MadeAgain, ...]:
        """Return which shots of a run another render would make again, in story order, without making any.

        Args:
            script: What would be rendered.
            store: The run, open.
            memory_store: Its memory store, open.
            pins: By shot, the take that it would be fixed to, None where it would be free; other shots as they are.

        Raises:
            StoryMemError: What a render would raise before it makes anything.
        """
        config, plan = self._plan(self._with_cast(script))
        memory = Memory(plan.board, memory_store, self.built().encoder)
        anchors = Anchors(plan, stored_anchors(plan.board.script, plan.size, store), store)
        policy = self._policy(config)
        preparer = ShotPreparer(plan, config.settings, self.built(), policy, memory, store, anchors, pins or {})
        return Previewer(plan, preparer, memory, store).made_again()

    # -- plugins ----------------------------------------------------------------------------------------------

    def built(self) -> WorkerPlugins:
        """Return the plugins that make shots, building them if they are not there; they stay this session's."""
        if self._parent is not None:
            return self._parent.built()
        if self._plugins is None:
            self._plugins = self._worker_config().build(self.host)
        return self._plugins

    def recipe(self) -> WorkerFactory:
        """Return what builds this session's workers; the same one for every render, so that workers are kept."""
        if self._parent is not None:
            return self._parent.recipe()
        if self._recipe is None:
            self._recipe = WorkerFactory(self._worker_config(), self.built())
        return self._recipe

    def executor(self) -> Executor[Any]:
        """Return the executor, open; it stays this session's, or the caller's where it was open already.

        Raises:
            SettingsError: The workers do not fit on the machine.
            PluginError: It cannot be built.
        """
        if self._parent is not None:
            return self._parent.executor()
        executor = self._built_executor()
        if not executor.is_open:
            executor.open(self.settings.workers, self.requirements())
            self._opened_executor = True
        return executor

    def requirements(self) -> Requirements:
        """Return what one worker needs of its machine."""
        return self.built().backbone.requirements()

    def placement(self) -> str:
        """Return in one line where shots will be made, without starting anything; raises as :meth:`executor` does."""
        if self._parent is not None:
            return self._parent.placement()
        return self._built_executor().describe(self.settings.workers, self.requirements())

    def _built_executor(self) -> Executor[Any]:
        if self._executor is None:
            config, choice = self._worker_config(), self.settings.executor
            self._executor = config.one(self.host, Kind.EXECUTOR, "executor", choice, Executor)
        return self._executor

    def _worker_config(self) -> WorkerConfig:
        return WorkerConfig(self.settings, self.host.files, self._instances)

    def finishers(self) -> tuple[Finisher[Any], ...]:
        """Return what makes finished copies, in order, building it if it is not there; it stays this session's."""
        if self._parent is not None:
            return self._parent.finishers()
        if self._finishers is None:
            given = self._instances.finishers
            built = (self.host.build(Kind.FINISHER, c.name, c.settings) for c in self.settings.finish)
            self._finishers = tuple(f for f in built if isinstance(f, Finisher)) if given is None else given
        return self._finishers

    def _config(self, story: StoryScript) -> WorkerConfig:
        """Return the run's settings with the policy that suits its script, where none was chosen."""
        settings = self.settings
        if not self.resolved.chose("policy") and any(s.entities for scene in story.scenes for s in scene.shots):
            name = self.host.registry.default("policy with entities")
            settings = settings.model_copy(update={"policy": PluginChoice(name=name)})
        return WorkerConfig(settings, self.host.files, self._instances)

    def _policy(self, config: WorkerConfig) -> MemoryPolicy[Any]:
        given = config.instances.one.get("policy")
        if isinstance(given, MemoryPolicy):
            policy = given
        else:
            key = config.settings.policy.model_dump_json()
            if key not in self._policies:
                choice = config.settings.policy
                self._policies[key] = config.one(self.host, Kind.MEMORY_POLICY, "policy", choice, MemoryPolicy)
            policy = self._policies[key]
        require_encoder("policy", policy, self.built().encoder)
        return policy

    def _plan(self, story: StoryScript) -> tuple[WorkerConfig, StoryPlan]:
        config = self._config(story)
        return config, Planner(config, self.host, self.built().backbone, self._policy(config)).plan(story)

    def _check_services(self) -> None:
        for kind, key in ((Kind.MEMORY_STORE, "store"), (Kind.EXECUTOR, "executor")):
            choice = getattr(self.settings, key)
            if key not in self._instances.one:
                found = self.host.find(kind, choice.name)
                found.load()
                found.check(choice.settings)
        self.placement()

    @contextmanager
    def _run(
        self,
        config: WorkerConfig,
        plan: StoryPlan,
        store: RunStore,
        emit: Callable[[Event], None],
        cancel: CancelToken,
    ) -> Iterator[Run]:
        """Build what belongs to one render alone, and release it afterwards."""
        memory_store = config.one(self.host, Kind.MEMORY_STORE, "store", self.settings.store, MemoryStore)
        executor, recipe = self.executor(), self.recipe()
        executor.check_recipe(recipe)
        memory_store.open(store.folder)
        try:
            plugins = RunPlugins(
                self.built(), self._policy(config), memory_store, executor, recipe, self.finishers(), self._finishing
            )
            yield Run(plan, config, plugins, store, emit, cancel)
        finally:
            if not self._instances.owns(memory_store):
                memory_store.close()

    @contextmanager
    def _receivers(
        self, store: RunStore, on_event: Callable[[Event], None] | None
    ) -> Iterator[Callable[[Event], None]]:
        """Yield what passes every event to the caller, the log and the sinks, one at a time."""
        with ExitStack() as opened:
            built = [self.host.build(Kind.EVENT_SINK, c.name, c.settings) for c in self.settings.sinks]
            for sink in built:
                opened.callback(sink.close)
            log = opened.enter_context(RunLog(store.folder))
            sinks = cast("list[EventSink[Any]]", [*built, *self._instances.sinks])
            receivers: list[Callable[[Event], None]] = [
                log,
                ProgressNote(store.temporary),
                *([on_event] if on_event else []),
                *(sink.handle for sink in sinks),
            ]
            lock = threading.Lock()

            def emit(event: Event) -> None:
                with lock:  # steps come from the executor's threads
                    for receive in receivers:
                        receive(event)

            yield emit

    # -- cast and claim ---------------------------------------------------------------------------------------

    def _library(self) -> CastLibrary | None:
        chosen = self.settings.library
        return CastLibrary(chosen, self.settings.store, self.host) if chosen else None

    def _with_cast(self, story: StoryScript) -> StoryScript:
        library = self._library()
        return with_cast(story, library) if library else story

    def _claim(self, store: RunStore, story: StoryScript, base: Path) -> None:
        owner = store.meta("title")
        if owner is not None and owner != story.title:
            raise RunStoreError(
                f"{store.folder}: holds the story {owner!r}, not {story.title!r}; choose another folder with --out"
            )
        objects = {key: type_name(plugin) for key, plugin in self._instances.one.items()}
        objects |= {f"filters.{n}": type_name(f) for n, f in (self._instances.filters or {}).items()}
        objects |= {f"finish.{n}": type_name(f) for n, f in enumerate(self._instances.finishers or ())}
        store.set_meta(
            {
                "title": story.title,
                "script": story.model_dump_json(),
                "base": str(base.resolve()),
                "settings": to_json(self.resolved.explicit).decode(),
                "plugins": json.dumps([str(path.resolve()) for path in self.host.files]),
                "objects": json.dumps(
                    {k: v for k, v in objects.items() if k.split(".")[0] in _DECIDING - self._undeciding}
                ),
            }
        )
        request = request_of(store)
        if request.demands():
            # Whoever renders with these settings agrees to them. Where that cannot be noted, resume will ask.
            with suppress(StoryMemError):
                request.allow()


def request_of(store: RunStore) -> Request:
    """Return what a run folder asks for when it is resumed."""
    files = [Path(file) for file in json.loads(store.meta("plugins") or "[]")]
    settings = json.loads(store.meta("settings") or "{}")
    story = json.loads(store.meta("script") or "{}")
    shots = [shot for scene in story.get("scenes", ()) for shot in scene.get("shots", ())]
    anchors = [anchor for shot in shots for anchor in shot.get("anchors", ())]
    referred = any(e.get("references") for e in story.get("entities", ())) or any(a.get("image") for a in anchors)
    base = Path(store.meta("base") or "") if referred else None
    return Request(store.folder, settings, files, base)


def type_name(plugin: Plugin[Any]) -> str:
    """Return ``module:Class`` of a plugin given as an object, for records."""
    return f"{type(plugin).__module__}:{type(plugin).__qualname__}"
