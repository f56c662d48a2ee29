"""Where an entity's reference images are, and that they stay inside the script's folder."""

from __future__ import annotations

from pathlib import Path

from storymem.errors import ScriptError


def reference_path(base: Path, entity: str, reference: str) -> Path:
    """Return the file of an entity's reference image.

    Args:
        base: Folder of the script.
        entity: For messages.
        reference: As written in the script.

    Raises:
        ScriptError: It is absolute, leaves the script's folder, or does not exist.
    """
    root = base.resolve()
    try:
        path = (root / reference).resolve()
        there = path.is_file()
    except (OSError, ValueError):
        raise ScriptError(f"entity {entity!r}: reference {reference[:80]!r} is no file name") from None
    if Path(reference).is_absolute() or not path.is_relative_to(root):
        raise ScriptError(f"entity {entity!r}: reference {reference!r} must stay inside the script's folder, {base}")
    if not there:
        raise ScriptError(f"entity {entity!r}: reference image {path} does not exist")
    return path


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
    root, file = base.resolve(), picture.resolve()
    if not file.is_relative_to(root):
        raise ScriptError(
            f"entity {entity!r}: {what} {picture} must lie below {base}, where the script goes; copy it there"
        )
    return file.relative_to(root).as_posix()
