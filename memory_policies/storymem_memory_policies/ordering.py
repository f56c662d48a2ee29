"""Chosen keyframes in the order in which the backbone gets them, and why they were chosen."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from storymem.interfaces import Keyframe, MemoryView


def in_view_order(view: MemoryView, chosen: Iterable[Keyframe]) -> list[Keyframe]:
    """Return chosen keyframes in story order, without repeats; of a repeated one the first reason counts."""
    first: dict[str, Keyframe] = {}
    for keyframe in chosen:
        first.setdefault(keyframe.id, keyframe)
    # By id, so that a view of thousands of keyframes need not be read for the few that were chosen.
    places = {id_: place for place, id_ in enumerate(view.ids) if id_ in first}
    return sorted(first.values(), key=lambda keyframe: places[keyframe.id])


def because_shows(keyframe: Keyframe, entities: Collection[str], needed: Iterable[str]) -> Keyframe:
    """Return a keyframe recalled for the ``needed`` entities it shows, named in their order."""
    shown = [entity for entity in needed if entity in entities]
    return keyframe.because(f"shows {', '.join(shown)}" if shown else "fills the budget")
