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
