"""What can be done with a run folder besides rendering: look, choose takes, clean up, check, join what exists.

The command line and the Python interface both go through here.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from storymem.engine.cancel import CancelToken
from storymem.engine.finishing import Finishing
from storymem.engine.plan import with_overrides
from storymem.engine.prepare import check_pinned
from storymem.engine.preview import MadeAgain
from storymem.engine.shot_keys import view_key
from storymem.errors import DamagedDatabase, GraphError, RunStoreError, SettingsError
from storymem.film.film import FilmPart, write_film
from storymem.film.names import set_damaged_names_aside
from storymem.film.review import story_of
from storymem.interfaces import Keyframe, MemoryStore
from storymem.keys import derived_seed
from storymem.numbers import SEED_LIMIT
from storymem.plugin import Kind, PluginHost
from storymem.result import ShotStatus, shot_states
from storymem.session import Session
from storymem.settings import Layer, Resolved, resolve
from storymem.store.folder import DATABASE
from storymem.store.records import Override, Take
from storymem.store.repair import Repaired, repair
from storymem.store.runstore import RunStore, require_database
from storymem.store.upkeep import Removed, damaged_files, is_pinned, remove_damaged, remove_takes
from storymem.values.files import FileRef
from storymem.values.script import StoryScript
from storymem.values.storyboard import Storyboard


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run folder that is open, with both of its stores.

    Attributes:
        store: The run store.
        memory_store: The memory store; None where the folder has none yet.
    """

    store: RunStore
    memory_store: MemoryStore[Any] | None

    @property
    def board(self) -> Storyboard:
        """The story as it is rendered, with the user's changes."""
        return Storyboard(story_of(self.store))

    def status(self) -> dict[str, ShotStatus]:
        """Return what every shot is at present, by id, in story order."""
        return shot_states(self.store, self.board)

    def takes(self, shot: str) -> list[Take]:
        """Return all takes of a shot, oldest first."""
        self.require_shot(shot)
        return self.store.takes(shot)

    def viewing_copies(self, shot: str) -> dict[int, FileRef]:
        """Return the viewing copy of each take of a shot, by take number; without those that were never made here."""
        crf = _settings(self.store, PluginHost()).settings.crf
        first = next((current.first for current in self.store.current(shot)), 0)
        found = {take.number: self.store.derived(view_key(take.clip, first, crf)) for take in self.takes(shot)}
        return {number: self.store.file_ref(digest) for number, digest in found.items() if digest}

    def keyframes(self, shot: str) -> tuple[Keyframe, ...]:
        """Return the keyframes that a finished shot gives to memory."""
        found = self.store.current(shot)
        return self.memory_store.of(found[0].selection) if found and self.memory_store else ()

    def redo(self, shot: str, seed: int | None = None, prompt: str | None = None) -> None:
        """Change a shot for all later renders: another seed, another prompt; a fresh seed if neither is given."""
        self.store.redo(shot, self.override(shot, seed, prompt))

    def override(self, shot: str, seed: int | None = None, prompt: str | None = None) -> Override:
        """Return what :meth:`redo` would record, so that it can be checked first.

        Raises:
            SettingsError: The seed is not 0 .. 2**64 - 1.
        """
        if seed is not None and not 0 <= seed < SEED_LIMIT:
            raise SettingsError(f"shot {shot}: seed {seed} must be 0 to {SEED_LIMIT - 1}")
        self.require_shot(shot)
        before = self.store.overrides().get(shot, Override(None, None))
        if seed is None and prompt is None:
            seed = derived_seed(self.board.script.seed, shot, self.store.last_number(shot))
        chosen = before.seed if seed is None else seed
        return Override(chosen, before.prompt if prompt is None else prompt)

    def reset(self, shot: str) -> None:
        """Go back to the script's own seed and prompt."""
        self.require_shot(shot)
        self.store.redo(shot, None)

    def pin(self, shot: str, take: int | None) -> None:
        """Fix a shot to one of its takes, whatever script and settings say; None frees it."""
        self.require_shot(shot)
        self.store.pin(shot, take)

    def prune(self) -> tuple[list[tuple[str, int]], Removed]:
        """Delete takes that are neither in the film nor pinned, and their files; return them as (shot, number).

        A shot that is in the story but has no finished take keeps all it has: one of them may be the last good one.
        """
        current = {c.shot: c.take for c in self.store.finished()}
        kept = {shot.id for shot in self.board} - set(current)
        loose = [t for t in self.store.takes() if not t.pinned and t.shot not in kept]
        old = [(t.shot, t.number) for t in loose if current.get(t.shot) != t.number]
        removed = remove_takes(self.store, old)
        self._forget(removed)
        return old, removed

    def empty_quarantine(self) -> Removed:
        """Delete what was set aside, for good."""
        return Removed(files=tuple(self.store.objects.empty_quarantine()))

    def verify(self) -> list[str]:
        """Read every file and return the names, in the run folder, of those that are not what was written.

        Files of takes are set aside, notes are written again, and keyframes are forgotten, so that the next render
        makes or chooses them again. A pinned take is left as it is: only the user can choose another.
        """
        store, bad = self.store, []
        for record in damaged_files(store):
            bad.append(f"objects/{record.digest}{record.suffix}")
            if not is_pinned(store, record.digest):
                self._forget(remove_damaged(store, record.digest))
        bad += [path.relative_to(store.folder).as_posix() for path in store.refresh_sidecars()]
        bad += [f"memory store: {what}" for what in self.memory_store.discard_damaged()] if self.memory_store else []
        return bad + set_damaged_names_aside(store)

    def require_shot(self, shot: str) -> None:
        """Raise :class:`RunStoreError` unless the story has this shot."""
        try:
            self.board.shot(shot)
        except GraphError as error:
            raise RunStoreError(f"{self.store.folder}: {error}") from error

    def require_memory(self) -> MemoryStore[Any]:
        """Return the memory store; raises :class:`RunStoreError` where the folder has none."""
        if self.memory_store is None:
            raise RunStoreError(f"{self.store.folder}: has no memory store")
        return self.memory_store

    def _forget(self, removed: Removed) -> None:
        if self.memory_store is not None and removed.owners:
            self.memory_store.forget(removed.owners)


