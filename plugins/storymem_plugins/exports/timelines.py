"""A film's cut as an OpenTimelineIO timeline: clips with handles, dissolves, markers, and what they show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import opentimelineio as otio

from storymem.errors import MediaError
from storymem.text import one_line, xml_text
from storymem.values.timeline import Edit, Timeline, TimelineShot
from storymem_plugins.exports.links import relative_url

#: Under this key the metadata holds everything of ours.
KEY = "storymem"


def otio_timeline(timeline: Timeline, folder: Path, rate: int, notes: Sequence[str]) -> otio.schema.Timeline:
    """Return the cut at ``rate`` frames a second, with files named relative to ``folder``."""
    track = otio.schema.Track(name="Film", kind=otio.schema.TrackKind.Video)
    edits = timeline.edits(rate)
    for edit in edits:
        if edit.lead or edit.trail:
            track.append(_dissolve(edit, rate))
        track.append(_clip(edit, folder, rate))
    result = otio.schema.Timeline(name=xml_text(one_line(timeline.title)))
    result.tracks.append(track)
    result.tracks.markers.extend(_scene_markers(timeline, rate))
    width, height = timeline.size
    result.metadata[KEY] = {
        "fps": timeline.fps,
        "size": [width, height],
        "entities": dict(timeline.entities),
        "notes": list(notes),
    }
    return result


def adapted(timeline: otio.schema.Timeline, target: Path, adapter: str) -> str:
    """Return a timeline in an adapter's form.

    Raises:
        MediaError: The adapter refuses.
    """
    try:
        return str(otio.adapters.write_to_string(timeline, adapter))
    except (otio.exceptions.OTIOError, ValueError, KeyError) as error:
        raise MediaError(f"{target}: cannot be written: {' '.join(str(error).split())}") from error


def _clip(edit: Edit, folder: Path, rate: int) -> otio.schema.Clip:
    shot = edit.shot
    media = otio.schema.ExternalReference(
        target_url=relative_url(shot.media, folder), available_range=_range(0, edit.available, rate)
    )
    media.name = shot.media.name
    clip = otio.schema.Clip(name=shot.id, media_reference=media, source_range=_range(edit.source, edit.length, rate))
    clip.metadata[KEY] = _known(shot)
    # In the time of the file, as all markers of clips are.
    clip.markers.append(_marker(f"Shot {shot.id}", shot.prompt, _range(edit.source, 1, rate), "GREEN"))
    return clip


def _known(shot: TimelineShot) -> dict[str, object]:
    lines = [{"text": line.text, "speaker": line.speaker, "narration": line.narration} for line in shot.lines]
    return {
        "shot": shot.id,
        "prompt": shot.prompt,
        "entities": list(shot.entities),
        "transition": shot.transition,
        "lines": lines,
        **shot.details,
    }


def _dissolve(edit: Edit, rate: int) -> otio.schema.Transition:
    return otio.schema.Transition(
        name=edit.shot.transition,
        transition_type=otio.schema.TransitionTypes.SMPTE_Dissolve,
        in_offset=otio.opentime.RationalTime(edit.lead, rate),
        out_offset=otio.opentime.RationalTime(edit.trail, rate),
    )


def _scene_markers(timeline: Timeline, rate: int) -> Iterator[otio.schema.Marker]:
    for edit in timeline.scene_starts(rate):
        yield _marker(timeline.scene_name(edit.shot.scene), "", _range(edit.begin, 1, rate), "PURPLE")


def _marker(name: str, comment: str, at: otio.opentime.TimeRange, colour: str) -> otio.schema.Marker:
    """Return a marker; Final Cut Pro 7 XML takes its comment from the metadata."""
    marker = otio.schema.Marker(name=xml_text(one_line(name)), marked_range=at, color=colour)
    marker.comment = xml_text(comment)
    if comment:
        marker.metadata["fcp_xml"] = {"comment": marker.comment}
    return marker


def _range(start: int, length: int, rate: int) -> otio.opentime.TimeRange:
    return otio.opentime.TimeRange(otio.opentime.RationalTime(start, rate), otio.opentime.RationalTime(length, rate))
