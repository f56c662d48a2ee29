"""What the tests of exports share: a small story, and the cuts that OpenTimelineIO reads from a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import opentimelineio as otio

from storymem import Storyteller
from storymem.testing import FakeBackbone, FakeBackboneSettings
from storymem.values.timeline import Timeline

STORY: dict[str, Any] = {
    "title": "The kite",
    "entities": [{"id": "anna", "name": "Anna", "look": "a yellow coat"}, {"id": "kite", "kind": "object"}],
    "scenes": [
        {
            "title": "Morning",
            "shots": [
                {"prompt": "Anna runs.", "entities": ["anna", "kite"], "frames": 13, "narration": "One windy morning."},
                {"prompt": "The kite rises.", "entities": ["kite"], "cut": False, "frames": 13},
                {
                    "prompt": "Anna looks up.",
                    "entities": ["anna"],
                    "frames": 13,
                    "transition": {"name": "dissolve", "settings": {"frames": 3}},
                    "dialogue": [{"speaker": "anna", "text": "Higher!"}, {"speaker": "A voice", "text": "Yes."}],
                },
            ],
        },
        {
            "shots": [
                {"prompt": "It falls.", "frames": 13, "transition": {"name": "dissolve", "settings": {"frames": 4}}},
                {"prompt": "Anna goes home.", "frames": 13, "cut": False, "transition": "motion"},
            ]
        },
    ],
}


def rendered(folder: Path, story: dict[str, Any], fail: tuple[str, ...] = (), **settings: Any) -> Path:
    """Render a story with the kit's backbone, 8 frames a second, and return the run folder."""
    backbone = FakeBackbone(FakeBackboneSettings(fail=fail))
    with Storyteller(folder, backbone=backbone, **{"size": (64, 48), "policy": "recent", **settings}) as teller:
        teller.render(story, check=False)
    return folder


@dataclass(frozen=True)
class Cut:
    """One clip as OpenTimelineIO reads it, in frames of the file's rate, and the dissolve before it."""

    name: str
    start: float
    length: float
    source: float
    dissolve: tuple[float, float] | None


def cuts(timeline: otio.schema.Timeline) -> list[Cut]:
    """Return the clips of a timeline's only track."""
    (track,) = timeline.video_tracks()
    found, dissolve = [], None
    for item in track:
        if isinstance(item, otio.schema.Transition):
            dissolve = (item.in_offset.value, item.out_offset.value)
        else:
            at, source = item.trimmed_range_in_parent(), item.source_range
            found.append(Cut(item.name, at.start_time.value, at.duration.value, source.start_time.value, dissolve))
            dissolve = None
    return found


def expected(timeline: Timeline, rate: int | None = None) -> list[Cut]:
    """Return what a form that knows centred dissolves must hold."""
    return [
        Cut(e.shot.id, e.start, e.length, e.source, (e.lead, e.trail) if e.lead + e.trail else None)
        for e in timeline.edits(rate)
    ]


def expected_in_edl(timeline: Timeline, rate: int) -> list[Cut]:
    """Return what an EDL must hold: its dissolves begin with the event."""
    edits = timeline.edits(rate)
    ends = [*(edit.begin for edit in edits[1:]), edits[-1].end]
    return [
        Cut(e.shot.id, e.begin, end - e.begin, e.source - e.lead, (0, e.lead + e.trail) if e.lead + e.trail else None)
        for e, end in zip(edits, ends, strict=True)
    ]
