"""Pydantic's errors as one readable line."""

from __future__ import annotations

from pydantic import ValidationError

_SHOWN = 3


def describe(error: ValidationError) -> str:
    """Return ``key.path: reason`` of the first problems, joined by semicolons, and how many more there are."""
    errors = error.errors(include_url=False)
    inner = {e["loc"][:depth] for e in errors for depth in range(len(e["loc"]))}
    # Items that are wrong leave their list too short: only what is wrong inside is worth saying.
    told = [e for e in errors if e["loc"] not in inner] or errors
    problems = [_one(".".join(map(str, e["loc"])), e["msg"]) for e in told]
    more = f" (and {len(problems) - _SHOWN} more)" if len(problems) > _SHOWN else ""
    return "; ".join(problems[:_SHOWN]) + more


def _one(where: str, reason: str) -> str:
    reason = reason.removeprefix("Value error, ").replace("\n", " ")
    reason = {"Extra inputs are not permitted": "unknown key", "Field required": "missing"}.get(reason, reason)
    return f"{where}: {reason}" if where else reason
