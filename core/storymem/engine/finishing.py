"""The finished copies of a run's shots: made by the run's finishers from takes, found again by the hash of both.

The film's side of the engine: it reads takes and writes finished copies. Nothing that memory or a later shot sees
depends on what happens here.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from storymem.engine.cancel import CancelToken
from storymem.engine.film_parts import film_part, film_parts
from storymem.engine.plan import StoryPlan
from storymem.errors import DamagedFile, SettingsError, ShotError, StoryMemError
from storymem.film.film import FilmPart
from storymem.interfaces import Finisher, Progress
from storymem.keys import digest
from storymem.media.sound import film_sound
from storymem.media.video import LOSSLESS, Codec, count_frames, read_clip, viewing_codec, write_clip
from storymem.store.finished import FinishedCopy, record_finished
from storymem.store.objects import file_digest, verified
from storymem.store.records import CurrentShot
from storymem.store.runstore import RunStore
from storymem.values.clip import Clip, VideoFormat
from storymem.values.events import CopyFinished, Event, FinishingStarted, FinishingStep
from storymem.values.files import FileRef
from storymem.values.sound import Sound

#: The part of the film at a position, None where no shot is there.
PartAt = Callable[[int], FilmPart | None]


def film_format(finishers: Sequence[Finisher[Any]], plan: StoryPlan) -> VideoFormat:
    """Return the size and rate of the finished film.

    Raises:
        SettingsError: A finisher cannot be used on what comes before it, or the film has a size that H.264 lacks.
    """
    found = VideoFormat(*plan.size, plan.fps)
    for finisher in finishers:
        found = finisher.output(found)
    if finishers and (found.width % 2 or found.height % 2):
        raise SettingsError(f"finish: makes a film of {found.width}x{found.height}; both sides must be even")
    return found


@dataclass(frozen=True, slots=True)
class _Copies:
    """Where a shot's finished files are kept: keys of the viewing copy and, in films that blend, of all its pixels."""

    pixels: str
    view: str
    master: str | None

    @property
    def keys(self) -> tuple[str, ...]:
        return (self.view,) if self.master is None else (self.view, self.master)


