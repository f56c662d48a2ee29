"""Films to evaluate: finished runs, folders of clips with a script, and single film files.

Whatever is wrong with a film is said in one line of its ``problems``; what is left of it can still be evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from storymem.errors import MediaError, RunStoreError, ScriptError, StoryMemError
from storymem.evaluate.clips import ClipFile, read_parts, read_whole
from storymem.evaluate.run import ReadableFilm
from storymem.film.review import FinishedFilm
from storymem.interfaces import FinishedShot
from storymem.media.images import read_reference
from storymem.plugin import PluginHost
from storymem.runs import OpenRun, open_run
from storymem.script.references import reference_path
from storymem.script.services import read_script
from storymem.store.folder import DATABASE
from storymem.values.clip import Frames
from storymem.values.script import Scene, Shot, StoryScript
from storymem.values.storyboard import Storyboard

VIDEOS = (".mp4", ".mkv", ".mov", ".webm", ".avi", ".webp", ".gif")
#: ``01_02``, ``001_002``, ``1.2`` and what follows them, as runs and EntityBench name clips of shots.
_SHOT_FILE = re.compile(r"0*(\d+)[_.]0*(\d+)([a-z]?)(?![0-9A-Za-z.])")


@contextmanager
def open_film(
    path: Path, host: PluginHost, script: Path | None = None, cuts: Sequence[int] = ()
) -> Iterator[ReadableFilm]:
    """Open a run folder, a folder of clips, or a film.

    Args:
        path: What to evaluate.
        host: Reads scripts of all forms.
        script: The story; runs know theirs.
        cuts: For a film file: first frame of every shot but the first.

    Raises:
        StoryMemError: There is nothing to evaluate: no such path, no clips, a script that cannot be read.
    """
    if (path / DATABASE).is_file():
        with open_run(path, host=host) as run:
            yield _run(path, run)
    elif path.is_dir():
        if script is None:
            raise ScriptError(f"{path}: a folder of clips needs its script; name it with --script")
        yield ClipFolder(path, read_script(script, host)[1], script.parent)
    elif path.is_file():
        story = read_script(script, host)[1] if script else None
        yield FilmFile(path, story, script.parent if script else path.parent, cuts)
    else:
        raise MediaError(f"{path}: does not exist; name a run folder, a folder of clips, or a film")


def _run(path: Path, run: OpenRun) -> ReadableFilm:
    store = run.store
    try:
        return RunFilm(path, FinishedFilm(store, run.memory_store))
    except RunStoreError as error:
        script = store.meta("script")
        if script is None or not (path / "shots").is_dir():
            raise
        story = StoryScript.model_validate_json(script)
        partial = ClipFolder(path / "shots", story, Path(store.meta("base") or path))
        partial.path = str(path)
        partial.problems.insert(0, f"{error}; the finished ones are read from their viewing copies")
        return partial


class RunFilm:
    """A finished run, from its lossless masters."""

    has_script = True

    def __init__(self, path: Path, film: FinishedFilm) -> None:
        self.board = film.board
        self.title, self.path = film.board.script.title, str(path)
        self.problems: list[str] = []
        self._film = film

    def shots(self) -> Iterator[FinishedShot]:
        """Yield the shots in story order; ends at one whose file is damaged."""
        last = "the start"
        try:
            for shot in self._film.shots():
                yield shot
                last = f"shot {shot.shot.id}"
        except StoryMemError as error:
            _note(self.problems, f"shots after {last} left out: {error}; storymem verify, then storymem resume")

    def references(self) -> Mapping[str, Sequence[Frames]]:
        """Return the run's reference images by entity."""
        kept = {entity: self._film.references(entity) for entity in self.board.entities}
        return {entity: [keyframe.load() for keyframe in pictures] for entity, pictures in kept.items() if pictures}


class _ScriptedFilm:
    """What films outside runs share."""

    def __init__(self, path: Path, story: StoryScript, base: Path) -> None:
        self.board = Storyboard(story)
        self.title, self.path = story.title, str(path)
        self.problems: list[str] = []
        self._base = base

    def references(self) -> Mapping[str, Sequence[Frames]]:
        """Return the script's reference images by entity; one that cannot be read is a problem."""
        found: dict[str, list[Frames]] = {}
        for entity in self.board.script.entities:
            for name in entity.references:
                try:
                    picture = read_reference(reference_path(self._base, entity.id, name))
                    found.setdefault(entity.id, []).append(picture)
                except StoryMemError as error:
                    _note(self.problems, str(error))
        return found


