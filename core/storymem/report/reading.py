"""Reads a run for its report. Works for every run folder: unfinished, failed, pruned, or of plugins not installed."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storymem.errors import PluginError, SettingsError
from storymem.export.reading import stored_host
from storymem.interfaces import Keyframe
from storymem.report.album import Album
from storymem.result import ShotStatus
from storymem.runs import OpenRun, open_run
from storymem.store.records import CurrentShot, Take
from storymem.store.runstore import RunStore
from storymem.values.script import Entity, StoryScript
from storymem.values.storyboard import BoardShot


@dataclass(frozen=True, slots=True)
class Shown:
    """One picture: its name in the album, what it is called, and why it is there."""

    picture: str
    name: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ShotReport:
    """One shot of the report.

    Attributes:
        shot: As the script has it.
        status: What has become of it.
        takes: All its takes, oldest first.
        first: How many frames at its start repeat the shot before.
        poster: The middle frame of what is in the film; None unless it is finished.
        handed: The last frame that the shot before handed over, if it did.
        recalled: What it was shown, in order.
        kept: What it gives to memory.
    """

    shot: BoardShot
    status: ShotStatus
    takes: tuple[Take, ...]
    first: int = 0
    poster: Shown | None = None
    handed: Shown | None = None
    recalled: tuple[Shown, ...] = ()
    kept: tuple[Shown, ...] = ()


@dataclass(frozen=True, slots=True)
class CastRow:
    """An entity, its reference images, and the shots that show it, in story order."""

    entity: Entity
    references: tuple[Shown, ...]
    shots: tuple[ShotReport, ...]


@dataclass(frozen=True, slots=True)
class RunReport:
    """A whole run: script, shots in story order, cast, settings as given, small pictures, and remarks."""

    script: StoryScript
    shots: tuple[ShotReport, ...]
    cast: tuple[CastRow, ...]
    settings: dict[str, Any]
    album: Album
    notes: tuple[str, ...]


def read_report(folder: Path) -> RunReport:
    """Read a run; raises :class:`RunStoreError` unless it is one that was rendered into. Changes nothing."""
    with ExitStack() as stack:
        run, notes = _opened(stack, folder)
        album = Album()
        reader = _Reader(run, album)
        script = run.board.script
        shots = tuple(reader.shots())
        cast = tuple(CastRow(e, reader.references(e), tuple(_showing(e, shots))) for e in script.entities)
        settings = json.loads(run.store.meta("settings") or "{}")
        return RunReport(script, shots, cast, settings, album, tuple(notes))


def _opened(stack: ExitStack, folder: Path) -> tuple[OpenRun, list[str]]:
    """Open a run, without its memory store where the plugins that it was made with are gone."""
    store = stack.enter_context(RunStore(folder, write=False))
    try:
        return stack.enter_context(open_run(folder, host=stored_host(store))), []
    except (PluginError, SettingsError) as error:
        return OpenRun(store, None), [f"which frames shots give to memory is left out: {error}"]


def _showing(entity: Entity, shots: tuple[ShotReport, ...]) -> list[ShotReport]:
    return [shot for shot in shots if entity.id in shot.shot.entities]


class _Reader:
    def __init__(self, run: OpenRun, album: Album) -> None:
        self._run = run
        self._album = album
        self._status = run.status()
        self._current = {current.shot: current for current in run.store.finished()}

    def shots(self) -> list[ShotReport]:
        before: CurrentShot | None = None
        shots = []
        for shot in self._run.board:
            status = self._status[shot.id]
            current = self._current.get(shot.id) if status.take else None
            takes = tuple(self._run.takes(shot.id))
            shots.append(
                self._finished(shot, status, takes, current, before) if current else ShotReport(shot, status, takes)
            )
            before = current
        return shots

    def references(self, entity: Entity) -> tuple[Shown, ...]:
        """Return the entity's reference images, which are remembered as keyframes of no shot."""
        selection, memory = self._run.store.references(), self._run.memory_store
        kept = memory.of(selection.key) if selection and memory else ()
        return tuple(self._shown(k) for k in kept if entity.id in k.entities)

    def _finished(
        self,
        shot: BoardShot,
        status: ShotStatus,
        takes: tuple[Take, ...],
        current: CurrentShot,
        before: CurrentShot | None,
    ) -> ShotReport:
        assert status.take is not None  # it is finished
        middle = (status.take.frames - current.first) // 2
        view = self._run.store.file_ref(current.view)
        return ShotReport(
            shot=shot,
            status=status,
            takes=takes,
            first=current.first,
            poster=Shown(self._album.still(view, middle), shot.id),
            handed=self._handed(current, before),
            recalled=tuple(self._shown(k) for k in status.recalled),
            kept=tuple(self._shown(k) for k in self._run.keyframes(shot.id)),
        )

    def _handed(self, current: CurrentShot, before: CurrentShot | None) -> Shown | None:
        if not (current.first and before and before.tail):
            return None
        last = current.first - 1
        return Shown(self._album.still(self._run.store.file_ref(before.tail), last), f"{before.shot}, its end")

    def _shown(self, keyframe: Keyframe) -> Shown:
        return Shown(self._album.keyframe(keyframe), keyframe.name, keyframe.reason)
