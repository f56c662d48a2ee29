"""Joins finished shots into ``film.mp4``: by copying packets where nothing is blended, else by one encode."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from storymem.errors import MediaError
from storymem.film.names import FILM, has_content, in_the_way, is_there, make_way
from storymem.film.sound import ShotSound, SoundPart, joined_sound
from storymem.interfaces import Transition
from storymem.keys import digest
from storymem.media.files import media_errors
from storymem.media.video import VideoWriter, count_frames, iter_frames, join_copies, viewing_codec
from storymem.store.objects import file_digest, reading, sync_folder, verified
from storymem.store.runstore import RunStore
from storymem.values.clip import Frames
from storymem.values.files import FileRef
from storymem.values.sound import Samples


@dataclass(frozen=True, slots=True)
class FilmPart:
    """One shot of the film.

    Attributes:
        view: Viewing copy, without dropped frames.
        master: All frames.
        clip: Content hash of the clip.
        frames: Number of frames in the master.
        drop: How many of them, at its start, stay out of the film.
        transition: The way into the shot.
        overlap: How many frames are blended with the shot before.
        sound: Where its sound is; None for a silent shot.
    """

    view: FileRef
    master: FileRef
    clip: str
    frames: int
    drop: int
    transition: Transition[Any]
    overlap: int
    sound: ShotSound | None = None


def film_frames(parts: Sequence[FilmPart]) -> int:
    """Return how many frames the film must have."""
    overlaps = sum(part.overlap for part in parts[1:])
    return sum(part.frames - part.drop for part in parts) - overlaps


def write_film(store: RunStore, parts: Sequence[FilmPart], fps: int, crf: int) -> tuple[Path, int, bool]:
    """Write the film of a run, unless the one that is there is of exactly these shots.

    Returns:
        Its path, its number of frames, and whether it was there already.

    Raises:
        MediaError: It cannot be written, or has another number of frames than its shots.
        DamagedFile: A shot's file is not what was recorded.
    """
    path = store.folder / FILM
    expected = film_frames(parts)
    key = digest(
        "film",
        {
            "parts": [[p.view.digest, p.clip, p.drop, p.overlap] for p in parts],
            "blends": [p.transition.fingerprint() for p in parts if p.overlap],
            "fps": fps,
            "crf": crf,
        },
    )
    recorded = json.loads(store.meta("film") or "{}")
    if recorded.get("key") == key and has_content(path, recorded["digest"]):
        return path, expected, True
    check_way(store)
    temporary = store.temporary / FILM
    sound = _sound(parts, fps)
    if any(part.overlap for part in parts[1:]):
        _encode(temporary, parts, fps, crf, sound)
    else:
        join_copies(temporary, [verified(part.view) for part in parts], fps, sound)
    actual = count_frames(temporary)
    if actual != expected:
        raise MediaError(
            f"{path}: would have {actual} frames, its shots have {expected}; this is a bug, please report it"
        )
    with reading(temporary):
        content = file_digest(temporary)
    # Recorded first, with the film it replaces: whichever is there after a crash is known to be one of ours.
    before = recorded.get("digest", "")
    store.set_meta({"film": json.dumps({"key": key, "digest": content, "replaces": before})})
    with media_errors(f"{path}: cannot be written"):
        make_way(store, path, before, recorded.get("replaces", ""), content)
        temporary.replace(path)
        sync_folder(store.folder)
    return path, expected, False


def check_way(store: RunStore) -> None:
    """Raise :class:`MediaError` if the film's name is taken by a file that storymem did not write."""
    if store.meta("film") is None and is_there(store.folder / FILM):
        raise in_the_way(store.folder / FILM)


def _sound(parts: Sequence[FilmPart], fps: int) -> Iterator[Samples] | None:
    """Return the sound of the film; None if no shot has any, so that the film has no sound track either."""
    if all(part.sound is None for part in parts):
        return None
    return joined_sound([SoundPart(part.sound, part.frames - part.drop, part.overlap) for part in parts], fps)


def _encode(path: Path, parts: Sequence[FilmPart], fps: int, crf: int, sound: Iterator[Samples] | None) -> None:
    first = next(iter_frames(verified(parts[0].master)))
    size = (first.shape[1], first.shape[0])
    what, codec = f"{path}: cannot write film", viewing_codec(crf)
    with media_errors(what), VideoWriter(path, codec, *size, fps, sound) as writer:
        writer.write(_joined(parts))


def _joined(parts: Sequence[FilmPart]) -> Iterator[Frames]:
    """Yield the film's frames, holding at most one overlap in memory."""
    tail: list[Frames] = []
    for index, part in enumerate(parts):
        overlap = part.overlap if index else 0
        following = parts[index + 1].overlap if index + 1 < len(parts) else 0
        frames = _own_frames(part)
        if overlap:
            head = [next(frames) for _ in range(overlap)]
            yield from part.transition.blend(np.stack(tail), np.stack(head))
        tail = []
        for frame in frames:
            tail.append(frame)
            if len(tail) > following:
                yield tail.pop(0)


def _own_frames(part: FilmPart) -> Iterator[Frames]:
    for index, frame in enumerate(iter_frames(verified(part.master))):
        if index >= part.drop:
            yield frame
