"""Reference images of entities enter memory before the first shot (StoryMem's MR2V)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from storymem.errors import DamagedFile, SettingsError
from storymem.interfaces import Keyframe, MemoryStore
from storymem.keys import digest
from storymem.media.images import read_reference, write_png
from storymem.script.references import reference_path
from storymem.store.objects import FileRecord, file_digest
from storymem.store.records import Selection
from storymem.store.runstore import REFERENCES, RunStore
from storymem.values.clip import Frames
from storymem.values.files import FileRef
from storymem.values.script import StoryScript

if TYPE_CHECKING:
    from storymem.memory.library import CastLibrary


def check_references(script: StoryScript, base: Path) -> None:
    """Read every reference image, so that a bad one is known before anything is made; raises as the import does."""
    for _ in _pictures(script, base):
        pass


def import_references(
    script: StoryScript, base: Path, store: RunStore, library: CastLibrary | None = None
) -> tuple[str, list[Keyframe]]:
    """Copy the script's reference images, and the library's of the same entities, into the run, losslessly.

    Args:
        script: The story.
        base: Folder of its reference images.
        store: The run.
        library: The cast library, if the run has one; its pictures follow those of the script.

    Returns:
        The key of the selection that holds them, and the pictures as keyframes, numbered in the script's order.

    Raises:
        ScriptError: A file is missing or outside the script's folder.
        MediaError: A file is no picture, or its copy cannot be written.
        SettingsError: A picture of the library is damaged.
    """
    keyframes: list[Keyframe] = []
    pictures: dict[str, str] = {}
    records = []
    for entity, pixels in [*_pictures(script, base), *(_shared(script, library) if library else ())]:
        made = Keyframe.of_picture(pixels, f"ref:{entity}", frame=len(keyframes), entities=(entity,))
        if made.id in pictures:
            continue  # the same picture twice is remembered once
        file = store.picture(made.id)
        if file is None or not store.objects.intact(store.file(file.digest)):
            record = _added(store, pixels)
            records.append(record)
            file = FileRef(store.objects.path(record.digest, record.suffix), record.digest)
        pictures[made.id] = file.digest
        keyframes.append(Keyframe(made.id, made.shot, made.position, made.frame, made.entities, file=file))
    key = digest("references", {"ids": [[k.id, k.shot] for k in keyframes]})
    store.set_references(Selection(key, REFERENCES, tuple(pictures), ()), pictures, records)
    return key, keyframes


def imported_references(
    script: StoryScript, store: RunStore, memory_store: MemoryStore[Any], library: CastLibrary | None = None
) -> tuple[str, list[Keyframe]] | None:
    """Return what :func:`import_references` returned when a run was started, or None if not all of it is there.

    A run that is continued needs neither the folder that the pictures came from nor consent to read it.
    """
    selection = store.references()
    if selection is None or library is not None:  # pictures are added to a library between two renders
        return None
    keyframes = memory_store.of(selection.key)
    files = [store.picture(id_) for id_ in selection.keyframes]
    whole = all(file is not None and store.objects.intact(store.file(file.digest)) for file in files)
    named = {keyframe.shot for keyframe in keyframes}
    wanted = {f"ref:{entity.id}" for entity in script.entities if entity.references}
    if not whole or wanted != named or tuple(k.id for k in keyframes) != selection.keyframes:
        return None
    return selection.key, list(keyframes)


def _added(store: RunStore, pixels: Frames) -> FileRecord:
    target = store.temporary / "reference.png"
    write_png(target, pixels)
    (record,) = store.objects.adopt([FileRef(target, file_digest(target))])
    return record


def _pictures(script: StoryScript, base: Path) -> Iterator[tuple[str, Frames]]:
    for entity in script.entities:
        for reference in entity.references:
            yield entity.id, read_reference(reference_path(base, entity.id, reference))


def _shared(script: StoryScript, library: CastLibrary) -> list[tuple[str, Frames]]:
    found: Mapping[str, Sequence[Keyframe]] = {e.id: library.pictures_of(e) for e in script.entities}
    try:
        return [(entity, keyframe.load()) for entity, keyframes in found.items() for keyframe in keyframes]
    except DamagedFile as error:  # not a file of the run, so no shot can be made again for it
        raise SettingsError(f"cast library: {error}; remove the entity and add it again") from error
