"""Readable names for finished files: links into the object store, kept equal to what the run is at present."""

from __future__ import annotations

import json
import os
import shutil
import unicodedata
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from storymem.errors import MediaError, RunStoreError
from storymem.interfaces import MemoryStore
from storymem.media.files import writing
from storymem.store.folder import DATABASE, QUARANTINE, refuse_links
from storymem.store.folder import in_the_way as files_in_the_way
from storymem.store.objects import file_digest, move_aside, reading
from storymem.store.records import CurrentShot
from storymem.store.runstore import RunStore
from storymem.text import composed, folded

FILM = "film.mp4"
#: What else is in a run folder, without suffixes.
_OWN_NAMES = frozenset(
    ["", "film", "generation", "keyframes", "lock", "memory", "objects", "quarantine", "run", "shots", "takes", "tmp"]
)
#: What Windows keeps for devices, with any suffix and in any case.
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", "conin", "conout", "clock"}
    | {f"{port}{number}" for port in ("com", "lpt") for number in range(10)}
)
#: What readable names look like, as patterns.
_GIVEN = ("shots/[0-9]*_[0-9]*.mp4", "keyframes/[0-9]*_f[0-9]*.png")
_FORCED = "was in the way of a render with --force, and not made by storymem"
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


class Publisher:
    """Keeps readable names in a run folder: links to what its shots are at present.

    Files that the framework did not put there are never touched: such a name is an error that says so.

    Args:
        store: The run, open for writing.
        memory_store: Has the keyframes.
        title: Of the story, for the ``entitybench`` layout.
        layout: ``storymem`` or ``entitybench``.
    """

    def __init__(self, store: RunStore, memory_store: MemoryStore[Any], title: str, layout: str) -> None:
        self._store = store
        self._memory_store = memory_store
        self._title = title
        self._layout = layout

    def publish(self, shot: CurrentShot) -> None:
        """Give a finished shot and its keyframes their names.

        Raises:
            MediaError: A name cannot be given: the disk is full, or something else bears it.
        """
        names, new = self._names(shot), dict[str, str]()
        before = self._store.published_among(names)
        for name, digest in names.items():
            source, target = self._store.objects.path(digest, Path(name).suffix), inside(self._store.folder, name)
            published = before.get(name)
            if not _leads_to(target, source, digest):
                if published is None and is_there(target):
                    raise in_the_way(target)
                with writing(target):
                    make_way(self._store, target, published or "")
                    _link(source, target, self._store.temporary)
            if published != digest:
                new[name] = digest
        if new:
            self._store.add_published(new)

    def finish(self, shots: Iterable[CurrentShot]) -> None:
        """Remove the names of shots and keyframes that are there no more; ``shots`` are those that are."""
        wanted = {name for shot in shots for name in self._names(shot)}
        gone = {name: digest for name, digest in self._store.published().items() if name not in wanted}
        for name, digest in sorted(gone.items()):
            target = inside(self._store.folder, name)
            with writing(target):
                make_way(self._store, target, digest)
                target.unlink(missing_ok=True)
        if gone:
            self._store.remove_published(gone)

    def _names(self, shot: CurrentShot) -> dict[str, str]:
        """Return the digest behind every readable name of a shot, relative to the run folder."""
        names = {f"shots/{shot_name(shot.shot)}.mp4": shot.view}
        if self._layout == "entitybench":
            names[f"{safe_title(self._title)}/{shot_name(shot.shot, digits=3)}.mp4"] = shot.view
        for keyframe in self._memory_store.of(shot.selection):
            if keyframe.file is not None:
                names[f"keyframes/{shot_name(shot.shot)}_f{keyframe.frame:04d}.png"] = keyframe.file.digest
        return names


def set_damaged_names_aside(store: RunStore) -> list[str]:
    """Move what bears a readable name, or the film's, and is not what was written there, to the quarantine.

    The next render gives the name again. Names of files that the run has lost are left out: the files themselves are
    what is damaged.

    Returns:
        The names, relative to the run folder.
    """
    files = store.files()
    names = {name: digest for name, digest in store.published().items() if digest in files}
    bad = sorted(name for name, digest in names.items() if not has_content(inside(store.folder, name), digest))
    for name in bad:
        make_way(store, store.folder / name)
    if bad:
        store.remove_published(bad)
    return bad + _set_damaged_film_aside(store)


def _set_damaged_film_aside(store: RunStore) -> list[str]:
    recorded, film = json.loads(store.meta("film") or "{}"), store.folder / FILM
    ours = [recorded[name] for name in ("digest", "replaces") if recorded.get(name)]
    if not ours or any(has_content(film, digest) for digest in ours):
        return []
    make_way(store, film)
    store.set_meta({"film": json.dumps({"key": "", "digest": ""})})
    return [FILM]


def inside(folder: Path, name: str) -> Path:
    """Return a published name's file; raises where a changed database or a link leads out of the run folder."""
    parts = PurePosixPath(name).parts
    if len(parts) != 2 or ".." in parts or PurePosixPath(name).is_absolute():
        raise RunStoreError(f"{folder}: {name!r} is no name of a published file; the run is damaged")
    if (folder / parts[0]).is_symlink():
        raise RunStoreError(f"{folder / parts[0]}: is a symbolic link, which a run folder must not have")
    return folder / name


def set_foreign_aside(folder: Path) -> None:
    """Move what storymem did not write, and what bears a name that a render gives, to the quarantine (``--force``)."""
    if not folder.is_dir():
        return
    refuse_links(folder)
    if not (folder / DATABASE).exists():
        for name in files_in_the_way(folder):
            move_aside(folder / name, folder / QUARANTINE, _FORCED)
        return
    with RunStore(folder, write=True) as store:
        known = {folder / name for name in store.published()} | ({folder / FILM} if store.meta("film") else set())
        named = [folder / FILM, *(path for pattern in _GIVEN for path in sorted(folder.glob(pattern)))]
        store.objects.set_aside((path for path in named if path not in known and is_there(path)), _FORCED)


def is_there(path: Path) -> bool:
    """Whether anything has this name, a broken link included."""
    with reading(path):
        return path.exists() or path.is_symlink()


def in_the_way(path: Path) -> MediaError:
    """Return the error of a file that storymem did not write."""
    return MediaError(
        f"{path}: is in the way and was not made by storymem; move it elsewhere, or --force moves it to {QUARANTINE}/"
    )


def make_way(store: RunStore, path: Path, *ours: str) -> None:
    """Move what has a name to the quarantine unless it is, by its digest, what storymem wrote there."""
    if is_there(path) and (path.is_symlink() or not any(has_content(path, digest) for digest in ours if digest)):
        store.objects.set_aside([path], "was changed after storymem had written it")


def has_content(path: Path, digest: str) -> bool:
    """Whether there is a file of this name with this content."""
    with reading(path):
        return path.is_file() and file_digest(path) == digest


def _leads_to(target: Path, source: Path, digest: str) -> bool:
    """Whether a name is a link to its file, or a copy of it; a damaged file that was made again leaves old links."""
    with reading(target):
        try:
            return not target.is_symlink() and (target.samefile(source) or has_content(target, digest))
        except FileNotFoundError:
            return False


def _link(source: Path, target: Path, temporary: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    new = temporary / target.name
    try:
        os.link(source, new)
    except OSError:  # the file system has no hard links, or has run out of them
        shutil.copyfile(source, new)
    new.replace(target)