class Finishing:
    """Finishes the shots of one run. Without finishers, shots are in the film as they were made.

    Args:
        plan: The run's shots.
        finishers: In the order in which they are used.
        store: The run, open for writing.
        crf: Quality of finished viewing copies.
        emit: Receives events.
        cancel: Stops between steps.
    """

    def __init__(
        self,
        plan: StoryPlan,
        finishers: Sequence[Finisher[Any]],
        store: RunStore,
        crf: int,
        emit: Callable[[Event], None],
        cancel: CancelToken,
    ) -> None:
        self._plan = plan
        self._finishers = tuple(finishers)
        self._store = store
        self._crf = crf
        self._emit = emit
        self._cancel = cancel
        self.format = film_format(finishers, plan)
        self._needing = [n for n, finisher in enumerate(finishers) if finisher.needs_previous]
        self._blends = any(spec.transition.overlap for spec in plan.specs[1:])
        self._last: tuple[int, dict[int, Clip]] = (-1, {})  # a position, and by finisher what became of it there

    def shown(self, shot: CurrentShot) -> CurrentShot:
        """Return a shot with its finished viewing copy in place of its plain one, if there is one."""
        if not self._finishers:
            return shot
        part_at = cache(lambda index: film_part(self._plan, self._store, index))
        found = self._store.derived(self._copies(self._pixels(part_at, shot.position)).view)
        return shot if found is None else replace(shot, view=found)

    def make(self) -> Iterator[str]:
        """Make the finished copies that are not there, and yield the shots whose copies are, one by one.

        Raises:
            Cancelled: On request; what is finished is kept.
            DamagedFile: A stored file is not what was recorded.
            ShotError: A finisher failed or broke its contract.
        """
        parts = self._parts()
        wanted = self._wanted(parts)
        missing = {i for i, copies in wanted.items() if not self._there(copies)}
        self._last = (-1, {})  # of takes that may have been made again since
        if missing:
            size = self.format
            self._emit(FinishingStarted(shots=len(missing), width=size.width, height=size.height, fps=size.fps))
        for index, copies in wanted.items():
            if index in missing:
                self._finish(parts, index, copies)
            yield self._id(index)
        views = {i: part.view.digest for i, part in enumerate(parts) if part is not None}
        record_finished(self._store, {self._id(i): FinishedCopy(views[i], own.keys) for i, own in wanted.items()})

    def parts(self) -> list[FilmPart | None]:
        """Return what the film is joined from, shot by shot, after :meth:`make`; None for shots that are not there."""
        parts = self._parts()
        for index, copies in self._wanted(parts).items():
            parts[index] = self._finished_part(parts[index], copies)
        return parts

    def _parts(self) -> list[FilmPart | None]:
        return film_parts(self._plan, self._store)

    def _id(self, index: int) -> str:
        return self._plan.board.shots[index].id

    # -- keys -----------------------------------------------------------------------------------------------

    def _wanted(self, parts: Sequence[FilmPart | None]) -> dict[int, _Copies]:
        """Return where the finished files of every shot that is there are kept; nothing without finishers."""
        keys: dict[int, str] = {}
        for index, part in enumerate(parts if self._finishers else ()):
            if part is not None:
                before = keys[index - 1] if self._continues(parts.__getitem__, index) else ""
                keys[index] = self._pixels_key(part, before)
        return {index: self._copies(pixels) for index, pixels in keys.items()}

    def _pixels(self, part_at: PartAt, index: int) -> str:
        """Return the key of the finished pixels of one shot that is there."""
        pixels = ""
        for i in range(self._chain_start(part_at, index), index + 1):
            part = part_at(i)
            assert part is not None
            pixels = self._pixels_key(part, pixels)
        return pixels

    def _pixels_key(self, part: FilmPart, previous: str) -> str:
        return digest(
            "finish",
            {
                "clip": part.clip,
                "first": part.drop,
                "fps": self._plan.fps,
                "finishers": [finisher.fingerprint() for finisher in self._finishers],
                "previous": previous,
            },
        )

    def _copies(self, pixels: str) -> _Copies:
        view = digest("finished view", {"pixels": pixels, "crf": self._crf})
        return _Copies(pixels, view, digest("finished master", {"pixels": pixels}) if self._blends else None)

    def _chain_start(self, part_at: PartAt, index: int) -> int:
        """Return the first shot on which the finished ``index`` depends."""
        while self._continues(part_at, index):
            index -= 1
        return index

    def _continues(self, part_at: PartAt, index: int) -> bool:
        """Whether a finisher is shown the shot before: this one begins with frames that were handed over."""
        chained = index > 0 and self._needing and self._plan.specs[index].transition.handover > 0
        return bool(chained) and part_at(index - 1) is not None

    def _there(self, copies: _Copies) -> bool:
        found = [self._store.derived(key) for key in copies.keys]
        for record in self._store.records([one for one in found if one is not None]):
            if not self._store.objects.intact(record):
                raise DamagedFile(f"{self._store.objects.folder}/{record.digest}: is not as recorded", record.digest)
        return None not in found

    # -- work -----------------------------------------------------------------------------------------------

    def _finish(self, parts: Sequence[FilmPart | None], index: int, copies: _Copies) -> None:
        started = time.monotonic()
        clip = self._run(parts, index, len(self._finishers))
        files = {copies.view: self._written(index, clip, viewing_codec(self._crf))}
        if copies.master is not None:
            files[copies.master] = self._written(index, clip, LOSSLESS)
        self._store.add_derived(files)
        self._emit(CopyFinished(shot=self._id(index), seconds=time.monotonic() - started))

    def _written(self, index: int, clip: Clip, codec: Codec) -> FileRef:
        path = self._store.temporary / f"{self._id(index)}-finished{codec.suffix}"
        write_clip(path, clip, codec)
        return FileRef(path, file_digest(path))

    def _run(self, parts: Sequence[FilmPart | None], index: int, until: int) -> Clip:
        """Return what the first ``until`` finishers make of a shot."""
        before = self._before(parts, index)
        part = parts[index]
        assert part is not None
        taken = read_clip(verified(part.master), self._plan.fps).cut(part.drop)
        clip = Clip(taken.frames, taken.fps)
        made: dict[int, Clip] = {}
        for number, finisher in enumerate(self._finishers[:until]):
            clip = self._apply(finisher, self._id(index), clip, before.get(number))
            if finisher.needs_previous:
                made[number] = clip
        self._last = (index, made)
        return _sounding(clip, taken.sound)

    def _before(self, parts: Sequence[FilmPart | None], index: int) -> Mapping[int, Clip]:
        """Return by finisher what it made of the shot before, for those that are shown it."""
        if not self._continues(parts.__getitem__, index):
            return {}
        for i in range(self._chain_start(parts.__getitem__, index), index):
            if self._last[0] not in range(i, index):
                self._run(parts, i, self._needing[-1] + 1)
        return self._last[1]

    def _apply(self, finisher: Finisher[Any], shot: str, clip: Clip, previous: Clip | None) -> Clip:
        name = type(finisher).__name__
        wanted = finisher.output(clip.format)
        try:
            made = finisher.finish(clip, previous, self._progress(shot, name))
        except StoryMemError:
            raise
        except Exception as error:
            message = f"shot {shot}: finisher {name} failed: {type(error).__name__}: {error}"
            raise ShotError(message, "".join(traceback.format_exception(error))) from error
        _check_finished(f"shot {shot}: finisher {name}", clip, made, wanted)
        return made

    def _progress(self, shot: str, finisher: str) -> Progress:
        def report(step: int, total: int) -> None:
            self._cancel.check()
            self._emit(FinishingStep(shot=shot, finisher=finisher, step=step, total=total))

        self._cancel.check()
        return report

    def _finished_part(self, part: FilmPart | None, copies: _Copies) -> FilmPart:
        """Return the part of a finished shot; a blend lasts as long as it would in the film as it was made."""
        view, master = (self._file(key) if key else None for key in (copies.view, copies.master))
        assert part is not None
        assert view is not None
        overlap = part.overlap * self.format.fps // self._plan.fps
        frames = count_frames(view.path)
        return replace(
            part, view=view, master=master or view, clip=copies.pixels, frames=frames, drop=0, overlap=overlap
        )

    def _file(self, key: str) -> FileRef | None:
        found = self._store.derived(key)
        return self._store.file_ref(found) if found else None


def _sounding(clip: Clip, sound: Sound | None) -> Clip:
    """Return a finished clip with the sound of its take, which no finisher is shown."""
    return replace(clip, sound=film_sound(sound, len(clip), clip.fps)) if sound is not None else clip


def _check_finished(who: str, given: Clip, made: object, wanted: VideoFormat) -> None:
    if not isinstance(made, Clip):
        raise ShotError(f"{who} returned {type(made).__name__}, not a Clip")
    if made.format != wanted:
        raise ShotError(f"{who} returned {made.format}, not {wanted} as it declares")
    exact = len(given) * wanted.fps / given.fps
    if abs(len(made) - exact) >= 1:
        raise ShotError(f"{who} returned {len(made)} frames; {len(given)} at the new rate are {exact:g}")
