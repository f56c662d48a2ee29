"""Pydantic's errors as one readable line."""

from __future__ import annotations

from pydantic import ValidationError

_SHOWN = 3


def describe(error: ValidationError) -> str:
    """Return ``key.path: reason`` of the first problems, joined by semicolons, and how many more there are."""
    problems = [_one(str(".".join(str(p) for p in e["loc"])), e["msg"]) for e in error.errors(include_url=False)]
    more = f" (and {len(problems) - _SHOWN} more)" if len(problems) > _SHOWN else ""
    return "; ".join(problems[:_SHOWN]) + more


def _one(where: str, reason: str) -> str:
    reason = reason.removeprefix("Value error, ").replace("\n", " ")
    reason = {"Extra inputs are not permitted": "unknown key", "Field required": "missing"}.get(reason, reason)
    return f"{where}: {reason}" if where else reason
