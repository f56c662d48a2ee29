"""Hashes of what makes a result, and seeds. Equal keys mean equal results, so nothing is made twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

#: Raise when the meaning of a key changes, so that results under old keys are not taken for new ones.
KEY_VERSION = 2


def digest(kind: str, parts: Mapping[str, Any]) -> str:
    """Return the SHA-256, hex, of plain data in canonical form."""
    text = json.dumps({"kind": kind, "version": KEY_VERSION, **parts}, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def derived_seed(*parts: int | str) -> int:
    """Return a seed, 0 .. 2**63-1, that depends on all ``parts`` and nothing else.

    Used as ``(story seed, shot id)`` for a shot, which so keeps its seed wherever it stands among the others; with the
    number of its takes added for a redo; and as ``(seed, "attempt", number)`` for attempts of the accept gate.
    """
    name = "/".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1
