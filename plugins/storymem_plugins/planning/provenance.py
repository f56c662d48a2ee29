"""What a plan records about how it was made, under ``plan`` in the script's metadata."""

from __future__ import annotations

import hashlib

from pydantic import JsonValue

from storymem.interfaces import Brief

_SHOWN = 200


def provenance(planner: str, version: str, brief: Brief) -> dict[str, JsonValue]:
    """Return planner, version, seed and what was asked; a long brief by its beginning and its SHA-256."""
    text = " ".join(brief.text.split())
    return {
        "planner": planner,
        "version": version,
        "brief": text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...",
        "brief_sha256": hashlib.sha256(brief.text.encode()).hexdigest(),
        "shots": brief.shots,
        "language": brief.language,
        "seed": brief.seed,
    }


def title_of(text: str, words: int = 8) -> str:
    """Return a title from the first words of a text, at most 80 characters."""
    first = " ".join(text.split()[:words])[:80].strip(" .,;:!?…。") or "Untitled"
    return first[0].upper() + first[1:]
