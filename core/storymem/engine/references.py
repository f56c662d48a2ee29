"""Reference images of entities enter memory before the first shot (StoryMem's MR2V)."""

from __future__ import annotations

from pathlib import Path

from storymem.engine.keys import digest
from storymem.interfaces.memory import REFERENCE_POSITION, Keyframe
from storymem.media.clip import pixel_hash
from storymem.media.images import read_reference, write_png
from storymem.script.loader import reference_path
from storymem.script.models import StoryScript
from storymem.store.objects import FileRecord, NewFile, file_digest
from storymem.store.records import Selection, StoredKeyframe
from storymem.store.runstore import REFERENCES, RunStore


def check_references(script: StoryScript, base: Path) -> None:
    """Read every reference image, so that a bad one is known before anything is made; raises as the import does."""
    for entity in script.entities:
        for reference in entity.references:
            read_reference(reference_path(base, entity.id, reference))


def import_references(script: StoryScript, base: Path, store: RunStore) -> tuple[Keyframe, ...]:
    """Copy the script's reference images into the run, losslessly, and return them as keyframes.

    Raises:
        ScriptError: A file is missing or outside the script's folder.
        MediaError: A file is no picture, or its copy cannot be written.
    """
    keyframes: list[Keyframe] = []
    stored: list[StoredKeyframe] = []
    files: list[FileRecord] = []
    for entity in script.entities:
        for reference in entity.references:
            image = read_reference(reference_path(base, entity.id, reference))
            target = store.temporary / "reference.png"
            write_png(target, image)
            (record,) = store.objects.adopt([NewFile(target, file_digest(target))])
            index = len(keyframes)
            path = store.objects.path(record.digest, record.suffix)
            keyframes.append(
                Keyframe(pixel_hash(image), f"ref:{entity.id}", REFERENCE_POSITION, index, path, (entity.id,))
            )
            stored.append(StoredKeyframe(keyframes[-1].id, index, record.digest, {}))
            files.append(record)
    key = digest("references", {"ids": [k.id for k in keyframes]})
    store.set_references(Selection(key, REFERENCES, tuple(stored), ()), files)
    return tuple(keyframes)
