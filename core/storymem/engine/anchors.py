"""The pictures that shots are anchored to: images of the script's folder, and frames of shots that are made before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from storymem.engine.plan import ShotSpec, StoryPlan
from storymem.errors import RunStoreError, SettingsError
from storymem.keys import digest
from storymem.media.images import read_reference, write_png
from storymem.script.references import anchor_path
from storymem.store.objects import file_digest
from storymem.store.runstore import RunStore
from storymem.values.clip import Frames, pixel_hash
from storymem.values.files import FileRef
from storymem.values.picture import read_png
from storymem.values.request import AnchorFrame
from storymem.values.script import Anchor, StoryScript
from storymem.values.storyboard import Storyboard


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """An anchor image in the run: its pixel hash, and its file, of the film's size."""

    id: str
    file: FileRef


class Anchors:
    """Gives shots the pictures that they are anchored to.

    Args:
        plan: What is made.
        pictures: Anchor images by the name that the script has for them.
        store: Where finished shots are.
    """

    def __init__(self, plan: StoryPlan, pictures: Mapping[str, StoredPicture], store: RunStore) -> None:
        self._plan = plan
        self._pictures = pictures
        self._store = store

    def known(self, spec: ShotSpec) -> bool:
        """Whether all that a shot is anchored to is in the run."""
        anchors = spec.shot.shot.anchors
        if not all(anchor.image in self._pictures for anchor in anchors if anchor.image):
            return False
        return all(self._store.current(anchor.shot) for anchor in anchors if anchor.shot)

    def of(self, spec: ShotSpec) -> tuple[AnchorFrame, ...]:
        """Return a shot's anchors, by frame; the shots that they are taken from must be done."""
        found = [self._anchor(spec, anchor) for anchor in spec.shot.shot.anchors]
        return tuple(sorted(found, key=lambda anchor: anchor.frame))

    def _anchor(self, spec: ShotSpec, anchor: Anchor) -> AnchorFrame:
        frame = anchor.frame % spec.request.frames
        if anchor.image:
            picture = self._pictures[anchor.image]
            return AnchorFrame(frame, picture.id, picture.file)
        source = self._plan.specs[self._plan.board.shot(anchor.shot).position]
        for current in self._store.current(source.shot.id):
            take = self._store.take(source.shot.id, current.take)
            if take is not None:
                index = source_frame(anchor, source, spec.shot.id)
                return AnchorFrame(frame, f"{take.clip}:{index}", self._store.file_ref(take.master), index)
        raise RunStoreError(f"shot {source.shot.id}: has no take to anchor shot {spec.shot.id} to; resume the run")


def source_frame(anchor: Anchor, source: ShotSpec, shot_id: str) -> int:
    """Return the index within the source's clip of the frame that an anchor names by what the film shows.

    Raises:
        SettingsError: The film shows fewer frames of the source.
    """
    first = source.transition.drop
    shown = source.request.frames - first
    if not -shown <= anchor.shot_frame < shown:
        raise SettingsError(
            f"shot {shot_id}: anchors: shot_frame {anchor.shot_frame}; the film shows {shown} frames of shot "
            f"{source.shot.id}"
        )
    return first + anchor.shot_frame % shown


def check_anchors(plan: StoryPlan, base: Path | None) -> None:
    """Look at every anchor before anything is made.

    Args:
        plan: What is to be made.
        base: Folder of the script, to read its images; None leaves them alone.

    Raises:
        StoryMemError: A frame is not there, or an image is missing or is none.
    """
    for spec in plan.specs:
        for anchor in spec.shot.shot.anchors:
            if anchor.shot:
                source_frame(anchor, plan.specs[plan.board.shot(anchor.shot).position], spec.shot.id)
            elif base is not None:
                read_reference(anchor_path(base, spec.shot.id, anchor.image))


def import_anchors(
    script: StoryScript, size: tuple[int, int], base: Path, store: RunStore, resumes: bool
) -> dict[str, StoredPicture]:
    """Copy the script's anchor images into the run, losslessly and of the film's size.

    Args:
        script: The story.
        size: (width, height) of the film, in pixels.
        base: Folder of its images.
        store: The run.
        resumes: Take images that the run has already, so that a run that is continued needs no other folder.

    Returns:
        The images by name.

    Raises:
        ScriptError: A file is missing or outside the script's folder.
        MediaError: A file is no picture, or its copy cannot be written.
    """
    pictures: dict[str, StoredPicture] = {}
    for shot, image in _images(script):
        if image not in pictures:
            key = _key(image, size)
            found = _stored(store, key) if resumes else None
            pictures[image] = found or _imported(store, key, anchor_path(base, shot, image), size)
    return pictures


def stored_anchors(script: StoryScript, size: tuple[int, int], store: RunStore) -> dict[str, StoredPicture]:
    """Return those of the script's anchor images that the run has, by name; see :func:`import_anchors`."""
    found = {image: _stored(store, _key(image, size)) for _, image in _images(script)}
    return {image: picture for image, picture in found.items() if picture is not None}


def _key(image: str, size: tuple[int, int]) -> str:
    return digest("anchor", {"image": image, "size": list(size)})


def _images(script: StoryScript) -> Iterator[tuple[str, str]]:
    for shot in Storyboard(script):
        for anchor in shot.shot.anchors:
            if anchor.image:
                yield shot.id, anchor.image


def _stored(store: RunStore, key: str) -> StoredPicture | None:
    found = store.derived(key)
    if found is None or not store.objects.intact(store.file(found)):
        return None
    file = store.file_ref(found)
    return StoredPicture(pixel_hash(read_png(file.path)), file)


def _imported(store: RunStore, key: str, path: Path, size: tuple[int, int]) -> StoredPicture:
    pixels = fitted(read_reference(path), size)
    target = store.temporary / "anchor.png"
    write_png(target, pixels)
    file = FileRef(target, file_digest(target))
    store.add_derived({key: file})
    return StoredPicture(pixel_hash(pixels), store.file_ref(file.digest))


def fitted(picture: Frames, size: tuple[int, int]) -> Frames:
    """Return a picture, uint8 RGB (H, W, 3), at (width, height): scaled to cover it and cropped in the middle."""
    if (picture.shape[1], picture.shape[0]) == size:
        return picture
    return np.asarray(ImageOps.fit(Image.fromarray(picture), size, Image.Resampling.LANCZOS))
