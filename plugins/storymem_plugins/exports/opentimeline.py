"""OpenTimelineIO files: the form that holds everything, at any rate."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from storymem.interfaces import Exporter
from storymem.media.files import writing
from storymem.values.timeline import Timeline
from storymem_plugins.exports.timelines import adapted, otio_timeline


class OpenTimeline(Exporter):
    """An ``.otio`` file, with all we know of each shot in the metadata under ``storymem``."""

    suffix: ClassVar[str] = ".otio"

    def export(self, timeline: Timeline, target: Path) -> Sequence[str]:
        """Write the cut; nothing is lost."""
        made = otio_timeline(timeline, target.parent, timeline.fps, timeline.notes)
        with writing(target):
            target.write_text(adapted(made, target, "otio_json"), encoding="utf-8")
        return []
