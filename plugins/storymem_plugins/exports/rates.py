"""What frame rate a form is written at, if it cannot hold the film's own, and how that is said.

The rule: the smallest rate that the form holds and that is a multiple of the film's, so that every shot begins exactly
where it did; if there is none, the form's highest rate, with each cut on its nearest frame.
"""

from __future__ import annotations

from collections.abc import Sequence

from storymem.errors import SettingsError
from storymem.values.timeline import Timeline

#: Whole rates for which SMPTE timecode is defined, and which the adapters of OpenTimelineIO write.
TIMECODE_RATES = (24, 25, 30, 48, 50, 60)


def rate_for(fps: int, held: Sequence[int], asked: int | None, form: str) -> int:
    """Return the rate to write a film of ``fps`` at.

    Args:
        fps: Of the film.
        held: What the form holds, ascending.
        asked: What the user wants instead of the rule; None for the rule.
        form: Its name, for the message.

    Raises:
        SettingsError: The form does not hold the rate that was asked for.
    """
    if asked is not None:
        if asked not in held:
            allowed = ", ".join(map(str, held))
            raise SettingsError(f"exporter {form!r}: rate: {asked} cannot be written; it holds {allowed}")
        return asked
    return next((rate for rate in held if rate % fps == 0), held[-1])


def rate_notes(timeline: Timeline, rate: int, form: str) -> list[str]:
    """Return what the rate does to the cut, a line; nothing where it is the film's own."""
    fps = timeline.fps
    if rate == fps:
        return []
    if rate % fps == 0:
        kept = f"{rate // fps} for each, so every cut stays exactly where it is"
        return [f"{fps} frames a second are written as {rate}, {kept}; {form} is edited at {rate}"]
    moved = [
        abs(edit.begin / rate - own.begin / fps)
        for edit, own in zip(timeline.edits(rate), timeline.edits(), strict=True)
    ]
    count = sum(distance > 0 for distance in moved)
    most = max(moved, default=0) * 1000
    shift = f"{count} of {len(moved)} cuts moved to the nearest frame, by at most {most:.1f} ms"
    return [f"{fps} frames a second are written as {rate}: {shift}"]
