"""How the program ends: an expected error, a full disk or a closed pipe is one line and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from storymem.cli import terminal
from storymem.cli.terminal import OutputFailed
from storymem.errors import MediaError, StoryMemError, os_error
from storymem.text import one_line


def run(program: Callable[[], object]) -> int:
    """Run the program and return its exit code; a bug keeps its traceback."""
    _open_standard_streams()
    closed = sys.stdout is None
    terminal.prepare()
    terminal.show_notes()
    code = 0
    try:
        program()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except StoryMemError as error:
        code = _tell(error)
    if closed and not code:  # whatever was asked for could not be printed
        return OutputFailed.exit_code
    return code or _flushed()


@contextmanager
def refused_by_the_system() -> Iterator[None]:
    """Turn what the operating system refuses, wherever it happens, into an error of one line."""
    try:
        yield
    except BrokenPipeError as error:  # the reader has what it wanted, as in `| head -1`
        raise MediaError("standard output: was closed before everything was written") from error
    except OSError as error:
        raise os_error(f"{error.filename or 'standard output'}: cannot be used", error, MediaError) from error
    except MemoryError as error:
        raise MediaError("out of memory; use a smaller size, fewer frames or fewer workers") from error


def _open_standard_streams() -> None:
    """Open those of the three standard streams that are closed: the next file would get their number and their text."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number


def _tell(error: StoryMemError) -> int:
    if isinstance(error, OutputFailed):
        terminal.discard(sys.stdout)
        if error.silent:
            return error.exit_code
    if "--debug" in sys.argv:  # the options are gone when the error arrives here
        _say(error.details or "".join(traceback.format_exception(error)))
    _say(f"error: {one_line(str(error))}")
    return error.exit_code


def _flushed() -> int:
    """Write out what is still in a buffer, so that Python does not fail to after the program has ended."""
    try:
        sys.stdout.flush()
    except OutputFailed as error:
        return _tell(error)
    return 0


def _say(text: str) -> None:
    with suppress(OSError, ValueError):  # standard error may be closed or full as well
        terminal.echo(text, err=True)
