"""Portraits: a reference image of every character, made by the backbone itself before the film (for MR2V).

Memory keeps what the first shot showed. If that was a wide shot, in which a character is a few pixels tall, later shots
make up what it did not show. A portrait beforehand gives all shots, the first one included, the same look to keep to.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from storymem.engine.cancel import CancelToken
from storymem.errors import MediaError, ScriptError, ShotError
from storymem.film.names import has_content, is_there, make_way, safe_title
from storymem.interfaces import Keyframe, MemoryPolicy, MemoryView, PluginSettings
from storymem.media.files import writing
from storymem.media.images import write_png
from storymem.runs import open_run
from storymem.script.references import reference_name
from storymem.session import Session
from storymem.store.folder import DATABASE
from storymem.store.objects import file_digest
from storymem.store.runstore import RunStore
from storymem.values.events import Event
from storymem.values.script import Entity, EntityKind, Scene, Shot, ShotOverrides, StoryScript
from storymem.values.storyboard import BoardShot, Storyboard

#: What this command has written, by file name with the digest: a note of the run.
_WRITTEN = "portraits"


class Apart(MemoryPolicy[PluginSettings]):
    """No shot sees another, so all may be made at once; all give memory their keyframes."""

    def sees(self, board: Storyboard, shot: BoardShot) -> Sequence[int]:
        """Return no shot."""
        return ()

    def recall(self, shot: BoardShot, view: MemoryView, budget: int) -> Sequence[Keyframe]:
        """Return no keyframe."""
        return ()


def subjects(script: StoryScript) -> tuple[Entity, ...]:
    """Return the characters that some shot shows and that have no reference image yet."""
    board = Storyboard(script)
    return tuple(
        entity
        for entity in script.entities
        if entity.kind is EntityKind.CHARACTER and not entity.references and board.appearances(entity.id, len(board))
    )


def portrait_script(script: StoryScript) -> StoryScript:
    """Return a script of one medium shot by day for each of `subjects`, in the place of its first appearance.

    No shot recalls anything. Style, negative prompt and seed are those of the story.

    Raises:
        ScriptError: Nobody needs a portrait.
    """
    board, cast = Storyboard(script), subjects(script)
    if not cast:
        raise ScriptError(
            f"{script.title}: nobody needs a portrait; list characters under entities, name them in the entities of "
            "shots, and give them no references"
        )
    alone = ShotOverrides(budget=0)  # one character's portrait is no model for the next, in a redo as well
    shots = tuple(Shot(prompt=_prompt(entity, board), entities=(entity.id,), overrides=alone) for entity in cast)
    named = {"title": f"Portraits of {script.title}"[:200], "overview": "", "metadata": {}}
    scenes = (Scene(shots=(shot,)) for shot in shots)  # a scene each: nothing continues from the one before
    return script.model_copy(update={**named, "entities": cast, "scenes": tuple(scenes)})


def make_portraits(
    script: StoryScript,
    folder: Path,
    session: Session,
    on_event: Callable[[Event], None] | None = None,
    cancel: CancelToken | None = None,
) -> dict[str, Path]:
    """Make the portraits that a script lacks; what is finished already is not made again.

    Args:
        script: The story.
        folder: Run folder of the portraits. They are in it as ``01_fox.png``.
        session: Its plugins are used, weights included; its memory policy is set aside for `Apart`.
        on_event: Receives every event.
        cancel: Lets another thread stop the run.

    Returns:
        The picture of each character by entity id: the keyframe that scored best, or the first.

    Raises:
        ScriptError: Nobody needs a portrait.
        ShotError: One could not be made, or all of its frames were rejected.
        MediaError: A picture cannot be written, or a file is there that was not made here.
    """
    wanted = portrait_script(script)
    require_free(folder, *_targets(wanted, folder))
    session.with_policy(Apart(), decides=False).render(wanted, folder, on_event, cancel).check()
    made: dict[str, Path] = {}
    with open_run(folder, write=True, host=session.host) as run:
        for shot, target in zip(run.board, _targets(wanted, folder), strict=True):
            (entity,) = shot.entities
            best = _best(run.keyframes(shot.id), entity, f"shot {shot.id} of {folder}")
            made[entity] = target
            whole = run.store.temporary / target.name  # written there, so that a crash leaves no half picture
            write_png(whole, best.load())
            noted = _noted(run.store)
            run.store.set_meta({_WRITTEN: json.dumps({**noted, target.name: file_digest(whole)})})
            with writing(target):
                make_way(run.store, target, noted.get(target.name, ""), file_digest(whole))
                whole.replace(target)
    return made


def require_free(folder: Path, *targets: Path) -> None:
    """Raise :class:`MediaError` if a file is there that this command did not write into or for a run folder."""
    noted: Mapping[str, str] = {}
    if (folder / DATABASE).is_file():
        with RunStore(folder, write=False) as store:
            noted = _noted(store)
    for target in targets:
        if is_there(target) and not has_content(target, noted.get(target.name, "")):
            raise MediaError(f"{target}: is there already and was not made by this command; move it, or give --force")


def note_written(folder: Path, target: Path) -> None:
    """Note that a file was written, so that the same command may write it again."""
    with RunStore(folder, write=True) as store:
        store.set_meta({_WRITTEN: json.dumps({**_noted(store), target.name: file_digest(target)})})


def _noted(store: RunStore) -> dict[str, str]:
    noted: dict[str, str] = json.loads(store.meta(_WRITTEN) or "{}")
    return noted


def _targets(wanted: StoryScript, folder: Path) -> list[Path]:
    return [folder / f"{number:02}_{safe_title(entity.id)}.png" for number, entity in enumerate(wanted.entities, 1)]


def with_portraits(script: StoryScript, portraits: Mapping[str, Path], base: Path) -> StoryScript:
    """Return the script with portraits as reference images.

    Args:
        script: The story.
        portraits: What `make_portraits` returned.
        base: Folder that the script will lie in; holds the pictures at any depth.

    Raises:
        ScriptError: A picture does not lie below ``base``.
    """

    def referred(entity: Entity) -> Entity:
        if entity.id not in portraits:
            return entity
        name = reference_name(base, entity.id, portraits[entity.id], "portrait")
        return entity.model_copy(update={"references": (*entity.references, name)})

    return script.model_copy(update={"entities": tuple(map(referred, script.entities))})


def _prompt(entity: Entity, board: Storyboard) -> str:
    look = f", {entity.look.rstrip('. ')}," if entity.look else ""
    return f"Medium shot by day. {entity.label}{look} stands and faces the camera{_place(entity, board)}."


def _place(entity: Entity, board: Storyboard) -> str:
    """Where the entity is first seen, if the script says so."""
    first = board.shots[board.appearances(entity.id, len(board))[0]]
    places = (board.entities[name] for name in first.entities if board.entities[name].kind is EntityKind.PLACE)
    return next((f" in {place.label}" for place in places), "")


def _best(keyframes: Iterable[Keyframe], entity: str, where: str) -> Keyframe:
    found = max(keyframes, key=Keyframe.quality, default=None)
    if found is None:
        raise ShotError(
            f"portrait of {entity!r}: every frame of {where} was rejected; give another seed, or fewer filters"
        )
    return found
