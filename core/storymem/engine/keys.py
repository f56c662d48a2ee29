"""Hashes of what makes a result, and seeds. Equal keys mean equal results, so nothing is made twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

#: Raise when the meaning of a key changes, so that results under old keys are not taken for new ones.
KEY_VERSION = 1


def digest(kind: str, parts: Mapping[str, Any]) -> str:
    """Return the SHA-256, hex, of plain data in canonical form."""
    text = json.dumps({"kind": kind, "version": KEY_VERSION, **parts}, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def shot_seed(story_seed: int, shot_id: str, attempt: int = 0) -> int:
    """Return a shot's seed, 0 .. 2**63-1: it depends on the shot's id, not on its place among the others."""
    name = f"{story_seed}/{shot_id}" + (f"/{attempt}" if attempt else "")
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1
