"""Consent to what comes with a folder: code, sinks and paths that a run folder or a project's settings file asks for.

A folder that somebody sends, or that was cloned, may name a plugin file to execute, a file to append to, a program, a
server, or a place outside itself. None of it happens before the user has agreed once, as with direnv: consent is kept
in the user's configuration folder, for this folder and exactly this content. What the user gives on the command line,
in the environment or from Python needs none. docs/trust.md has the whole model.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from platformdirs import user_config_path

from storymem.errors import StoryMemError, os_error

#: Words in the name of a setting whose value is a program, an address or a secret, whatever it looks like.
_POWERS = frozenset(
    ["command", "env", "executable", "host", "interpreter", "program", "python", "script", "secret", "server", "token",
     "url"]
)  # fmt: skip
_WORD = re.compile(r"[^a-z0-9]+")
_DRIVE = re.compile(r"[A-Za-z]:")


class UntrustedError(StoryMemError):
    """A folder asks for something that the user has not agreed to."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a folder asks for.

    Attributes:
        folder: The run folder, or the folder of the settings file.
        settings: Its settings, as nested plain data.
        files: Plugin files whose code would run.
        base: Folder that reference images would be read from; None if none are.
    """

    folder: Path
    settings: Mapping[str, Any]
    files: Sequence[Path] = ()
    base: Path | None = field(default=None)

    def demands(self) -> list[str]:
        """Return what needs consent, in a few words each; empty if nothing does."""
        found = [f"plugin file {path}" for path in self.files]
        found += [_said(key, value) for key, value in _leaves(self.settings) if self._is_power(key, value)]
        if self.base is not None and not self.base.resolve().is_relative_to(self.folder.resolve()):
            found.append(f"reference images from {self.base}")
        return found

    def require(self, trusted: bool = False) -> None:
        """Record consent if ``trusted``; otherwise raise unless there is nothing to agree to, or it was given.

        Raises:
            UntrustedError: Names what is asked for, and how to agree.
        """
        demands = self.demands()
        if not demands:
            return
        if trusted:
            self.allow()
        elif not self._mark().is_file():
            more = f" and {len(demands) - 3} more" if len(demands) > 3 else ""
            raise UntrustedError(
                f"{self.folder}: asks for {', '.join(demands[:3])}{more}, which you have not agreed to; look at it, "
                f"then run: storymem trust {self.folder}"
            )

    def allow(self) -> None:
        """Record consent for exactly this.

        Raises:
            StoryMemError: The user's configuration folder cannot be written.
        """
        mark = self._mark()
        try:
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.write_text(f"{self.folder.resolve()}\n", "utf-8", errors="surrogateescape")
        except OSError as error:
            raise os_error(f"{mark}: consent cannot be recorded", error, UntrustedError) from error

    def _mark(self) -> Path:
        """Return the file that is there once the user has agreed: its name is the hash of folder and content."""
        content = {
            "folder": str(self.folder.resolve()),
            "settings": self.settings,
            "files": [[str(path.resolve()), _digest(path)] for path in self.files],
            "base": str(self.base.resolve()) if self.base is not None else None,
        }
        text = json.dumps(content, sort_keys=True, default=str).encode("utf-8")
        return user_config_path("storymem") / "trusted" / hashlib.sha256(text).hexdigest()

    def _is_power(self, key: Sequence[str], value: Any) -> bool:
        if key[0] == "sinks":  # writes wherever it is told to
            return True
        words = set(_WORD.split(key[-1].lower()))
        if words & _POWERS:
            return value is not None
        return isinstance(value, str) and _leads_out(value, self.folder)


def _leads_out(text: str, folder: Path) -> bool:
    """Whether text is an address, or a path that leads out of a folder, also through a link in it."""
    if "://" in text or text.startswith(("/", "\\\\", "~")) or _DRIVE.match(text) or "\0" in text:
        return True
    parts = re.split(r"[/\\]", text)
    if ".." in parts:
        return True
    try:
        return not (folder / text).resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError):  # too long for a path, or a loop of links
        return len(parts) > 1


def _leaves(value: Any, key: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every value that is no table and no list, with the keys that lead to it."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(inner, (*key, str(name)))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _leaves(inner, key)
    else:
        yield key, value


def _said(key: Sequence[str], value: Any) -> str:
    return f"{'.'.join(key)} = {str(value)[:80]!r}"


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""  # it is not there, and loading it will say so