def check_redo(run: OpenRun, session: Session, shot: str, override: Override | None) -> None:
    """Check that the run can be rendered with another override of a shot; None is the script's own seed and prompt.

    Raises:
        StoryMemError: What a render would raise before it makes anything.
    """
    session.check(_overridden(run, shot, override))


def _overridden(run: OpenRun, shot: str, override: Override | None) -> StoryScript:
    run.require_shot(shot)
    stored = run.store.meta("script") or ""
    overrides = {name: kept for name, kept in run.store.overrides().items() if name != shot}
    if override is not None:
        overrides[shot] = override
    return with_overrides(StoryScript.model_validate_json(stored), overrides)


def preview_redo(run: OpenRun, session: Session, shot: str, override: Override | None) -> tuple[MadeAgain, ...]:
    """Return what :meth:`OpenRun.redo` would have made again by the next render, without changing anything.

    Args:
        run: The run, open.
        session: With its settings.
        shot: The shot.
        override: As of :meth:`OpenRun.override`; None is the script's own seed and prompt.

    Raises:
        StoryMemError: What a render would raise before it makes anything.
    """
    pins = {} if override is None else {shot: None}
    return session.preview(_overridden(run, shot, override), run.store, run.require_memory(), pins)


def preview_pin(run: OpenRun, session: Session, shot: str, number: int | None) -> tuple[MadeAgain, ...]:
    """Return what :meth:`OpenRun.pin` would have made again by the next render, without changing anything.

    Raises:
        RunStoreError: There is no such take, or it does not fit the run.
        StoryMemError: What a render would raise before it makes anything.
    """
    check_pin(run, session, shot, number)
    return session.preview(story_of(run.store), run.store, run.require_memory(), {shot: number})


def preview_script(run: OpenRun, session: Session, script: StoryScript) -> tuple[MadeAgain, ...]:
    """Return what rendering another script into a run would make again, without changing anything.

    Raises:
        StoryMemError: What a render would raise before it makes anything.
    """
    return session.preview(with_overrides(script, run.store.overrides()), run.store, run.require_memory())


def check_pin(run: OpenRun, session: Session, shot: str, number: int | None) -> None:
    """Check that the run can be rendered with a shot fixed to one of its takes; None frees it.

    Raises:
        RunStoreError: There is no such take, it does not fit the run, or its file is damaged.
        StoryMemError: What a render would raise before it makes anything.
    """
    run.require_shot(shot)
    plan = session.check(story_of(run.store))
    if number is None:
        return
    take = run.store.require_take(shot, number)
    check_pinned(plan, plan.specs[plan.board.shot(shot).position], take)
    if not run.store.objects.intact(run.store.file(take.master)):
        raise RunStoreError(f"shot {shot}: the file of take {number} is damaged or gone, so it cannot be pinned")


