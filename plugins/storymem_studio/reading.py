"""A run as pages show it: shots as cards, one shot in full, the cast. Decodes no picture and takes no lock."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from storymem.errors import PluginError, SettingsError, StoryMemError
from storymem.graph import ShotGraph
from storymem.interfaces import Keyframe
from storymem.plugin import PluginHost
from storymem.progress import ShotProgress, holder, shots_in_work
from storymem.result import ShotState, ShotStatus
from storymem.runs import OpenRun, open_run
from storymem.session import Session, request_of
from storymem.store.records import CurrentShot, Take
from storymem.store.runstore import RunStore
from storymem.values.script import Entity
from storymem.values.storyboard import BoardShot

#: Settings that decide which shots wait for which; the model is not among them, and is not built for it.
_DECIDE_GRAPH = ("policy", "encoder", "cut", "continuation")
_LIGHT = "animatic"


@dataclass(frozen=True, slots=True)
class Still:
    """A picture that a page can ask for: a file by its digest, and the frame if it is a video."""

    digest: str
    frame: int | None = None
    name: str = ""
    reason: str = ""
    shot: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """One shot on the board.

    Attributes:
        shot: As the script has it.
        state: finished, failed, running or waiting.
        status: What the run says of it.
        entities: Labels of what it shows.
        waits: Shots that it waits for and that are not finished.
        takes: How many takes there are.
        poster: The middle frame of what is in the film.
        view: Digest of the clip that is in the film.
        work: How far a render is with it.
        critical: Whether it is on the longest chain of shots that wait for each other.
        step: In which round it can be made, 1 first, when everything runs in parallel that can; 0 if not known.
    """

    shot: BoardShot
    state: str
    status: ShotStatus
    entities: tuple[str, ...]
    waits: tuple[str, ...] = ()
    takes: int = 0
    poster: Still | None = None
    view: str = ""
    work: ShotProgress | None = None
    critical: bool = False
    step: int = 0

    @property
    def way_in(self) -> str:
        """How it follows the shot before it."""
        chosen = self.shot.shot.transition
        return chosen.name if chosen else "cut" if self.shot.cut else "continues"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A candidate frame that a filter refused."""

    still: Still
    filter: str
    score: float
    threshold: float
    reason: str


@dataclass(frozen=True, slots=True)
class ShotView:
    """One shot in full.

    Attributes:
        card: As on the board.
        takes: All takes, oldest first, each with the digest of its viewing copy or an empty text.
        fps: Frames per second.
        saw: Shots that its policy lets it see; None where that cannot be known.
        recalled: What its take was shown, in order, with the policy's reasons.
        handed: The frames that the shot before handed over.
        kept: What it gives to memory, with scores.
        refused: Candidates that filters refused.
        before: Id of the shot before it; empty at the start.
        after: Id of the shot after it; empty at the end.
    """

    card: Card
    takes: tuple[tuple[Take, str], ...]
    fps: int
    saw: tuple[str, ...] | None
    recalled: tuple[Still, ...]
    handed: tuple[Still, ...]
    kept: tuple[tuple[Still, dict[str, float]], ...]
    refused: tuple[Refusal, ...]
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class CastRow:
    """An entity, its reference images, and the shots that show it, in story order."""

    entity: Entity
    references: tuple[Still, ...]
    cards: tuple[Card, ...]


class Graphs:
    """Which shots wait for which, worked out once per story and settings."""

    def __init__(self, host: PluginHost) -> None:
        self._host = host
        self._known: dict[tuple[str, str], ShotGraph | str] = {}

    def of(self, run: OpenRun) -> ShotGraph | str:
        """Return the graph of a run, or why it cannot be known."""
        story, settings = run.board.script, run.store.meta("settings") or "{}"
        key = (story.model_dump_json(), settings)
        if key not in self._known:
            if len(self._known) > 64:  # old versions of stories that were edited since
                self._known.clear()
            try:
                request_of(run.store).require()
                given = {k: v for k, v in json.loads(settings).items() if k in _DECIDE_GRAPH}
                with Session({**given, "backbone": _LIGHT}, plugins=self._host) as session:
                    self._known[key] = session.plan(story).graph
            except StoryMemError as error:
                self._known[key] = str(error)
        return self._known[key]


@contextmanager
def reading(folder: Path, graphs: Graphs, host: PluginHost) -> Iterator[RunReader]:
    """Open a run for its pages, without its memory store where the plugin of that is not installed."""
    try:
        with open_run(folder, host=host) as run:
            yield RunReader(run, graphs.of(run))
    except (PluginError, SettingsError):
        with RunStore(folder, write=False) as store:
            run = OpenRun(store, None)
            yield RunReader(run, graphs.of(run))


