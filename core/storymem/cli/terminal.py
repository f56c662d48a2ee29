"""Standard output and standard error: any console encoding, any text, and outputs that close or fill up.

Every command prints through :func:`echo`, since titles, keys and server messages come from outside.
"""

from __future__ import annotations

import errno
import json
import logging
import math
import os
import sys
from typing import Any, TextIO, cast

from storymem.errors import StoryMemError
from storymem.text import one_line, printable


class OutputFailed(StoryMemError):
    """Standard output cannot be written: its reader went away, or the disk behind it is full."""

    exit_code = 6

    def __init__(self, error: OSError) -> None:
        super().__init__(f"standard output cannot be written: {error.strerror}")
        #: Nobody is reading, so there is nobody to tell.
        self.silent = error.errno in (errno.EPIPE, errno.ESHUTDOWN)


class _Output:
    """Standard output whose failures can be told from those of other files; everything else is the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write ``text``; raises :class:`OutputFailed`."""
        try:
            return self._stream.write(text)
        except OSError as error:
            raise OutputFailed(error) from error

    def flush(self) -> None:
        """Write what is buffered; raises :class:`OutputFailed`."""
        try:
            self._stream.flush()
        except OSError as error:
            raise OutputFailed(error) from error


def prepare() -> None:
    """Make the standard streams usable: there, with replacements for what the console cannot show, and safe to fail."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by whoever started the program
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123 - for the process
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    if not isinstance(sys.stdout, _Output):
        sys.stdout = cast("TextIO", _Output(sys.stdout))


class _Notes(logging.Handler):
    """Prints what the framework logs while a command runs, such as how a doubtful script was read."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one line."""
        echo(f"{record.levelname.lower()}: {one_line(record.getMessage())}", err=True)


def show_notes() -> None:
    """Print warnings of the framework on standard error, each as one line."""
    logger = logging.getLogger("storymem")
    if not any(isinstance(handler, _Notes) for handler in logger.handlers):
        logger.addHandler(_Notes(logging.WARNING))


def echo(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print ``text`` without control sequences, at once."""
    _write(sys.stderr if err else sys.stdout, printable(text) + ("\n" if nl else ""))


def print_json(value: object) -> None:
    """Write one JSON line to standard output at once, so that a reader of a pipe sees events as they happen.

    Numbers that JSON cannot hold (NaN, infinities) become null. The line is ASCII where the console is not UTF-8.
    """
    ascii_only = (getattr(sys.stdout, "encoding", None) or "ascii").lower().replace("-", "") != "utf8"
    try:
        line = json.dumps(value, ensure_ascii=ascii_only, allow_nan=False)
    except ValueError:
        line = json.dumps(_finite(value), ensure_ascii=ascii_only, allow_nan=False)
    _write(sys.stdout, line + "\n")


def next_step(command: str, *words: object) -> None:
    """Tell on standard error what to type next; ``words`` are quoted for a shell."""
    import shlex

    echo(f"next: {command} {' '.join(shlex.quote(str(word)) for word in words)}".rstrip(), err=True)


def _write(stream: TextIO, text: str) -> None:
    stream.write(text)
    stream.flush()


def discard(stream: TextIO) -> None:
    """Send what is still buffered nowhere, so that the interpreter does not fail on it when it ends."""
    try:
        descriptor = os.open(os.devnull, os.O_WRONLY)
        os.dup2(descriptor, stream.fileno())
        os.close(descriptor)
    except (OSError, ValueError):
        return  # no descriptor behind it, as in tests


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, list | tuple) else value
