"""The failure of a planner."""

from __future__ import annotations

from storymem.errors import StoryMemError


class PlanError(StoryMemError):
    """A planner's model or server could not be reached, refused, or gave no usable answer."""

    exit_code = 7