class RunReader:
    """A run as its pages show it.

    Args:
        run: The run, open.
        graph: Which shots wait for which, or why that cannot be known.
    """

    def __init__(self, run: OpenRun, graph: ShotGraph | str) -> None:
        self.run = run
        self.script = run.board.script
        self.note = graph if isinstance(graph, str) else ""
        self.film = (run.store.folder / "film.mp4").is_file()
        self._graph = None if isinstance(graph, str) else graph
        self._work = shots_in_work(run.store.folder)
        self.running = self._work is not None
        self.holder = holder(run.store.folder)

    @cached_property
    def cards(self) -> tuple[Card, ...]:
        """All shots in story order."""
        return tuple(self._card(shot) for shot in self.run.board)

    def card(self, shot: str) -> Card:
        """Return one shot; raises :class:`RunStoreError` if the story has none of this id."""
        self.run.require_shot(shot)
        return self._card(self.run.board.shot(shot))

    def shot(self, shot: str) -> ShotView:
        """Return one shot in full; raises :class:`RunStoreError` if the story has none of this id."""
        card = self.card(shot)
        place, shots = card.shot.position, self.run.board.shots
        copies = self.run.viewing_copies(shot)
        takes = self.run.takes(shot)
        views = [copies[t.number].digest if t.number in copies else "" for t in takes]
        return ShotView(
            card=card,
            takes=tuple(zip(takes, views, strict=True)),
            fps=next((take.fps for take in takes), 16),
            saw=self._saw(card.shot),
            recalled=tuple(still for k in card.status.recalled if (still := _picture(k))),
            handed=tuple(self._handed(card)),
            kept=tuple((s, dict(k.scores)) for k in self.run.keyframes(shot) if (s := _picture(k))),
            refused=tuple(self._refused(card)),
            before=shots[place - 1].id if place else "",
            after=shots[place + 1].id if place + 1 < len(shots) else "",
        )

    def cast(self) -> list[CastRow]:
        """Return every entity with what it looks like across the film."""
        return [
            CastRow(e, tuple(self._references(e)), tuple(c for c in self.cards if e.id in c.shot.entities))
            for e in self.script.entities
        ]

    @cached_property
    def _status(self) -> dict[str, ShotStatus]:
        return self.run.status()

    @cached_property
    def _current(self) -> dict[str, CurrentShot]:
        return {current.shot: current for current in self.run.store.finished()}

    @cached_property
    def _counts(self) -> dict[str, int]:
        return dict(self.run.store.db.rows("SELECT shot, count(*) FROM takes GROUP BY shot"))

    @cached_property
    def _critical(self) -> frozenset[str]:
        return frozenset(self._graph.critical_path()) if self._graph else frozenset()

    @cached_property
    def _steps(self) -> dict[str, int]:
        steps: dict[str, int] = {}
        for shot in self.run.board if self._graph else ():
            before = (steps[parent] for parent in self._graph.parents(shot.id)) if self._graph else ()
            steps[shot.id] = 1 + max(before, default=0)
        return steps

    @cached_property
    def _labels(self) -> dict[str, str]:
        return {entity.id: entity.label for entity in self.script.entities}

    def _card(self, shot: BoardShot) -> Card:
        status = self._status[shot.id]
        work = (self._work or {}).get(shot.id)
        current = self._current.get(shot.id) if status.take else None
        poster = None
        if current is not None and status.take is not None:
            poster = Still(current.view, (status.take.frames - current.first) // 2, shot.id)
        return Card(
            shot=shot,
            state="running" if work else str(status.state),
            status=status,
            entities=tuple(self._labels[entity] for entity in shot.entities),
            waits=self._waits(shot.id) if status.state is ShotState.WAITING and not work else (),
            takes=self._counts.get(shot.id, 0),
            poster=poster,
            view=status.view.stem if status.view else "",
            work=work,
            critical=shot.id in self._critical,
            step=self._steps.get(shot.id, 0),
        )

    def _waits(self, shot: str) -> tuple[str, ...]:
        parents = self._graph.parents(shot) if self._graph else []
        return tuple(parent for parent in parents if self._status[parent].state is not ShotState.FINISHED)

    def _saw(self, shot: BoardShot) -> tuple[str, ...] | None:
        if self._graph is None:
            return None
        return tuple(self.run.board.shots[position].id for position in self._graph.visible[shot.position])

    def _handed(self, card: Card) -> Iterator[Still]:
        current, place = self._current.get(card.shot.id), card.shot.position
        before = self._current.get(self.run.board.shots[place - 1].id) if place else None
        if current and before and before.tail:
            for frame in range(current.first):
                yield Still(before.tail, frame, f"{before.shot}, end", shot=before.shot)

    def _refused(self, card: Card) -> Iterator[Refusal]:
        for r in card.status.rejections if card.status.take else ():
            still = Still(card.status.take.master, r.frame, f"frame {r.frame}") if card.status.take else Still("")
            yield Refusal(still, r.filter, r.score, r.threshold, r.reason)

    def _references(self, entity: Entity) -> Iterator[Still]:
        selection, memory = self.run.store.references(), self.run.memory_store
        for keyframe in memory.of(selection.key) if selection and memory else ():
            if entity.id in keyframe.entities and (still := _picture(keyframe)):
                yield still


def _picture(keyframe: Keyframe) -> Still | None:
    """Return a remembered picture; None where it was pruned, and nothing but its record is left."""
    if keyframe.file is None:
        return None
    shot = "" if keyframe.is_reference else keyframe.shot
    return Still(keyframe.file.digest, None, keyframe.name, keyframe.reason, shot)
