"""TOML, within limits: scripts and settings files are read by the same parser.

The standard library's parser takes time that grows with the square of a dotted key's parts, and about a second
a mebibyte for the rest, so both are bounded before it begins.
"""

from __future__ import annotations

import re
import tomllib
from typing import Any

MAX_BYTES = 1024 * 1024
#: Parts of one dotted key; a script nests no deeper.
MAX_KEY_PARTS = 40

# Strings and comments, in the order in which TOML's own grammar tries them. What is not closed is taken to the end,
# where the parser will fail, too: trying again at every quotation mark would take quadratic time.
_TOKEN = re.compile(
    r"""
    \"{3} (?: \\. | [^\\] )*? (?: \"{3} | \Z )   # text of several lines
    | '{3} .*? (?: '{3} | \Z )
    | \" (?: \\. | [^"\\\n] )* \"?
    | ' [^'\n]* '?
    | (?P<comment> \#[^\n]* )
    """,
    re.DOTALL | re.VERBOSE,
)
_LONG_KEY = re.compile(rf"(?<![\w-])(?:[\w-]+[ \t]*\.[ \t]*){{{MAX_KEY_PARTS}}}")


def loads(text: str) -> dict[str, Any]:
    """Return TOML text as plain data.

    Raises:
        ValueError: It is not TOML, is larger than 1 MiB, or has a dotted key of more than 40 parts.
    """
    if len(text) > MAX_BYTES:
        raise ValueError(f"is larger than {MAX_BYTES // 2**20} MiB, the limit for TOML; use JSON")
    bare = _TOKEN.sub(lambda token: "" if token["comment"] else "s", text)
    if match := _LONG_KEY.search(bare):
        line = bare.count("\n", 0, match.start()) + 1
        raise ValueError(f"line {line} or after: a dotted key of more than {MAX_KEY_PARTS} parts")
    return tomllib.loads(text)


def has_comments(text: str) -> bool:
    """Return whether TOML text holds a comment."""
    return any(token["comment"] for token in _TOKEN.finditer(text))
