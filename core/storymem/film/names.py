"""Readable names for finished files: links into the object store, kept equal to what the run is at present."""

from __future__ import annotations

import os
import shutil
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

from storymem.engine.shots import DoneShot
from storymem.media.files import writing
from storymem.store.objects import file_digest
from storymem.store.runstore import RunStore
from storymem.text import composed, folded

#: What else is in a run folder, without suffixes.
_OWN_NAMES = frozenset({"", "film", "keyframes", "lock", "memory", "objects", "run", "shots", "tmp"})
#: What Windows keeps for devices, with any suffix and in any case.
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", "conin", "conout", "clock"}
    | {f"{port}{number}" for port in ("com", "lpt") for number in range(10)}
)
_MAX_NAME = 200  #: bytes; file systems take 255


def shot_name(shot_id: str, digits: int = 2) -> str:
    """Return ``01_02`` for shot 1.2 and ``01_02a`` for 1.2a."""
    scene, _, shot = shot_id.partition(".")
    number, letter = (shot[:-1], shot[-1]) if shot[-1].isalpha() else (shot, "")
    return f"{scene.zfill(digits)}_{number.zfill(digits)}{letter}"


def safe_title(title: str) -> str:
    """Return a title as a folder name that every system can hold: never a path, never a name of ours.

    Letters of any script, digits and ``._-``, composed (NFC), at most 200 bytes; no name that Windows keeps for a
    device (CON, nul.txt, COM1), none that ends in a dot or a space, none that is ours on a disk without case.
    """
    kept = (c if c.isalnum() or c in "._-" or unicodedata.category(c)[0] == "M" else " " for c in composed(title))
    name = "_".join("".join(kept).split()).encode("utf-8", "replace")[:_MAX_NAME].decode("utf-8", "ignore").strip("._")
    stem = folded(name).split(".")[0].strip("_")
    return f"story_{name}".rstrip("_") if stem in _OWN_NAMES | _DEVICES else name


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
