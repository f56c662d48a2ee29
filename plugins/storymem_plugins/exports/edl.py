"""CMX 3600 edit decision lists: the oldest form, and the one that every program reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote

import opentimelineio as otio

from storymem.film.names import shot_name
from storymem.interfaces import Exporter
from storymem.media.files import writing
from storymem.text import one_line
from storymem.values.timeline import Edit, Timeline
from storymem_plugins.exports.rates import TIMECODE_RATES, rate_for, rate_notes
from storymem_plugins.exports.settings import RateSettings
from storymem_plugins.exports.timelines import adapted, otio_timeline

#: Events are numbered with three digits.
_MAX_EVENTS = 999


class EditDecisionList(Exporter[RateSettings]):
    """An ``.edl`` file: reels are shots (``01_02``), prompts and entities are comments, scenes are locators."""

    suffix: ClassVar[str] = ".edl"

    def export(self, timeline: Timeline, target: Path) -> Sequence[str]:
        """Write the cut; entities' looks and what shots recalled have no place in it."""
        rate = rate_for(timeline.fps, TIMECODE_RATES, self.settings.rate, "edl")
        notes = rate_notes(timeline, rate, "an EDL")
        if len(timeline.shots) > _MAX_EVENTS:
            notes.append(f"{len(timeline.shots)} events; programs that follow the standard read {_MAX_EVENTS}")
        made = otio_timeline(timeline, target.parent, rate, [])
        starts = {edit.shot.id: edit for edit in timeline.scene_starts(rate)}
        for clip in made.find_clips():
            _fit(clip, timeline, starts.get(clip.name), rate)
        # With the first event, because readers refuse a comment before it.
        first = made.tracks[0][0].metadata["cmx_3600"]["comments"]
        first.extend(f"NOTE: {one_line(note)}" for note in [*timeline.notes, *notes])
        title, *lines = _once(adapted(made, target, "cmx_3600"))
        with writing(target):
            target.write_text("\n".join([title, "FCM: NON-DROP FRAME", *lines]) + "\n", encoding="utf-8")
        return notes


def _fit(clip: otio.schema.Clip, timeline: Timeline, scene: Edit | None, rate: int) -> None:
    """Give a clip a reel that CMX 3600 allows, a plain path, and lines of comment in place of markers.

    The adapter would write markers in the time of the file; locators are in that of the film.
    """
    clip.media_reference.target_url = unquote(clip.media_reference.target_url)
    clip.markers.clear()
    shot = clip.metadata["storymem"]
    comments = [f"SHOT {clip.name}: {one_line(shot['prompt'])}"]
    if entities := ", ".join(map(one_line, shot["entities"])):
        comments.append(f"ENTITIES: {entities}")
    if scene is not None:
        at = otio.opentime.to_timecode(otio.opentime.RationalTime(scene.begin, rate), rate)
        comments.append(f"LOC: {at} PURPLE  {one_line(timeline.scene_name(scene.shot.scene))}")
    clip.metadata["cmx_3600"] = {"reel": shot_name(clip.name), "comments": comments}


def _once(text: str) -> Iterator[str]:
    """Yield the lines of a list with each locator and note once: a dissolve repeats those of the shot before it."""
    seen: set[str] = set()
    for line in text.splitlines():
        if line not in seen:
            yield line
        if line.startswith(("* LOC:", "* NOTE:")):
            seen.add(line)
