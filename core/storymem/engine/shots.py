"""One shot before and after its work: what it recalls, its keys, what is there already, what it adds.

Runs in the engine's process and touches no pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from storymem.engine.keys import digest
from storymem.engine.plan import ShotSpec, StoryPlan
from storymem.engine.task import ClipRef, FileRef, GenerateStep, MadeClip, ShotOutcome, ShotTask
from storymem.engine.toolbox import Toolbox
from storymem.errors import PluginError, RunStoreError, StoryMemError
from storymem.interfaces import Keyframe, MemoryPolicy, MemoryStore, MemoryView
from storymem.interfaces.backbone import mode_of
from storymem.settings import RunSettings
from storymem.store.objects import FileRecord, NewFile
from storymem.store.records import CurrentShot, Selection, ShotCommit, StoredKeyframe, Take
from storymem.store.runstore import RunStore


@dataclass(frozen=True, slots=True)
class DoneShot:
    """A shot whose take and keyframes are decided."""

    spec: ShotSpec
    take: Take
    view: str
    keyframes: tuple[Keyframe, ...]


@dataclass(frozen=True, slots=True)
class PreparedShot:
    """A shot whose parents are done.

    Attributes:
        spec: The shot.
        memory: What it sees.
        recalled: What it recalls.
        key: Take key.
        take: The take to use, if it is there.
        view: Digest of the viewing copy, if it is there.
        selection: Its selection, if it is there.
        previous: Master of the shot before, if frames are handed over.
    """

    spec: ShotSpec
    memory: MemoryView
    recalled: tuple[Keyframe, ...]
    key: str
    take: Take | None
    view: str | None
    selection: Selection | None
    previous: ClipRef | None

    @property
    def mode(self) -> str:
        """The mode the backbone works in, or ``select`` if the clip is there."""
        return str(mode_of(self.spec.transition.handover, len(self.recalled))) if self.take is None else "select"


class ShotDesk:
    """Prepares shots and takes in their outcomes, against one run store."""

    def __init__(
        self,
        plan: StoryPlan,
        settings: RunSettings,
        toolbox: Toolbox,
        policy: MemoryPolicy[Any],
        memory_store: MemoryStore[Any],
        store: RunStore,
        references: Sequence[Keyframe],
    ) -> None:
        self._plan = plan
        self._settings = settings
        self._toolbox = toolbox
        self._policy = policy
        self._memory_store = memory_store
        self._store = store
        self._references = tuple(references)
        self._backbone_print = toolbox.backbone.fingerprint()
        self._selection_print = _selection_fingerprint(toolbox, policy)
        self._owners = set(memory_store.owners())
        self.done: dict[int, DoneShot] = {}
        self.reload()

    def reload(self) -> None:
        """Read again what the run store has; nothing is done yet."""
        self.done = {}
        self._takes: dict[str, dict[str, Take]] = {}
        self._pinned: dict[str, Take] = {}
        for take in self._store.takes():
            self._takes.setdefault(take.shot, {})[take.key] = take
            if take.pinned:
                self._pinned[take.shot] = take
        self._views = self._store.views()
        self._selections = self._store.selections()
        self._files = self._store.files()
        self._current = {shot.shot: shot for shot in self._store.current()}

    def forget(self, digest: str) -> None:
        """Drop what a damaged file was part of from what is there; shots that are done stay done."""
        for takes in self._takes.values():
            for key in [key for key, take in takes.items() if take.master == digest]:
                del takes[key]
        self._pinned = {shot: take for shot, take in self._pinned.items() if take.master != digest}
        self._views = {key: view for key, view in self._views.items() if view != digest}
        self._selections = {
            key: selection
            for key, selection in self._selections.items()
            if all(keyframe.digest != digest for keyframe in selection.keyframes)
        }

    # -- before -------------------------------------------------------------------------------------------

    def prepare(self, position: int) -> PreparedShot:
        """Decide what a shot recalls, and find what is already there. Its parents must be done."""
        spec = self._plan.specs[position]
        memory = self._view(position)
        recalled = self._recall(spec, memory)
        previous = self._handed_over(spec)
        key = self._take_key(spec, recalled, previous)
        take = self._pinned.get(spec.shot.id) or self._takes.get(spec.shot.id, {}).get(key)
        if take is None:
            return PreparedShot(spec, memory, recalled, key, None, None, None, previous)
        self._check_pin(spec, take)
        view = self._views.get(self._view_key(spec, take.clip))
        selection = self._selections.get(self._selection_key(spec, take, memory))
        return PreparedShot(spec, memory, recalled, take.key, take, view, selection, previous)

    def damaged(self, shot: PreparedShot) -> FileRecord | None:
        """Return the first of a shot's stored files that is not what was recorded."""
        wanted = [shot.take.master] if shot.take else []
        wanted += [shot.view] if shot.view else []
        wanted += [keyframe.digest for keyframe in shot.selection.keyframes] if shot.selection else []
        return next((self._files[d] for d in wanted if not self._store.objects.intact(self._files[d])), None)

    def task(self, shot: PreparedShot, folder: Path) -> ShotTask:
        """Return the work that is left."""
        spec = shot.spec
        return ShotTask(
            shot=spec.shot.id,
            folder=folder,
            generate=self._generate_step(shot) if shot.take is None else None,
            source=self._clip_ref(shot.take) if shot.take else None,
            first=spec.transition.drop,
            master=self._settings.master,
            crf=self._settings.crf if shot.view is None else None,
            select=shot.selection is None,
            visible=shot.memory[:],
            accepted=shot.take is None or bool(shot.take.request["accepted"]),
        )

    def explain(self, shot: PreparedShot) -> str:
        """Return what the backbone makes of a shot's text; empty where no clip is made."""
        if shot.take is not None:
            return ""
        return self._toolbox.backbone.explain(shot.spec.shot.prompt, shot.spec.subjects)

    # -- after --------------------------------------------------------------------------------------------

    def reuse(self, shot: PreparedShot) -> bool:
        """Finish a shot from what is there, if it is all there; return whether it was."""
        if shot.take is None or shot.view is None or shot.selection is None:
            return False
        place, first = shot.spec.shot, shot.spec.transition.drop
        current = CurrentShot(place.id, place.position, shot.take.number, shot.view, shot.selection.key, first)
        if self._current.get(current.shot) != current:
            self._store.set_current([current])
        self._finish(shot, shot.take, shot.view, shot.selection)
        return True

    def accept(self, shot: PreparedShot, outcome: ShotOutcome) -> Take:
        """Move an outcome's files into place and commit it; return the shot's take."""
        new = [file for file in (outcome.made and outcome.made.master, outcome.view) if file]
        take = self._new_take(shot, outcome.made) if outcome.made else shot.take
        view = outcome.view.digest if outcome.view else shot.view
        if take is None or view is None:
            raise PluginError(f"shot {outcome.shot}: the executor returned no clip or no viewing copy")
        selection, failure = shot.selection, None
        if outcome.candidates is not None:
            try:
                selection, pictures = self._admit(shot, take, outcome)
                new += pictures
            except StoryMemError as error:  # the clip is kept, and only the choosing counts as failed
                failure = error
        files = self._store.objects.adopt(new)
        self._store.commit(
            ShotCommit(
                take=take,
                view_key=self._view_key(shot.spec, take.clip),
                view=view,
                selection=selection,
                first=shot.spec.transition.drop,
                position=shot.spec.shot.position,
                files=tuple(files),
            )
        )
        self._files.update({f.digest: f for f in files})
        self._takes.setdefault(take.shot, {})[take.key] = take
        if failure is not None:
            raise failure
        if selection is not None:
            self._finish(shot, take, view, selection)
        return take

    def _admit(self, shot: PreparedShot, take: Take, outcome: ShotOutcome) -> tuple[Selection, list[NewFile]]:
        spec = shot.spec
        made = {m.frame: m for m in outcome.candidates or ()}
        stored = {f: StoredKeyframe(m.id, f, m.file.digest, m.scores) for f, m in made.items()}
        candidates = [self._keyframe(spec, stored[f], m.file.path) for f, m in made.items()]
        admitted = list(self._policy.admit(spec.shot, candidates, shot.memory))
        if any(k not in candidates for k in admitted) or len({k.frame for k in admitted}) != len(admitted):
            raise PluginError(
                f"policy {type(self._policy).__name__}: admit returned keyframes that were not candidates"
            )
        admitted.sort(key=lambda k: k.frame)
        if self._toolbox.encoder is not None:
            vectors = {k.id: v for k in admitted if (v := made[k.frame].embedding) is not None}
            self._memory_store.put_embeddings(self._toolbox.encoder.fingerprint(), vectors)
        key = self._selection_key(spec, take, shot.memory)
        selection = Selection(key, spec.shot.id, tuple(stored[k.frame] for k in admitted), outcome.rejections)
        return selection, [made[k.frame].file for k in admitted]

    def _finish(self, shot: PreparedShot, take: Take, view: str, selection: Selection) -> None:
        keyframes = tuple(
            self._keyframe(shot.spec, k, self._store.objects.path(k.digest, ".png")) for k in selection.keyframes
        )
        if selection.key not in self._owners:
            self._memory_store.add(selection.key, keyframes)
            self._owners.add(selection.key)
        self.done[shot.spec.shot.position] = DoneShot(shot.spec, take, view, keyframes)

    # -- parts --------------------------------------------------------------------------------------------

    def _view(self, position: int) -> MemoryView:
        visible = list(self._references)
        for earlier in self._plan.graph.visible[position]:
            visible.extend(self.done[earlier].keyframes)
        return MemoryView(self._plan.board, visible, self._toolbox.encoder, self._memory_store, ordered=True)

    def _recall(self, spec: ShotSpec, memory: MemoryView) -> tuple[Keyframe, ...]:
        recalled = tuple(self._policy.recall(spec.shot, memory, spec.budget))
        ids = {keyframe.id for keyframe in recalled}
        name = type(self._policy).__name__
        if len(recalled) > spec.budget or len(ids) != len(recalled):
            raise PluginError(
                f"policy {name}: recalled {len(recalled)} keyframes ({len(ids)} different) for shot {spec.shot.id}, "
                f"budget {spec.budget}"
            )
        if recalled and not ids <= {keyframe.id for keyframe in memory}:
            raise PluginError(f"policy {name}: recalled keyframes that shot {spec.shot.id} does not see")
        return recalled

    def _handed_over(self, spec: ShotSpec) -> ClipRef | None:
        return self._clip_ref(self.done[spec.shot.position - 1].take) if spec.transition.handover else None

    def _clip_ref(self, take: Take) -> ClipRef:
        path = self._store.objects.path(take.master, self._files[take.master].suffix)
        return ClipRef(FileRef(path, take.master), take.clip, take.fps)

    def _generate_step(self, shot: PreparedShot) -> GenerateStep:
        spec = shot.spec
        width, height = self._plan.size
        return GenerateStep(
            prompt=spec.shot.prompt,
            negative_prompt=spec.negative_prompt,
            width=width,
            height=height,
            frames=spec.frames,
            seed=spec.seed,
            memory=shot.recalled,
            handover=spec.transition.handover,
            previous=shot.previous,
            subjects=spec.subjects,
            options=spec.options,
        )

    def _take_key(self, spec: ShotSpec, recalled: Sequence[Keyframe], previous: ClipRef | None) -> str:
        return digest(
            "take",
            {
                "backbone": self._backbone_print,
                "master": self._settings.master,
                "accept": self._toolbox.accept.fingerprint() if self._toolbox.accept else None,
                "handed_over": [previous.clip, spec.transition.handover] if previous else None,
                "recalled": [k.id for k in recalled],
                **self._readable(spec),
            },
        )

    def _readable(self, spec: ShotSpec) -> dict[str, Any]:
        return {
            "prompt": spec.shot.prompt,
            "negative_prompt": spec.negative_prompt,
            "size": list(self._plan.size),
            "frames": spec.frames,
            "seed": spec.seed,
            "subjects": [[s.name, s.kind, s.look] for s in spec.subjects],
            "options": dict(spec.options),
        }

    def _view_key(self, spec: ShotSpec, clip: str) -> str:
        return digest("view", {"clip": clip, "first": spec.transition.drop, "crf": self._settings.crf})

    def _selection_key(self, spec: ShotSpec, take: Take, memory: MemoryView) -> str:
        if not take.request["accepted"]:  # the same clip may be accepted under another gate, and then remembered
            return digest("selection", {"refused": take.key, "shot": spec.shot.id})
        return digest(
            "selection",
            {
                "clip": take.clip,
                "shot": spec.shot.id,
                "first": spec.transition.drop,
                "entities": list(spec.shot.entities),
                "plugins": self._selection_print,
                "visible": [k.id for k in memory],
            },
        )

    def _keyframe(self, spec: ShotSpec, stored: StoredKeyframe, path: Path) -> Keyframe:
        shot = spec.shot
        return Keyframe(stored.id, shot.id, shot.position, stored.frame, path, shot.entities, stored.scores)

    def _new_take(self, shot: PreparedShot, made: MadeClip) -> Take:
        spec = shot.spec
        numbers = [take.number for take in self._takes.get(spec.shot.id, {}).values()]
        recalled = [f"{k.shot}:{k.frame}" for k in shot.recalled]
        request: Mapping[str, Any] = {
            **self._readable(spec),
            "seed": made.seed,
            "attempts": made.attempts,
            "accepted": made.accepted,
            "mode": shot.mode,
            "recalled": recalled,
            "backbone": self._settings.backbone.name,
        }
        return Take(
            shot=spec.shot.id,
            number=max(numbers, default=0) + 1,
            key=shot.key,
            clip=made.clip,
            master=made.master.digest,
            frames=made.frames,
            width=made.width,
            height=made.height,
            fps=made.fps,
            request=request,
            pinned=False,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            seconds=made.seconds,
        )

    def _check_pin(self, spec: ShotSpec, take: Take) -> None:
        wanted = (*self._plan.size, self._plan.fps)
        if take.pinned and ((take.width, take.height, take.fps) != wanted or take.frames != spec.frames):
            raise RunStoreError(
                f"shot {take.shot}: pinned take {take.number} is {take.width}x{take.height}, {take.frames} frames, "
                f"{take.fps} fps, and does not fit this run; unpin it"
            )


def _selection_fingerprint(toolbox: Toolbox, policy: MemoryPolicy[Any]) -> list[str]:
    parts = [toolbox.selector.fingerprint(), policy.fingerprint()]
    parts += [f"{name}={f.fingerprint()}" for name, f in toolbox.filters.items()]
    if toolbox.encoder is not None:
        parts.append(toolbox.encoder.fingerprint())
    return parts
