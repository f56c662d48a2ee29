"""What the film of a run is joined from where nothing is finished: the takes that shots are at present."""

from __future__ import annotations

from storymem.engine.plan import StoryPlan
from storymem.film.film import FilmPart
from storymem.film.sound import ShotSound
from storymem.store.records import CurrentShot
from storymem.store.runstore import RunStore
from storymem.values.sound import samples_of


def film_parts(plan: StoryPlan, store: RunStore) -> list[FilmPart | None]:
    """Return what the film is joined from, shot by shot; None for shots that are not there."""
    finished = {current.shot: current for current in store.finished()}
    return [_part(plan, store, i, finished.get(spec.shot.id)) for i, spec in enumerate(plan.specs)]


def film_part(plan: StoryPlan, store: RunStore, index: int) -> FilmPart | None:
    """Return one element of :func:`film_parts` without looking at the others."""
    current = store.current(plan.specs[index].shot.id)
    return _part(plan, store, index, current[0] if current else None)


def _part(plan: StoryPlan, store: RunStore, index: int, current: CurrentShot | None) -> FilmPart | None:
    take = store.take(current.shot, current.take) if current else None
    if current is None or take is None:
        return None
    view, master, way = store.file_ref(current.view), store.file_ref(take.master), plan.specs[index].transition
    sound = ShotSound(master, samples_of(way.drop, take.fps)) if take.request.get("sound") else None
    return FilmPart(view, master, take.clip, take.frames, way.drop, way, way.overlap, sound)
