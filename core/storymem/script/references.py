"""Where an entity's reference images are, and that they stay inside the script's folder."""

from __future__ import annotations

from pathlib import Path

from storymem.errors import ScriptError
from storymem.text import composed


def reference_path(base: Path, entity: str, reference: str) -> Path:
    """Return the file of an entity's reference image.

    Args:
        base: Folder of the script.
        entity: For messages.
        reference: As written in the script.

    Raises:
        ScriptError: It is absolute, leaves the script's folder, or does not exist.
    """
    return _picture_path(base, f"entity {entity!r}: reference", reference)


def anchor_path(base: Path, shot: str, image: str) -> Path:
    """Return the file of a shot's anchor image; arguments and errors are those of :func:`reference_path`."""
    return _picture_path(base, f"shot {shot}: anchor", image)


def _picture_path(base: Path, where: str, name: str) -> Path:
    try:
        root = base.resolve()
        path = find_file(root, name)
        there = path.is_file()
    except (OSError, ValueError, RuntimeError):  # a loop of links is a RuntimeError to pathlib
        raise ScriptError(f"{where} {name[:80]!r} is no file name") from None
    if Path(name).is_absolute() or not path.is_relative_to(root):
        raise ScriptError(f"{where} {name!r} must stay inside the script's folder, {base}")
    if not there:
        raise ScriptError(f"{where} image {path} does not exist")
    return path


def find_file(root: Path, name: str) -> Path:
    """Return the resolved path of ``name`` below ``root``, also where the disk composes its letters otherwise.

    Archives made on macOS hold decomposed names (NFD), keyboards write composed ones (NFC).
    """
    path = (root / name).resolve()
    if path.exists() or name.isascii():
        return path
    found = root
    for part in Path(name).parts:
        found = _same_name(found, part)
    return found.resolve()


def _same_name(folder: Path, name: str) -> Path:
    exact = folder / name
    if exact.exists() or not folder.is_dir():
        return exact
    return next((entry for entry in folder.iterdir() if composed(entry.name) == composed(name)), exact)


def reference_name(base: Path, entity: str, picture: Path, what: str = "reference") -> str:
    """Return how a script in the folder ``base`` names a picture.

    Args:
        base: Folder that the script will lie in.
        entity: For messages.
        picture: The file, at any depth below ``base``.
        what: What the picture is, for messages.

    Raises:
        ScriptError: It does not lie below ``base``.
    """
    return picture_name(base, f"entity {entity!r}: {what}", picture)


def picture_name(base: Path, where: str, picture: Path) -> str:
    """Return how a script in the folder ``base`` names a picture; ``where`` begins the :class:`ScriptError`."""
    try:
        root, file = base.resolve(), picture.resolve()
    except (OSError, RuntimeError):
        raise ScriptError(f"{where} {picture} cannot be found: its path is a loop of links") from None
    if not file.is_relative_to(root):
        raise ScriptError(f"{where} {picture} must lie below {base}, where the script goes; copy it there")
    return file.relative_to(root).as_posix()
