"""Readable names for finished files: links into the object store, kept equal to what the run is at present."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from storymem.engine.shots import DoneShot
from storymem.media.files import writing
from storymem.store.objects import file_digest
from storymem.store.runstore import RunStore

#: What else is in a run folder, without suffixes.
_OWN_NAMES = frozenset({"", "film", "keyframes", "lock", "memory", "objects", "run", "shots", "tmp"})
_MAX_NAME = 200  #: bytes; file systems take 255


def shot_name(shot_id: str, digits: int = 2) -> str:
    """Return ``01_02`` for shot 1.2 and ``01_02a`` for 1.2a."""
    scene, _, shot = shot_id.partition(".")
    number, letter = (shot[:-1], shot[-1]) if shot[-1].isalpha() else (shot, "")
    return f"{scene.zfill(digits)}_{number.zfill(digits)}{letter}"


def safe_title(title: str) -> str:
    """Return a title as a folder name of letters, digits and ``._-``: never a path, never a name of ours."""
    name = re.sub(r"[^\w.-]+", "_", title).encode("utf-8", "replace")[:_MAX_NAME].decode("utf-8", "ignore").strip("._")
    return f"story_{name}".rstrip("_") if name.lower().split(".")[0] in _OWN_NAMES else name


def names_of(shots: Sequence[DoneShot], title: str, layout: str) -> dict[str, str]:
    """Return the digest behind every readable name, relative to the run folder."""
    names: dict[str, str] = {}
    for done in shots:
        shot_id = done.spec.shot.id
        names[f"shots/{shot_name(shot_id)}.mp4"] = done.view
        if layout == "entitybench":
            names[f"{safe_title(title)}/{shot_name(shot_id, digits=3)}.mp4"] = done.view
        for keyframe in done.keyframes:
            names[f"keyframes/{shot_name(shot_id)}_f{keyframe.frame:04d}.png"] = keyframe.path.stem
    return names


def publish(store: RunStore, names: Mapping[str, str]) -> None:
    """Make exactly ``names`` lead to their files; names of earlier runs that are gone are removed.

    Files that the framework did not put there are never touched, unless they bear one of the names.

    Raises:
        MediaError: A name cannot be given: the disk is full, or a folder bears it.
    """
    before = store.published()
    for name in sorted(set(before) - set(names)):
        with writing(store.folder / name):
            (store.folder / name).unlink(missing_ok=True)
    for name, digest in names.items():
        source = store.objects.path(digest, Path(name).suffix)
        target = store.folder / name
        if before.get(name) != digest or not _leads_to(target, source, digest):
            with writing(target):
                _link(source, target, store.temporary)
    if before != dict(names):
        store.set_published(names)


def _leads_to(target: Path, source: Path, digest: str) -> bool:
    """Whether a name is a link to its file, or a copy of it; a damaged file that was made again leaves old links."""
    try:
        return target.samefile(source) or file_digest(target) == digest
    except OSError:
        return False


def _link(source: Path, target: Path, temporary: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    new = temporary / target.name
    try:
        os.link(source, new)
    except OSError:  # the file system has no hard links, or has run out of them
        shutil.copyfile(source, new)
    new.replace(target)
