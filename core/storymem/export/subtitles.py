"""A film's narration and dialogue as a subtitle file: SubRip, WebVTT or Advanced SubStation Alpha."""

from __future__ import annotations

import html
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from storymem.errors import MediaError, PluginError, ScriptError
from storymem.export.cues import READABLE, Cue, cues, findings
from storymem.export.reading import read_timeline
from storymem.media.files import writing
from storymem.store.runstore import RunStore
from storymem.text import one_line
from storymem.values.timeline import Timeline

if TYPE_CHECKING:
    import pysubs2

FORMATS = {".srt": "srt", ".vtt": "vtt", ".ass": "ass"}
#: What would be taken for commands becomes the full-width character of the same look: no format can escape them all.
_PLAIN = str.maketrans("{}\\", "\uff5b\uff5d\uff3c")
_TAGS = str.maketrans("<>", "\uff1c\uff1e")


@dataclass(frozen=True, slots=True)
class Subtitles:
    """What was written: the file, its subtitles, and a line for each that cannot be read in its time."""

    path: Path
    cues: tuple[Cue, ...]
    findings: tuple[str, ...]


def write_subtitles(
    run: Path | str, out: Path | str, *, speakers: bool = False, readable: float = READABLE, force: bool = False
) -> Subtitles:
    """Write the narration and dialogue of a run's film as subtitles. The run is only read.

    Args:
        run: The run folder.
        out: The file; ``.srt``, ``.vtt`` or ``.ass``.
        speakers: Put the speaker's name before each line; an .ass file has a field for it in any case.
        readable: Columns a second that can be read; what is faster is named in the findings.
        force: Replace a file that is there.

    Raises:
        ScriptError: No finished shot has a line.
        PluginError: pysubs2 is not installed.
        MediaError: The suffix is unknown, or the file is in the way or cannot be written.
    """
    target = Path(out)
    form = _form(target, force)
    with RunStore(Path(run), write=False) as store:
        timeline = read_timeline(store)
    found = cues(timeline)
    if not found:
        raise ScriptError(f"{run}: no finished shot has a line; give shots narration or dialogue in the script")
    text = _file(timeline, found, form, speakers).to_string(form)
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    return Subtitles(target, tuple(found), tuple(findings(found, timeline.fps, readable)))


def _form(target: Path, force: bool) -> str:
    form = FORMATS.get(target.suffix.lower())
    if form is None:
        raise MediaError(f"{target}: unknown kind of subtitles {target.suffix!r}; use {', '.join(FORMATS)}")
    if os.path.lexists(target) and not force:
        raise MediaError(f"{target}: exists; choose another name with --out, or add --force to replace it")
    return form


def _file(timeline: Timeline, found: list[Cue], form: str, speakers: bool) -> pysubs2.SSAFile:
    try:
        import pysubs2
    except ImportError as error:
        raise PluginError(
            "subtitles need pysubs2, not installed; install it with: pip install 'storymem[edit]'"
        ) from error
    file = pysubs2.SSAFile()
    # Fonts and margins are in these pixels.
    file.info |= {
        "Title": one_line(timeline.title),
        "PlayResX": str(timeline.size[0]),
        "PlayResY": str(timeline.size[1]),
    }
    file.styles["Default"].fontsize = max(timeline.size[1] // 18, 8)
    for cue in found:
        event = pysubs2.SSAEvent(start=_ms(cue.start), end=_ms(cue.end), text=_text(cue, form, speakers))
        # A comma would begin the next field.
        event.name = one_line(cue.line.speaker).replace(",", ";")
        file.append(event)
    return file


def _text(cue: Cue, form: str, speakers: bool) -> str:
    text = "\\N".join(_escaped(row, form) for row in cue.rows)
    if speakers and cue.line.speaker and form != "ass":
        text = f"{_escaped(cue.line.speaker, form)}: {text}"
    return f"{{\\i1}}{text}{{\\i0}}" if cue.line.narration else text


def _escaped(text: str, form: str) -> str:
    plain = one_line(text).translate(_PLAIN)
    if form == "vtt":
        return html.escape(plain, quote=False)
    return plain.translate(_TAGS) if form == "srt" else plain


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
