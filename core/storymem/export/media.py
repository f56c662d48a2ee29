"""The files that an export refers to: the masters, the viewing copies, or copies that editing programs play well."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from pathlib import Path

from storymem.errors import MediaError
from storymem.film.names import shot_name
from storymem.media.files import media_errors, writing
from storymem.media.sound import read_sound
from storymem.media.video import Codec, VideoWriter, count_frames, iter_frames
from storymem.store.objects import verified
from storymem.store.runstore import RunStore
from storymem.values.timeline import Timeline, TimelineShot

#: Whole numbers of 24 bits, which every editing program reads; 32-bit floats in MOV are not.
_SOUND = "pcm_s24le"
#: 4:2:2 with 10 bits, profile 3 (HQ).
PRORES = Codec("prores_ks", "yuv422p10le", "mov", ".mov", (("profile", "3"), ("vendor", "apl0")), _SOUND)
#: 4:2:2 with 8 bits.
DNXHR = Codec("dnxhd", "yuv422p", "mov", ".mov", (("profile", "dnxhr_hq"),), _SOUND)

#: The smallest (width, height) that the encoder takes.
DNXHR_LEAST = (256, 120)


class MediaKind(StrEnum):
    """What an export refers to."""

    MASTER = "master"  #: the lossless masters, with the frames that transitions dropped as handles
    VIEW = "view"  #: the viewing copies, H.264 that everything plays, without handles
    PRORES = "prores"  #: new ProRes 422 HQ files of the masters, with handles
    DNXHR = "dnxhr"  #: new DNxHR HQ files of the masters, with handles


def with_media(timeline: Timeline, kind: MediaKind, store: RunStore, folder: Path) -> Timeline:
    """Return a timeline of masters with its shots cut from files of another kind.

    Args:
        timeline: As :func:`storymem.export.reading.read_timeline` gives it.
        kind: Which files.
        store: The run.
        folder: Where new files go, ``01_02.mov`` for shot 1.2; made if any are written.

    Raises:
        MediaError: A file cannot be written.
        DamagedFile: A file is not what was recorded.
    """
    current = {shot.shot: shot for shot in store.finished()}

    def master(shot: TimelineShot) -> TimelineShot:
        verified(store.file_ref(shot.media.stem))  # objects are named by their digest
        return shot

    def view(shot: TimelineShot) -> TimelineShot:
        file = verified(store.file_ref(current[shot.id].view))
        return replace(shot, media=file, available=shot.available - shot.first, first=0)

    def copy(codec: Codec) -> Callable[[TimelineShot], TimelineShot]:
        def made(shot: TimelineShot) -> TimelineShot:
            target = folder / f"{shot_name(shot.id)}{codec.suffix}"
            _encode(master(shot), target, codec, timeline)
            return replace(shot, media=target)

        return made

    ways = {
        MediaKind.MASTER: master,
        MediaKind.VIEW: view,
        MediaKind.PRORES: copy(PRORES),
        MediaKind.DNXHR: copy(DNXHR),
    }
    if kind in (MediaKind.PRORES, MediaKind.DNXHR):
        _check_size(kind, timeline.size)
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
    return replace(timeline, shots=tuple(ways[kind](shot) for shot in timeline.shots))


def _check_size(kind: MediaKind, size: tuple[int, int]) -> None:
    if kind is MediaKind.DNXHR and (size[0] < DNXHR_LEAST[0] or size[1] < DNXHR_LEAST[1]):
        least, own = ("x".join(map(str, pair)) for pair in (DNXHR_LEAST, size))
        raise MediaError(f"DNxHR begins at {least} pixels, and the film has {own}; use --media prores")


def _encode(shot: TimelineShot, target: Path, codec: Codec, timeline: Timeline) -> None:
    sound = read_sound(shot.media)
    blocks = None if sound is None else [sound.samples]
    what, size = f"{target}: cannot write video", timeline.size
    with media_errors(what), VideoWriter(target, codec, *size, timeline.fps, blocks) as out:
        out.write(iter_frames(shot.media))
    if (written := count_frames(target)) != shot.available:
        raise MediaError(f"{target}: has {written} frames, its master has {shot.available}; this is a bug")
