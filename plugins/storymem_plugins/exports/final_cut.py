"""Final Cut Pro 7 XML (xmeml): what Premiere Pro, DaVinci Resolve and others import."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import opentimelineio as otio

from storymem.interfaces import Exporter
from storymem.media.files import writing
from storymem.text import xml_text
from storymem.values.timeline import Timeline
from storymem_plugins.exports.rates import TIMECODE_RATES, rate_for, rate_notes
from storymem_plugins.exports.settings import RateSettings
from storymem_plugins.exports.timelines import adapted, otio_timeline


class FinalCutSeven(Exporter[RateSettings]):
    """An ``.xml`` file with markers for scenes, shots and notes; entities are in the clips' comments."""

    suffix: ClassVar[str] = ".xml"

    def export(self, timeline: Timeline, target: Path) -> Sequence[str]:
        """Write the cut; entities' looks and what shots recalled have no place in it."""
        rate = rate_for(timeline.fps, TIMECODE_RATES, self.settings.rate, "fcp7xml")
        notes = rate_notes(timeline, rate, "Final Cut Pro 7 XML")
        made = otio_timeline(timeline, target.parent, rate, [])
        made.metadata["fcp_xml"] = _format(timeline, rate)
        for clip in made.find_clips():
            entities = ", ".join(clip.metadata["storymem"]["entities"])
            clip.metadata["fcp_xml"] = {"comments": {"mastercomment1": xml_text(entities)}}
        for note in [*timeline.notes, *notes]:
            made.tracks.markers.append(_note(note, rate))
        with writing(target):
            target.write_text(adapted(made, target, "fcp_xml"), encoding="utf-8")
        return notes


def _format(timeline: Timeline, rate: int) -> dict[str, object]:
    width, height = timeline.size
    shape = {"width": str(width), "height": str(height), "rate": {"timebase": str(rate), "ntsc": "FALSE"}}
    return {"media": {"video": {"format": {"samplecharacteristics": shape}}}}


def _note(text: str, rate: int) -> otio.schema.Marker:
    start, length = otio.opentime.RationalTime(0, rate), otio.opentime.RationalTime(1, rate)
    marker = otio.schema.Marker(name="StoryMem", marked_range=otio.opentime.TimeRange(start, length), color="RED")
    marker.metadata["fcp_xml"] = {"comment": xml_text(text)}
    return marker
