"""Fields of forms, checked."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import TypeAdapter, ValidationError

from storymem.errors import SettingsError
from storymem.validation import describe
from storymem.values.script import Prompt

_LARGEST_SEED = 2**63 - 1  # what the run database can hold
#: Options of ``storymem render`` that the page offers, by field.
RENDER_OPTIONS = ("backbone", "policy", "budget", "size", "frames", "seed", "workers")


def redo_values(fields: Mapping[str, str]) -> tuple[int | None, str | None]:
    """Return seed and prompt for a shot, None for each that was left empty.

    Raises:
        SettingsError: The seed is no number, or the prompt too long.
    """
    seed, prompt = fields.get("seed", "").strip(), fields.get("prompt", "").strip()
    if seed and not (seed.isdecimal() and int(seed) <= _LARGEST_SEED):
        raise SettingsError(f"seed {seed[:40]!r}: must be a whole number, 0 to {_LARGEST_SEED}")
    if not prompt:
        return int(seed) if seed else None, None
    try:
        checked: str = TypeAdapter(Prompt).validate_python(prompt)
    except ValidationError as error:
        raise SettingsError(f"prompt: {describe(error)}") from error
    return int(seed) if seed else None, checked


def render_options(fields: Mapping[str, str]) -> list[str]:
    """Return the options of ``storymem render`` that a form gives."""
    given = ((name, fields.get(name, "").strip()) for name in RENDER_OPTIONS)
    return [f"--{name}={value}" for name, value in given if value]


def counted(fields: Mapping[str, str], name: str, most: int) -> int:
    """Return a field that is a number from 1; raises :class:`SettingsError` if it is none."""
    text = fields.get(name, "").strip()
    if not (text.isdecimal() and 1 <= int(text) <= most):
        raise SettingsError(f"{name} {text[:40]!r}: must be a whole number, 1 to {most}")
    return int(text)
