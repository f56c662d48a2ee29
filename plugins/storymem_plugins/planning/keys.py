"""An API key, from the environment or a file, that never shows itself.

It is no string: printing, formatting and pickling it give nothing away, and text that may hold it is passed
through :meth:`ApiKey.hide` before it goes anywhere.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from storymem_plugins.planning.errors import PlanError

OPENAI_HOST = "api.openai.com"
_HIDDEN = "[api key]"
_SHORTEST = 8


class ApiKey:
    """A key, or none."""

    __slots__ = ("_value",)

    def __init__(self, value: str = "") -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the key itself, for the client library alone."""
        return self._value

    def hide(self, text: str) -> str:
        """Return ``text`` with the key blotted out."""
        return text.replace(self._value, _HIDDEN) if len(self._value) >= _SHORTEST else text

    def __repr__(self) -> str:
        return "ApiKey(hidden)"

    def __reduce__(self) -> str:
        raise PlanError("an API key is never copied to another process")


def find_key(variable: str, file: Path | None, environ: Mapping[str, str] | None = None) -> ApiKey:
    """Return the key of ``file``, else of the environment ``variable``, else none.

    Raises:
        PlanError: The file cannot be read, or what was found is no key. The message does not show it.
    """
    if file is not None:
        try:
            return _checked(file.read_text("utf-8").strip(), str(file))
        except (OSError, UnicodeDecodeError) as error:
            raise PlanError(f"api_key_file {file} cannot be read: {type(error).__name__}") from None
    value = (os.environ if environ is None else environ).get(variable, "").strip()
    return _checked(value, f"${variable}") if value else ApiKey()


def _checked(value: str, source: str) -> ApiKey:
    if not value or not value.isascii() or not value.isprintable() or " " in value:
        raise PlanError(f"{source} holds no API key: one line of printable characters without spaces is needed")
    return ApiKey(value)
