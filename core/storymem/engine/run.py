"""One render: a plan, an open run store and plugins in, a film out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from storymem.engine.anchors import Anchors, import_anchors
from storymem.engine.cancel import CancelToken
from storymem.engine.commit import ShotCommitter
from storymem.engine.finishing import Finishing
from storymem.engine.plan import StoryPlan
from storymem.engine.plugins import WorkerConfig, WorkerPlugins
from storymem.engine.prepare import PreparedShot, ShotPreparer
from storymem.engine.recovery import with_recovery
from storymem.engine.running import TaskRunner
from storymem.engine.schedule import Scheduler, Services, Tally
from storymem.film.film import check_way, write_film
from storymem.film.names import Publisher
from storymem.interfaces import Executor, Finisher, MemoryPolicy, MemoryStore, WorkerRecipe
from storymem.memory.library import CastLibrary
from storymem.memory.memory import Memory
from storymem.memory.references import import_references, imported_references
from storymem.store.records import Take
from storymem.store.runstore import RunStore
from storymem.store.upkeep import remove_selections
from storymem.values.events import Event, FilmWritten, Notice


@dataclass(frozen=True, slots=True)
class RunPlugins:
    """The plugins of one render.

    Attributes:
        worker: What makes shots.
        policy: What is remembered and recalled.
        memory_store: Open for the run folder.
        executor: Open.
        recipe: Builds the workers that the executor runs.
        finishers: What makes finished copies, in order.
        finishing: Held while they work: runs side by side share them, and they need not be made for that.
    """

    worker: WorkerPlugins
    policy: MemoryPolicy[Any]
    memory_store: MemoryStore[Any]
    executor: Executor[Any]
    recipe: WorkerRecipe
    finishers: Sequence[Finisher[Any]] = ()
    finishing: Lock = field(default_factory=Lock)


@dataclass(frozen=True, slots=True)
class RunFolders:
    """Where pictures come from.

    Attributes:
        base: Folder of the script's reference images.
        library: The cast library, if the run has one.
        resumes: Whether the pictures that the run has imported already are taken, and ``base`` only where some are
            missing.
    """

    base: Path
    library: CastLibrary | None = None
    resumes: bool = False


class Run:
    """Renders one plan into one open run store.

    Args:
        plan: What to make.
        config: Settings, and what other processes build their plugins from.
        plugins: Built plugins.
        store: Open for writing.
        emit: Receives every event.
        cancel: Stops the run between steps.
    """

    def __init__(
        self,
        plan: StoryPlan,
        config: WorkerConfig,
        plugins: RunPlugins,
        store: RunStore,
        emit: Callable[[Event], None],
        cancel: CancelToken,
    ) -> None:
        self._plan = plan
        self._settings = config.settings
        self._plugins = plugins
        self._store = store
        self._emit = emit
        self._cancel = cancel
        self._memory = Memory(plan.board, plugins.memory_store, plugins.worker.encoder)
        self._publisher = Publisher(store, plugins.memory_store, plan.board.script.title, self._settings.layout)
        self._tally = Tally(len(plan.board))
        self._finishing = Finishing(plan, plugins.finishers, store, self._settings.crf, emit, cancel)

    def render(self, folders: RunFolders) -> tuple[Tally, tuple[Path, int] | None]:
        """Make every shot that can be made and, if all are there, the film.

        Returns:
            What became of the shots; path and number of frames of the film, None if shots failed.
        """
        check_way(self._store)  # before hours of work, not after
        for notice in self._plan.notices:
            self._emit(Notice(text=notice))
        self._reconcile()
        film = with_recovery(lambda: self._pass(folders), self._store, self._memory, self._emit)
        return self._tally, film

    def _reconcile(self) -> None:
        """Make both stores hold the same selections: the run's are the truth, lost keyframes are chosen again."""
        recorded, kept = self._store.selections(), self._plugins.memory_store.owners()
        self._memory.forget(kept - recorded.keys())
        lost = [
            key
            for key, ids in recorded.items()
            if key not in kept or tuple(k.id for k in self._plugins.memory_store.of(key)) != ids
        ]
        if lost:
            self._memory.forget(lost)
            remove_selections(self._store, lost)
            self._emit(Notice(text=f"the memory store has lost keyframes of {len(lost)} shots; they are chosen again"))

    def _pass(self, folders: RunFolders) -> tuple[Path, int] | None:
        script, stored = self._plan.board.script, None
        if folders.resumes:
            stored = imported_references(script, self._store, self._plugins.memory_store, folders.library)
        key, keyframes = stored or import_references(script, folders.base, self._store, folders.library)
        if keyframes:
            known = folders.library.embeddings(self._plugins.worker.encoder, keyframes) if folders.library else {}
            self._memory.add(key, keyframes, known)
        self._memory.give_references(key, [k.id for k in keyframes])
        self._memory.forget(self._plugins.memory_store.owners() - self._store.selections().keys())
        pictures = import_anchors(script, self._plan.size, folders.base, self._store, folders.resumes)
        self._scheduler(Anchors(self._plan, pictures, self._store)).run()
        return self._finish()

    def _scheduler(self, anchors: Anchors) -> Scheduler:
        plugins, settings = self._plugins, self._settings
        preparer = ShotPreparer(
            self._plan, settings, plugins.worker, plugins.policy, self._memory, self._store, anchors
        )
        backbone = settings.backbone.name
        committer = ShotCommitter(preparer.keys, plugins.policy, backbone, self._memory, self._store)
        runner: TaskRunner[PreparedShot] = TaskRunner(
            plugins.executor, plugins.recipe, self._emit, self._cancel, settings.shot_timeout
        )
        services = Services(preparer, committer, runner, self._store, self._publish)
        return Scheduler(self._plan, services, self._emit, self._cancel, settings.workers, self._tally)

    def _publish(self, shot: str, take: Take) -> None:
        del take
        self._show(shot)

    def _show(self, shot: str) -> None:
        """Give a shot its readable names: those of its finished copy where there is one already."""
        for current in self._store.current(shot):
            self._publisher.publish(self._finishing.shown(current))

    def _finish(self) -> tuple[Path, int] | None:
        store = self._store
        store.keep_only([shot.id for shot in self._plan.board])
        with self._plugins.finishing:
            for shot in self._finishing.make():
                self._show(shot)
        self._publisher.finish(store.current())
        if self._tally.done < len(self._plan.board):
            return None
        started = time.monotonic()
        parts = [part for part in self._finishing.parts() if part is not None]
        path, frames, cached = write_film(store, parts, self._finishing.format.fps, self._settings.crf)
        self._emit(FilmWritten(path=str(path), frames=frames, seconds=time.monotonic() - started, cached=cached))
        return path, frames