class ClipFolder(_ScriptedFilm):
    """One clip a shot, named as runs and EntityBench name them, anywhere below a folder."""

    has_script = True

    def __init__(self, path: Path, story: StoryScript, base: Path) -> None:
        super().__init__(path, story, base)
        found = _shot_files(path)
        known = {shot.id for shot in self.board}
        if not known & set(found):
            raise MediaError(
                f"{path}: has no clip of a shot of {story.title!r}, such as {self.board.shots[0].id.replace('.', '_')}"
                ".mp4; is it another story's?"
            )
        self._files = {shot: ClipFile(file) for shot, file in found.items() if shot in known}
        if missing := [shot.id for shot in self.board if shot.id not in found]:
            self.problems.append(f"no clips of shots {_list(missing)}")
        if strange := sorted(set(found) - known):
            self.problems.append(f"clips of shots {_list(strange)} left out: the script has no such shots")

    def shots(self) -> Iterator[FinishedShot]:
        """Yield the shots that have a clip, in story order."""
        rates: set[int] = set()
        for shot in self.board:
            if shot.id not in self._files:
                continue
            try:
                clip = read_whole(self._files[shot.id], self.problems)
            except StoryMemError as error:
                _note(self.problems, f"shot {shot.id} left out: {error}")
                continue
            if rates and clip.fps not in rates:
                _note(self.problems, f"shot {shot.id} has {clip.fps} frames a second, those before it {min(rates)}")
            rates.add(clip.fps)
            yield FinishedShot(shot, clip, ())


class FilmFile(_ScriptedFilm):
    """One video file. Its shots are known from ``cuts``, or from the script where it says the frames of every shot."""

    def __init__(self, path: Path, story: StoryScript | None, base: Path, cuts: Sequence[int]) -> None:
        self._file = ClipFile(path)
        self.has_script = story is not None
        total = self._file.frames
        starts, why = _starts(story, cuts, total)
        whole = story is None or (why and len(starts) == 1)
        super().__init__(path, _story_of(path, story, len(starts)) if whole or story is None else story, base)
        self._starts = starts
        if story is None:
            self.problems.append("no script: columns that compare with prompts or entities stay empty")
        if why:
            self.problems.append(why)

    def shots(self) -> Iterator[FinishedShot]:
        """Yield the shots in story order."""
        try:
            for shot, clip in zip(self.board, read_parts(self._file, self._starts, self.problems), strict=True):
                yield FinishedShot(shot, clip, ())
        except MediaError as error:
            _note(self.problems, str(error))


def _starts(story: StoryScript | None, cuts: Sequence[int], total: int) -> tuple[list[int], str]:
    """Return the first frame of every shot, and what is to be said about it."""
    if cuts:
        starts = [0, *cuts]
        if sorted(set(starts)) != starts or starts[-1] >= total:
            raise MediaError(f"cuts {_list(list(map(str, cuts)))}: must rise from 1 and end before frame {total}")
        if story is not None and len(Storyboard(story)) != len(starts):
            count = len(Storyboard(story))
            raise ScriptError(f"{len(cuts)} cuts make {len(starts)} shots, but the script has {count}")
        return starts, ""
    if story is None:
        return [0], "no cuts known: the film is taken as one shot; name them with --cuts"
    lengths = [shot.shot.frames for shot in Storyboard(story)]
    known = [length for length in lengths if length is not None]
    if len(known) == len(lengths) and sum(known) == total:
        return [sum(known[:i]) for i in range(len(known))], ""
    if len(lengths) == 1:
        return [0], ""
    unknown = f"the script does not say where its {len(lengths)} shots begin in {total} frames"
    return [0], f"{unknown}: the film is taken as one shot; name them with --cuts, or evaluate a folder of clips"


def _story_of(path: Path, story: StoryScript | None, shots: int) -> StoryScript:
    """Return a script of nothing but shots; of one shot with the overview as its prompt where a story is known."""
    prompt = (story.overview or story.title) if story else path.stem
    rows = tuple(Shot(prompt=prompt[:20_000]) for _ in range(shots))
    return StoryScript(
        title=story.title if story else path.stem,
        overview=story.overview if story else "",
        entities=story.entities if story else (),
        scenes=(Scene(shots=rows),),
    )


def _shot_files(folder: Path) -> dict[str, Path]:
    """Return the clips below a folder by shot id; of several the first by name."""
    found: dict[str, Path] = {}
    for file in sorted(folder.rglob("*")):
        match = _SHOT_FILE.match(file.name.removesuffix(file.suffix))
        if match and file.suffix.lower() in VIDEOS:
            found.setdefault(f"{match[1]}.{match[2]}{match[3]}", file)
    return found


def _list(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _note(problems: list[str], problem: str) -> None:
    """Add a problem once; a film may be read twice."""
    if problem not in problems:
        problems.append(problem)
