"""One shot before its work: what it sees, recalls and is handed over, its keys, and what is there already.

Runs in the engine's process and touches no pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from storymem.engine.anchors import Anchors
from storymem.engine.plan import ShotSpec, StoryPlan
from storymem.engine.plugins import WorkerPlugins
from storymem.engine.shot_keys import ShotKeys
from storymem.errors import DamagedFile, PluginError, RunStoreError
from storymem.interfaces import Keyframe, MemoryPolicy, MemoryView
from storymem.memory.memory import Memory
from storymem.settings import RunSettings
from storymem.store.folder import JOBS
from storymem.store.records import Selection, Take
from storymem.store.runstore import RunStore
from storymem.values.request import Handover, ShotRequest
from storymem.values.work import ClipFile, ShotRef, ShotTask


@dataclass(frozen=True, slots=True)
class PreparedShot:
    """A shot whose parents are done.

    Attributes:
        spec: The shot.
        request: What the backbone is asked for, memory and hand-over included.
        memory: What it sees.
        key: Take key.
        take: The take to use, if it is there.
        view: Digest of the viewing copy, if it is there.
        tail: Digest of the frames it hands over, if they are there; empty if the next shot is a cut.
        selection: Its selection, if it is there.
    """

    spec: ShotSpec
    request: ShotRequest
    memory: MemoryView
    key: str
    take: Take | None = None
    view: str | None = None
    tail: str | None = None
    selection: Selection | None = None

    @property
    def mode(self) -> str:
        """The mode the backbone works in, or ``select`` if the clip is there."""
        return str(self.request.mode) if self.take is None else "select"


class ShotPreparer:
    """Prepares the shots of one run.

    Args:
        plan: What is to be made.
        settings: The run's settings.
        plugins: What makes shots.
        policy: Decides what is recalled.
        memory: What earlier shots gave.
        store: What is there already.
        anchors: Pictures that shots are anchored to.
        pins: Takes to use in place of those that the user fixed, by shot; None where none is to count.
    """

    def __init__(
        self,
        plan: StoryPlan,
        settings: RunSettings,
        plugins: WorkerPlugins,
        policy: MemoryPolicy[Any],
        memory: Memory,
        store: RunStore,
        anchors: Anchors,
        pins: Mapping[str, int | None] | None = None,
    ) -> None:
        self._plan = plan
        self._settings = settings
        self._plugins = plugins
        self._policy = policy
        self._memory = memory
        self._store = store
        self._anchors = anchors
        self._pins = pins or {}
        self.keys = ShotKeys.of(settings, plugins, policy)

    def prepare(self, position: int) -> PreparedShot:
        """Decide what a shot recalls, and find what is already there. Its parents must be done.

        Raises:
            DamagedFile: One of its stored files is not what was recorded.
            StoryMemError: The policy broke its contract, or a pinned take does not fit the run.
        """
        spec = self._plan.specs[position]
        view = self._memory.view(self._plan.graph.visible[position])
        recalled = self._recall(spec, view)
        anchors = self._anchors.of(spec)
        request = replace(spec.request, memory=recalled, handover=self._handover(spec), anchors=anchors)
        key = self.keys.take(request, recalled, request.handover)
        shot = PreparedShot(spec, request, view, key)
        take = self._usable_take(spec.shot.id, key)
        return shot if take is None else self._with_take(shot, take)

    def anchors_known(self, position: int) -> bool:
        """Whether all that a shot is anchored to is there, so that it can be prepared."""
        return self._anchors.known(self._plan.specs[position])

    def task(self, shot: PreparedShot, folder: Path) -> ShotTask:
        """Return the work that is left."""
        spec, select = shot.spec, shot.selection is None
        return ShotTask(
            request=replace(shot.request, jobs=self._store.folder / JOBS),
            ref=ShotRef(spec.shot.id, spec.shot.position, spec.shot.entities),
            folder=folder,
            source=self._clip_file(shot.take) if shot.take else None,
            first=spec.transition.drop,
            master=self._settings.master,
            crf=self._settings.crf if shot.view is None else None,
            tail=spec.tail if shot.tail is None else 0,
            select=select,
            accepted=shot.take is None or bool(shot.take.request["accepted"]),
            visible=shot.memory.keyframes if select else (),
            visible_ids=shot.memory.ids if select else (),
            embeddings=self._memory.embeddings(shot.memory) if select and self._plugins.compares else {},
        )

    def explain(self, shot: PreparedShot) -> str:
        """Return what the backbone makes of a shot's text; empty where no clip is made."""
        if shot.take is not None:
            return ""
        return self._plugins.backbone.explain(shot.request.prompt, shot.request.subjects)

    def _usable_take(self, shot: str, key: str) -> Take | None:
        if shot not in self._pins:
            return self._store.usable_take(shot, key)
        number = self._pins[shot]
        return self._store.take_of_key(shot, key) if number is None else self._store.take(shot, number)

    def _with_take(self, shot: PreparedShot, take: Take) -> PreparedShot:
        spec = shot.spec
        if take.pinned:
            check_pinned(self._plan, spec, take)
        found = replace(
            shot,
            key=take.key,
            take=take,
            view=self._store.derived(self.keys.view(spec, take.clip)),
            tail=self._store.derived(self.keys.tail(spec, take.clip)) if spec.tail else "",
            selection=self._store.selection(self.keys.selection_of(spec, take, shot.memory)),
        )
        for record in self._store.records(self._stored(found)):
            if not self._store.objects.intact(record):
                raise DamagedFile(f"{self._store.objects.folder}/{record.digest}: is not as recorded", record.digest)
        return found

    def _stored(self, shot: PreparedShot) -> list[str]:
        """Return the digests of the files a shot has."""
        files = [shot.take.master] if shot.take else []
        files += [digest for digest in (shot.view, shot.tail) if digest]
        return files + (self._store.keyframe_files(shot.selection.key) if shot.selection else [])

    def _recall(self, spec: ShotSpec, view: MemoryView) -> tuple[Keyframe, ...]:
        recalled = tuple(self._policy.recall(spec.shot, view, spec.budget))
        ids = {keyframe.id for keyframe in recalled}
        name = type(self._policy).__name__
        if len(recalled) > spec.budget or len(ids) != len(recalled):
            raise PluginError(
                f"policy {name}: recalled {len(recalled)} keyframes ({len(ids)} different) for shot {spec.shot.id}, "
                f"budget {spec.budget}"
            )
        if not all(id_ in view.ids for id_ in ids):
            raise PluginError(f"policy {name}: recalled keyframes that shot {spec.shot.id} does not see")
        return recalled

    def _handover(self, spec: ShotSpec) -> Handover | None:
        """Return the end of the previous shot's take, as a file of those frames alone."""
        count = spec.transition.handover
        if not count:
            return None
        before = self._plan.board.shots[spec.shot.position - 1].id
        (current,) = self._store.current(before)
        take = self._store.take(before, current.take)
        if take is None or not current.tail:
            raise RunStoreError(f"shot {before}: has no frames to hand over to shot {spec.shot.id}; resume the run")
        return Handover(count, take.clip, self._store.file_ref(current.tail))

    def _clip_file(self, take: Take) -> ClipFile:
        return ClipFile(self._store.file_ref(take.master), take.clip, take.fps)


def check_pinned(plan: StoryPlan, spec: ShotSpec, take: Take) -> None:
    """Raise :class:`RunStoreError` if a take that the user pinned does not fit the run."""
    wanted = (*plan.size, plan.fps)
    if (take.width, take.height, take.fps) != wanted or take.frames != spec.request.frames:
        raise RunStoreError(
            f"shot {take.shot}: pinned take {take.number} is {take.width}x{take.height}, {take.frames} frames, "
            f"{take.fps} fps, and does not fit this run; unpin it"
        )
