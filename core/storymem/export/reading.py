"""From a run folder to a timeline. Builds transitions, which are counts of frames, and no model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from storymem.errors import RunStoreError
from storymem.film.names import FILM
from storymem.film.review import story_of
from storymem.interfaces import Transition
from storymem.media.video import count_frames
from storymem.plugin import Kind, PluginHost
from storymem.settings import Layer, PluginChoice, resolve
from storymem.store.records import CurrentShot, Take
from storymem.store.runstore import RunStore
from storymem.values.storyboard import BoardShot, Storyboard
from storymem.values.timeline import SpokenLine, Timeline, TimelineShot


def stored_host(store: RunStore, more: Sequence[Path] = ()) -> PluginHost:
    """Return a host with the local plugin files that a run was made with, and ``more``."""
    return PluginHost([*(Path(file) for file in json.loads(store.meta("plugins") or "[]")), *more])


def read_timeline(store: RunStore, host: PluginHost | None = None) -> Timeline:
    """Return the film of a run as it is at present, cut from its masters.

    Shots that are not finished are left out, and named in the notes; one behind a missing shot begins with a cut, as
    ``storymem film`` joins it.

    Raises:
        RunStoreError: No shot is finished, or how shots join is known to a Python program alone.
    """
    reader = _Reader(store, host or stored_host(store))
    board = Storyboard(story_of(store))
    found = [(shot, reader.shot(board, shot)) for shot in board]
    shots = _free_standing([made for _, made in found])
    if not shots:
        raise RunStoreError(f"{store.folder}: no shot is finished; storymem resume {store.folder}")
    script = board.script
    timeline = Timeline(
        title=script.title,
        fps=reader.fps,
        size=reader.size,
        scenes=tuple(scene.title for scene in script.scenes),
        shots=tuple(shots),
        entities={entity.label: entity.look for entity in script.entities},
    )
    missing = [shot.id for shot, made in found if made is None]
    return replace(timeline, notes=(*_missing(missing), *reader.notes, *_outdated(store, timeline)))


class _Reader:
    def __init__(self, store: RunStore, host: PluginHost) -> None:
        self._store = store
        self._host = host
        stored = Layer("run folder", json.loads(store.meta("settings") or "{}"))
        self._settings = resolve([stored], host.registry).settings
        self._objects = json.loads(store.meta("objects") or "{}")
        failed = store.failures()  # such a shot may still have a take, made of what the script said before
        self._current = {current.shot: current for current in store.finished() if current.shot not in failed}
        self.fps = 0
        self.size = (0, 0)
        self.notes: list[str] = []

    def shot(self, board: Storyboard, shot: BoardShot) -> TimelineShot | None:
        current = self._current.get(shot.id)
        take = self._store.take(shot.id, current.take) if current else None
        if current is None or take is None:
            return None
        self.fps, self.size = take.fps, (take.width, take.height)
        name, transition = self._transition(shot) if shot.position else ("cut", None)
        overlap = transition.overlap if transition else 0
        if transition and overlap and type(transition).blend is not Transition.blend:
            self.notes.append(
                f"shot {shot.id}: its transition {name} is written as a cross dissolve of {overlap} frames"
            )
        return self._made(board, shot, current, take, (name, overlap))

    def _made(
        self, board: Storyboard, shot: BoardShot, current: CurrentShot, take: Take, joined: tuple[str, int]
    ) -> TimelineShot:
        return TimelineShot(
            id=shot.id,
            scene=shot.scene,
            prompt=shot.shot.prompt,
            entities=tuple(board.entities[entity].label for entity in shot.entities),
            media=self._store.file_ref(take.master).path,
            available=take.frames,
            first=current.first,
            frames=take.frames - current.first,
            overlap=joined[1],
            transition=joined[0],
            lines=tuple(_lines(board, shot)),
            details={
                "take": take.number,
                # As text: a number of 64 bits does not survive every reader.
                "seed": str(take.request.get("seed", "")),
                "mode": str(take.request.get("mode", "")),
                "recalled": [f"{keyframe.name} {keyframe.reason}".strip() for keyframe in take.recalled],
            },
        )

    def _transition(self, shot: BoardShot) -> tuple[str, Transition[Any]]:
        chosen = shot.shot.transition
        if chosen is not None:
            choice = PluginChoice(name=chosen.name, settings=chosen.settings)
        else:
            key = "cut" if shot.cut else "continuation"
            if key in self._objects:
                raise RunStoreError(
                    f"{self._store.folder}: was made with a Python object ({key} = {self._objects[key]}), so how "
                    f"shot {shot.id} joins is not known here; name a registered transition instead"
                )
            choice = getattr(self._settings, key)
        plugin = self._host.build(Kind.TRANSITION, choice.name, choice.settings)
        assert isinstance(plugin, Transition)  # the registry checked it
        return choice.name, plugin


def _lines(board: Storyboard, shot: BoardShot) -> Iterator[SpokenLine]:
    if shot.shot.narration.strip():
        yield SpokenLine(shot.shot.narration.strip(), narration=True)
    for line in shot.shot.dialogue:
        entity = board.entities.get(line.speaker)
        yield SpokenLine(line.text, entity.label if entity else line.speaker)


def _free_standing(shots: list[TimelineShot | None]) -> list[TimelineShot]:
    """Return the shots that are there; one whose predecessor is missing has nothing to be blended with."""
    before: TimelineShot | None = None
    standing = []
    for shot in shots:
        if shot is not None:
            standing.append(shot if before is not None else replace(shot, overlap=0))
        before = shot
    return standing


def _missing(shots: list[str]) -> list[str]:
    return [f"shots {', '.join(shots)} are not finished and missing here"] if shots else []


def _outdated(store: RunStore, timeline: Timeline) -> list[str]:
    film = store.folder / FILM
    if not film.is_file():
        return []
    frames = count_frames(film)
    if frames == timeline.length:
        return []
    return [f"{FILM} has {frames} frames and this cut {timeline.length}: shots have changed since it was joined"]
