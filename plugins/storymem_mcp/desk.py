"""What all tools share: the folder, the settings that the person at the command line gave, and running renders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from storymem.cli.render import stored_session
from storymem.engine.cancel import CancelToken
from storymem.plugin import PluginHost
from storymem.result import RunResult
from storymem.session import Session
from storymem.settings import Resolved
from storymem.values.events import Event
from storymem_mcp.folder import Folder
from storymem_mcp.jobs import Job, Jobs


@dataclass(frozen=True)
class Desk:
    """One server's state.

    Attributes:
        folder: Where the agent works.
        host: The plugins.
        resolved: Settings of new runs. An agent chooses none of them but the few that a tool names, since settings can
            name programs and files anywhere.
        planner: Name of the planner.
        jobs: Renders under way.
    """

    folder: Folder
    host: PluginHost
    resolved: Resolved
    planner: str
    jobs: Jobs = field(default_factory=Jobs)

    def render(self, script: Path, run: Path, chosen: Mapping[str, Any]) -> Job:
        """Start to render a script into a run folder, with settings on top of the server's."""
        # Built here, so that a wrong setting fails this call and not a later one.
        session = Session({**self.resolved.explicit, **chosen}, plugins=self.host)

        def work(on_event: Callable[[Event], None], cancel: CancelToken) -> RunResult:
            with session:
                return session.render(script, run, on_event, cancel)

        try:
            return self.jobs.start(run, work)
        except BaseException:
            session.close()
            raise

    def resume(self, run: Path) -> Job:
        """Start to render a run folder's own script again, with its own settings."""

        def work(on_event: Callable[[Event], None], cancel: CancelToken) -> RunResult:
            with stored_session(run, None, None, {}) as stored:
                return stored.session.render(stored.script, run, on_event, cancel, stored.base, resumes=True)

        return self.jobs.start(run, work)
