"""Chosen keyframes in the order in which the backbone gets them."""

from __future__ import annotations

from collections.abc import Iterable

from storymem.interfaces import Keyframe, MemoryView


def in_view_order(view: MemoryView, chosen: Iterable[Keyframe]) -> list[Keyframe]:
    """Return chosen keyframes in story order, without repeats."""
    ids = {keyframe.id for keyframe in chosen}
    return [keyframe for keyframe in view if keyframe.id in ids]
