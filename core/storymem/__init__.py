"""Multi-shot stories as one film, with visual memory (StoryMem, arXiv 2512.19539).

What most programs need is here; everything is imported when it is first used, so that importing this is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from storymem.api import CancelToken, Storyteller
    from storymem.errors import StoryMemError
    from storymem.plugin import PluginHost, hookimpl
    from storymem.result import RunResult, ShotStatus
    from storymem.script.loader import load_script
    from storymem.session import Session
    from storymem.values.script import Entity, Scene, Shot, StoryScript

_HOMES = {
    "CancelToken": "storymem.engine.cancel",
    "Entity": "storymem.values.script",
    "PluginHost": "storymem.plugin",
    "RunResult": "storymem.result",
    "Scene": "storymem.values.script",
    "Session": "storymem.session",
    "Shot": "storymem.values.script",
    "ShotStatus": "storymem.result",
    "StoryMemError": "storymem.errors",
    "StoryScript": "storymem.values.script",
    "Storyteller": "storymem.api",
    "hookimpl": "storymem.plugin",
    "load_script": "storymem.script.loader",
}

__all__ = [
    "CancelToken",
    "Entity",
    "PluginHost",
    "RunResult",
    "Scene",
    "Session",
    "Shot",
    "ShotStatus",
    "StoryMemError",
    "StoryScript",
    "Storyteller",
    "__version__",
    "hookimpl",
    "load_script",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("storymem")
    if name not in _HOMES:
        raise AttributeError(f"module 'storymem' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
