"""An API key, from the environment or a file, that never shows itself; and what settings may say of servers.

It is no string: printing, formatting and pickling it give nothing away, and text that may hold it is passed
through :meth:`ApiKey.hide` before it goes anywhere.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated
from urllib.parse import quote, urlsplit

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from storymem.errors import SettingsError

_HIDDEN = "[api key]"
_SHORTEST = 8
#: What a server or a terminal may put into the middle of a long word.
_BETWEEN = r"(?:\s|\\[nrt]|\u00ad|\u200b)*"


class ApiKey:
    """A key, or none."""

    __slots__ = ("_value",)

    def __init__(self, value: str = "") -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the key itself, for the client library alone."""
        return self._value

    def hide(self, text: str) -> str:
        """Return ``text`` with the key blotted out: whole, split by white space, escaped, encoded, or its longer part.

        Servers like to show the key they refuse, in pieces or with its middle starred out.
        """
        if len(self._value) < _SHORTEST:
            return text
        for form in self._forms():
            text = re.sub(_spread(form), _HIDDEN, text)
        return text

    def _forms(self) -> list[str]:
        """Return the key, as it stands and encoded, and the pieces of it that are long enough to give it away."""
        value, half = self._value, max(_SHORTEST, len(self._value) // 2)
        encoded = base64.b64encode(value.encode("ascii")).decode("ascii").rstrip("=")
        bearer = base64.b64encode(f"Bearer {value}".encode("ascii")).decode("ascii").rstrip("=")
        escaped = {quote(value, safe=""), json.dumps(value)[1:-1]}
        whole = {value, value[::-1], encoded, bearer, value.encode().hex()} | escaped
        return [*sorted(whole, key=len, reverse=True), value[:half], value[-half:]]

    def __repr__(self) -> str:
        return "ApiKey(hidden)"

    def __reduce__(self) -> str:
        raise SettingsError("an API key is never copied to another process")


def _spread(text: str) -> str:
    """Return a pattern for text whose characters may have white space, escaped line ends or hyphens between them."""
    return _BETWEEN.join(map(re.escape, text))


def find_key(variable: str, file: Path | None, environ: Mapping[str, str] | None = None) -> ApiKey:
    """Return the key of ``file``, else of the environment ``variable``, else none.

    Raises:
        SettingsError: The file cannot be read, or what was found is no key. The message does not show it.
    """
    if file is not None:
        try:
            return _checked(file.read_text("utf-8").strip(), str(file))
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"api_key_file {file} cannot be read: {type(error).__name__}") from None
    value = (os.environ if environ is None else environ).get(variable, "").strip()
    return _checked(value, f"${variable}") if value else ApiKey()


def _checked(value: str, source: str) -> ApiKey:
    if not value or not value.isascii() or not value.isprintable() or " " in value:
        raise SettingsError(f"{source} holds no API key: one line of printable characters without spaces is needed")
    return ApiKey(value)


def _variable_name(value: str) -> str:
    """Return the name of a variable that may hold a key, for settings.

    Raises:
        PydanticCustomError: It is no such name. Somebody may have put the key itself there, so it is not repeated.
    """
    if not re.fullmatch(r"(?=.*(_|KEY|TOKEN|SECRET))[A-Z_][A-Z0-9_]{0,60}", value):
        raise PydanticCustomError("name", "must be the name of a variable such as OPENAI_API_KEY, not the key itself")
    return value


def _plain_address(value: str) -> str:
    """Return the address of a server without a slash at its end, for settings.

    Raises:
        ValueError: It is no http or https address, or holds what belongs elsewhere.
    """
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an http or https address, such as http://127.0.0.1:8000/v1")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must hold no user name, password, query or fragment; keys go to api_key_env")
    return value.rstrip("/")


#: Types of settings: the variable that may hold a key, and the address of the server it is for.
KeyVariable = Annotated[str, AfterValidator(_variable_name)]
ServerAddress = Annotated[str, AfterValidator(_plain_address)]
