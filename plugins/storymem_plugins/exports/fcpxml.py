"""FCPXML 1.9, as Final Cut Pro X and DaVinci Resolve read it, written against its published structure.

Written here, because the existing adapter leaves out dissolves. Times are fractions of seconds, so that any frame
rate is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import ClassVar
from xml.etree import ElementTree as ET

from storymem.interfaces import Exporter
from storymem.media.files import writing
from storymem.text import one_line, xml_text
from storymem.values.timeline import Edit, Timeline
from storymem_plugins.exports.links import relative_url
from storymem_plugins.exports.rates import rate_notes
from storymem_plugins.exports.settings import RateSettings

VERSION = "1.9"  #: the first with media-rep, and read by every later program
#: What Final Cut Pro calls its own cross dissolve.
_CROSS_DISSOLVE = "FxPlug:4731E73A-8DAC-4113-9A30-AE85B1761265"
#: Rates of Final Cut Pro's own projects; other programs take any.
_PROJECT_RATES = (24, 25, 30, 50, 60)
_FORMAT, _EFFECT, _MEDIA = "r1", "r2", "r3"


class FinalCutX(Exporter[RateSettings]):
    """An ``.fcpxml`` file: chapter markers for scenes, markers for prompts, keywords for entities."""

    suffix: ClassVar[str] = ".fcpxml"

    def export(self, timeline: Timeline, target: Path) -> Sequence[str]:
        """Write the cut; entities' looks and what shots recalled have no place in it."""
        rate = self.settings.rate or timeline.fps
        notes = rate_notes(timeline, rate, "this FCPXML")
        if rate not in _PROJECT_RATES:
            allowed = ", ".join(map(str, _PROJECT_RATES))
            notes.append(
                f"the sequence has {rate} frames a second, exact in DaVinci Resolve; Final Cut Pro edits at {allowed}: "
                "for it, set rate to one of them"
            )
        writer = _Writer(timeline, target.parent, rate)
        tree = writer.document([*timeline.notes, *notes])
        ET.indent(tree)
        text = ET.tostring(tree, encoding="unicode")
        with writing(target):
            target.write_text(f'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n{text}\n', encoding="utf-8")
        return notes


class _Writer:
    def __init__(self, timeline: Timeline, folder: Path, rate: int) -> None:
        self._timeline = timeline
        self._folder = folder
        self._rate = rate
        self._media_format = _FORMAT if rate == timeline.fps else _MEDIA
        self._scenes = {edit.shot.id for edit in timeline.scene_starts()}

    def document(self, notes: Sequence[str]) -> ET.Element:
        title = _line(self._timeline.title)
        edits = self._timeline.edits(self._rate)
        root = ET.Element("fcpxml", version=VERSION)
        resources = ET.SubElement(root, "resources")
        self._formats(resources)
        if any(edit.shot.overlap for edit in edits[1:]):
            ET.SubElement(resources, "effect", id=_EFFECT, name="Cross Dissolve", uid=_CROSS_DISSOLVE)
        event = ET.SubElement(ET.SubElement(root, "library"), "event", name=title)
        project = ET.SubElement(event, "project", name=title)
        sequence = ET.SubElement(
            project, "sequence", format=_FORMAT, duration=self._time(edits[-1].end), tcStart="0s", tcFormat="NDF"
        )
        if notes:
            ET.SubElement(sequence, "note").text = xml_text("\n".join(notes))
        spine = ET.SubElement(sequence, "spine")
        for index, edit in enumerate(edits):
            self._asset(resources, edit, f"a{index + 1}")
            self._dissolve(spine, edit)
            self._clip(spine, edit, f"a{index + 1}")
        return root

    def _formats(self, resources: ET.Element) -> None:
        """Describe the sequence and, where it is edited at another rate, its files."""
        width, height = map(str, self._timeline.size)
        rates = {_FORMAT: self._rate, self._media_format: self._timeline.fps}
        for id_, rate in rates.items():
            ET.SubElement(resources, "format", id=id_, frameDuration=f"1/{rate}s", width=width, height=height)

    def _asset(self, resources: ET.Element, edit: Edit, id_: str) -> None:
        asset = ET.SubElement(
            resources,
            "asset",
            id=id_,
            name=edit.shot.media.name,
            start="0s",
            duration=f"{Fraction(edit.shot.available, self._timeline.fps)}s",
            hasVideo="1",
            format=self._media_format,
        )
        ET.SubElement(asset, "media-rep", kind="original-media", src=relative_url(edit.shot.media, self._folder))

    def _dissolve(self, spine: ET.Element, edit: Edit) -> None:
        if length := edit.lead + edit.trail:
            at = {"offset": self._time(edit.begin), "duration": self._time(length)}
            transition = ET.SubElement(spine, "transition", {"name": "Cross Dissolve", **at})
            ET.SubElement(transition, "filter-video", ref=_EFFECT, name="Cross Dissolve")

    def _clip(self, spine: ET.Element, edit: Edit, asset: str) -> None:
        clip = ET.SubElement(
            spine,
            "asset-clip",
            ref=asset,
            name=edit.shot.id,
            offset=self._time(edit.start),
            start=self._time(edit.source),
            duration=self._time(edit.length),
            tcFormat="NDF",
        )
        if self._rate != self._timeline.fps:
            # Frames are repeated, or left out; the speed stays.
            ET.SubElement(clip, "conform-rate", scaleEnabled="0", frameSampling="floor")
        at = {"start": self._time(edit.source), "duration": self._time(1)}
        if edit.shot.id in self._scenes:
            name = _line(self._timeline.scene_name(edit.shot.scene))
            ET.SubElement(clip, "chapter-marker", {**at, "value": name})
        note = {"value": f"Shot {edit.shot.id}", "note": xml_text(edit.shot.prompt)}
        ET.SubElement(clip, "marker", {**at, **note})
        if edit.shot.entities:
            whole = {"start": self._time(edit.source), "duration": self._time(edit.length)}
            ET.SubElement(clip, "keyword", {**whole, "value": _line(", ".join(edit.shot.entities))})

    def _time(self, frames: int) -> str:
        """Return a time in seconds as FCPXML writes it: ``5s`` or ``81/16s``."""
        return f"{Fraction(frames, self._rate)}s"


def _line(text: str) -> str:
    return xml_text(one_line(text))
