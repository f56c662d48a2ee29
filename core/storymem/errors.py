"""Every error a user can cause or meet, each one line long and with an exit code.

A message names the file, key, shot or plugin concerned and says what to do. Anything that is not a
:class:`StoryMemError` is a bug and keeps its traceback.
"""

from __future__ import annotations

import errno
from typing import ClassVar


class StoryMemError(Exception):
    """Base of all expected failures.

    Attributes:
        details: The traceback of the bug behind it, for the log and ``--debug``; empty if there is none.
    """

    exit_code: ClassVar[int] = 2

    def __init__(self, message: str = "", details: str = "") -> None:
        super().__init__(message)
        self.details = details


class ScriptError(StoryMemError):
    """A story script cannot be read or does not make sense."""


class SettingsError(StoryMemError):
    """A setting is unknown, of the wrong type, or not allowed for the chosen plugin."""


class GraphError(StoryMemError):
    """The shots cannot be ordered: a cycle, an unknown id, or a reference to a later shot."""


class PluginError(StoryMemError):
    """A plugin is unknown, not installed, broken, registered twice, or broke its contract."""

    exit_code = 3


class ShotError(StoryMemError):
    """One shot could not be made. Everything finished before it is kept; rendering again resumes."""

    exit_code = 4


class MissingInput(ShotError):
    """A worker does not find a file that this machine has; nothing is damaged, and nothing is made again for it."""


class RunStoreError(StoryMemError):
    """A run folder is locked, damaged, of a newer version, or belongs to another story."""

    exit_code = 5


class DamagedFile(RunStoreError):
    """A stored file no longer has the content that was recorded for it.

    Attributes:
        digest: The recorded SHA-256 of the file, its name in the object store.
    """

    def __init__(self, message: str, digest: str = "") -> None:
        super().__init__(message)
        self.digest = digest


class DamagedDatabase(RunStoreError):
    """A run's database is not what was written, or is an older copy; ``storymem repair`` rebuilds it."""


class DiskFull(ShotError):
    """There is no room for what is to be written. Everything finished is kept; rendering again resumes."""


class MediaError(StoryMemError):
    """A picture or video file cannot be read or written."""

    exit_code = 6


class Cancelled(StoryMemError):
    """The work was cancelled on request; nothing half-made is kept."""

    exit_code = 130


#: What a full disk, an exceeded quota or a file that has become too large is called.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def os_error(what: str, error: OSError, kind: type[StoryMemError]) -> StoryMemError:
    """Return what the operating system refused as an error of ``kind``, or as :class:`DiskFull`, in one line."""
    reason = error.strerror or str(error) or type(error).__name__
    if error.errno in _FULL:
        return DiskFull(f"{what}: {reason}; make room and try again, everything finished is kept")
    return kind(f"{what}: {reason}")
