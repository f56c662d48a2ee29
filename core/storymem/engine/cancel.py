"""Asking a run to stop, from any thread."""

from __future__ import annotations

import threading

from storymem.errors import Cancelled


class CancelToken:
    """Set once, seen everywhere. A run checks it between steps and shots."""

    def __init__(self) -> None:
        self._event = threading.Event()

    @property
    def cancelled(self) -> bool:
        """Whether :meth:`cancel` was called."""
        return self._event.is_set()

    def cancel(self) -> None:
        """Ask the run to stop."""
        self._event.set()

    def check(self) -> None:
        """Raise :class:`Cancelled` if the run was asked to stop."""
        if self.cancelled:
            raise Cancelled("cancelled; finished shots are kept, render again to resume")