@dataclass(frozen=True, slots=True)
class JoinedFilm:
    """A film of the shots that are finished: its path, number of frames, and the ids of missing shots."""

    film: Path
    frames: int
    missing: tuple[str, ...]


def join_finished(run: OpenRun, session: Session) -> JoinedFilm:
    """Join the finished shots of a run into its film, without making any.

    Raises:
        RunStoreError: No shot is finished.
    """
    plan = session.plan(story_of(run.store))
    crf = session.settings.crf
    finishing = Finishing(plan, session.finishers(), run.store, crf, lambda event: None, CancelToken())
    deque(finishing.make(), maxlen=0)
    parts = finishing.parts()
    missing = tuple(shot.id for shot, part in zip(plan.board, parts, strict=True) if part is None)
    there = [part for part in parts if part is not None]
    if not there:
        raise RunStoreError(f"{run.store.folder}: no shot is finished; storymem resume {run.store.folder}")
    film, frames, _ = write_film(run.store, _free_standing(parts), finishing.format.fps, crf)
    return JoinedFilm(film, frames, missing)


def _free_standing(parts: Sequence[FilmPart | None]) -> list[FilmPart]:
    """Return the parts that are there; one whose predecessor is missing has nothing to be blended with."""
    joined: list[FilmPart] = []
    before: FilmPart | None = None
    for part in parts:
        if part is not None:
            blends = part.transition.overlap and before is None and joined
            joined.append(replace(part, overlap=0) if blends else part)
        before = part
    return joined


@contextmanager
def open_run(folder: Path, write: bool = False, host: PluginHost | None = None) -> Iterator[OpenRun]:
    """Open a run folder with both of its stores.

    Args:
        folder: The run folder.
        write: Whether it is to be changed; takes its lock.
        host: Builds the memory store; the installed plugins if None.

    Raises:
        RunStoreError: It is no run folder, is in use, or is damaged.
    """
    require_database(folder)  # RunStore would make one
    with RunStore(folder, write) as store:
        memory_store = _memory_store(store, host or PluginHost())
        memory_store.open(folder, write)
        try:
            yield OpenRun(store, memory_store)
        finally:
            memory_store.close()


@dataclass(frozen=True, slots=True)
class RunRepaired:
    """What :func:`repair_run` did.

    Attributes:
        folder: The run folder.
        database: What became of the run database.
        memory: What was wrong with the memory store, whose keyframes the next render chooses again; empty if nothing.
    """

    folder: Path
    database: Repaired
    memory: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {**asdict(self.database), "memory": self.memory}

    def lines(self) -> list[str]:
        """Return it as lines for people."""
        done, lines = self.database, []
        if done.why:
            lines.append(f"rebuilt {self.folder / DATABASE} with {done.takes} takes, because {done.why}")
        if done.found:
            lines.append(f"{done.found} files came back from the quarantine")
        if done.lost:
            lines.append(f"not there any more, and to be made again: {', '.join(done.lost)}")
        if done.damaged:
            lines.append(f"damaged notes that could not be used: {', '.join(done.damaged)}")
        if self.memory:
            lines.append(f"set the memory store aside, and the next render chooses keyframes again: {self.memory}")
        return lines or [f"{self.folder}: nothing to repair"]


def repair_run(folder: Path, host: PluginHost | None = None) -> RunRepaired:
    """Rebuild the run database if it is lost or damaged, and set a memory store aside that cannot be used.

    Raises:
        RunStoreError: The folder has no notes to rebuild it from, is in use, or cannot be read or written now.
    """
    done = repair(folder)
    with RunStore(folder, write=True) as store:
        memory_store = _memory_store(store, host or PluginHost())
        try:
            memory_store.open(folder)
            why = "; ".join(memory_store.discard_damaged())
        except DamagedDatabase as error:
            why = str(error)
            store.objects.set_aside(sorted(folder.glob("memory.*")), f"replaced by storymem repair: {why}")
        finally:
            memory_store.close()
    return RunRepaired(folder, done, why)


def _settings(store: RunStore, host: PluginHost) -> Resolved:
    return resolve([Layer("run folder", json.loads(store.meta("settings") or "{}"))], host.registry)


def _memory_store(store: RunStore, host: PluginHost) -> MemoryStore[Any]:
    chosen = _settings(store, host).settings.store
    plugin = host.build(Kind.MEMORY_STORE, chosen.name, chosen.settings)
    assert isinstance(plugin, MemoryStore)
    return plugin
