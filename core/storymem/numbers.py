"""Numbers as people and programs write them: whole numbers in any form, seeds, and sizes."""

from __future__ import annotations

import re
import secrets
from decimal import Decimal, InvalidOperation
from typing import Any

#: Seeds are 64 bits, as other programs' are.
SEED_LIMIT = 2**64
#: What other programs write for "draw one".
DRAW = -1
#: Drawn seeds stay below it, so that every program and file format can hold them.
_DRAWN_LIMIT = 2**53
_EXACT = 2**53
_SIZE = re.compile(r"(\d{1,5})(?:\s*(?:[x×✕✖хX*,;/]|by)\s*|\s+)(\d{1,5})\s*(?:px|pixels?)?", re.IGNORECASE)  # noqa: RUF001
_MAX_DIGITS = 40


def whole_number(value: Any) -> Any:
    """Return a whole number that is written as text (``"42"``) or with a fraction of zero (42.0) as an integer.

    Anything else is returned as it is, for the field's own check. A float above 2**53 is refused: what it was before
    a spreadsheet rounded it is not known.

    Raises:
        ValueError: It is such a float.
    """
    if isinstance(value, float) and value.is_integer():
        if abs(value) > _EXACT:
            raise ValueError(f"{value!r} may have been rounded; write the number as text or without a fraction")
        return int(value)
    if isinstance(value, str) and len(value) <= _MAX_DIGITS:
        try:
            number = Decimal(value.strip())
        except InvalidOperation:
            return value
        if number.is_finite() and abs(number) < SEED_LIMIT * 2 and number == number.to_integral_value():
            return int(number)
    return value


def whole_or_none(value: Any) -> int | None:
    """Return a whole number in any form, or None where there is none."""
    try:
        number = whole_number(value)
    except ValueError:
        return None
    return number if isinstance(number, int) and not isinstance(number, bool) else None


def seed_number(value: Any) -> Any:
    """Return a seed in any form of a whole number as an integer; -1 draws one, 0 .. 2**53-1.

    Whoever keeps the result records what was drawn: the script in the run folder, the run's settings, a new script.

    Raises:
        ValueError: It is out of range, or a float that may have been rounded.
    """
    if isinstance(value, bool):
        raise ValueError("must be a whole number")  # noqa: TRY004 - pydantic shows value errors
    number = whole_number(value)
    if number == DRAW:
        return secrets.randbelow(_DRAWN_LIMIT)
    if isinstance(number, int) and not 0 <= number < SEED_LIMIT:
        raise ValueError("must be 0 to 18446744073709551615 (64 bits), or -1 to draw one")
    return number


def size_pair(value: Any) -> Any:
    """Return a size as (width, height) in pixels: ``"832x480"``, ``"832 * 480"``, a list, or a table.

    Raises:
        ValueError: It is text of another form.
    """
    if isinstance(value, str):
        match = _SIZE.fullmatch(value.strip())
        if match is None:
            raise ValueError(f"{value!r} must be WIDTHxHEIGHT, such as 832x480")
        return int(match[1]), int(match[2])
    if isinstance(value, dict) and value.keys() == {"width", "height"}:
        value = [value["width"], value["height"]]
    return tuple(map(whole_number, value)) if isinstance(value, list | tuple) else value
