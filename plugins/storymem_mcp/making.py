"""Tools that make shots and films. Their docstrings are what the agent reads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
from mcp.server.mcpserver import Context

from storymem.cli.render import stored_session
from storymem.errors import Cancelled
from storymem.runs import OpenRun, check_pin, check_redo, join_finished, open_run
from storymem.session import Session
from storymem_mcp.desk import Desk
from storymem_mcp.jobs import Job

#: Seconds between two looks at a render that is waited for.
_TICK = 0.2


class Making:
    """Rendering, redoing, pinning, joining."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def render(
        self,
        ctx: Context[Any, Any],
        script: str,
        run: str,
        policy: str | None = None,
        budget: int | None = None,
        frames: int | None = None,
        seed: int | None = None,
        wait_seconds: float = 600,
    ) -> dict[str, Any]:
        """Render a script into a run folder, new or old; shots that are there already are not made again.

        Reports progress in shots, and returns when the film is done, or after ``wait_seconds`` with the state
        "running": the render continues in the background, and ``status`` says how far it is.
        """
        desk, chosen = self._desk, {"policy": policy, "budget": budget, "frames": frames, "seed": seed}
        path, folder = desk.folder.path(script), desk.folder.path(run)
        given = {key: value for key, value in chosen.items() if value is not None}
        job = await anyio.to_thread.run_sync(desk.render, path, folder, given)
        return await _waited(job, wait_seconds, ctx)

    async def redo(
        self,
        ctx: Context[Any, Any],
        run: str,
        shot: str,
        prompt: str | None = None,
        seed: int | None = None,
        wait_seconds: float = 600,
    ) -> dict[str, Any]:
        """Make a shot again, with another prompt or seed, or a fresh seed if neither is given; then render.

        Later shots are made again only if they saw this one. The old take is kept: see takes and pin.
        """
        folder = self._desk.folder.path(run)

        def change() -> Job:
            with self._opened(folder) as (session, opened):
                override = opened.override(shot, seed, prompt)
                check_redo(opened, session, shot, override)
                opened.store.redo(shot, override)
            return self._desk.resume(folder)

        return await _waited(await anyio.to_thread.run_sync(change), wait_seconds, ctx)

    async def pin(
        self, ctx: Context[Any, Any], run: str, shot: str, take: int | None = None, wait_seconds: float = 600
    ) -> dict[str, Any]:
        """Fix a shot to one of its takes, whatever script and settings say, and render; without a take, free it."""
        folder = self._desk.folder.path(run)

        def change() -> Job:
            with self._opened(folder) as (session, opened):
                check_pin(opened, session, shot, take)
                opened.pin(shot, take)
            return self._desk.resume(folder)

        return await _waited(await anyio.to_thread.run_sync(change), wait_seconds, ctx)

    def film(self, run: str) -> dict[str, Any]:
        """Join the shots that are finished into the film, without making any; say which are missing."""
        with self._opened(self._desk.folder.path(run)) as (session, opened):
            joined = join_finished(opened, session)
        film = self._desk.folder.name(joined.film)
        return {"film": film, "frames": joined.frames, "missing": list(joined.missing)}

    def stop(self, run: str) -> dict[str, Any]:
        """Stop a render of this server after its current step; everything finished is kept, and render resumes."""
        return {"stopping": self._desk.jobs.stop(self._desk.folder.path(run))}

    @contextmanager
    def _opened(self, folder: Path) -> Iterator[tuple[Session, OpenRun]]:
        """Open a run for a change, with a session of its own settings."""
        self._desk.jobs.check_free(folder)
        with stored_session(folder, None, None, {}) as stored:
            session = stored.session
            with open_run(folder, write=True, host=session.host) as opened:
                yield session, opened


async def _waited(job: Job, seconds: float, ctx: Context[Any, Any]) -> dict[str, Any]:
    """Report progress until a render ends or the time is over, and return its state."""
    told = -1.0
    with anyio.move_on_after(seconds):
        while not job.done.is_set():
            made, shots = job.progress()
            if made > told and shots:
                told = made
                await ctx.report_progress(made, shots, f"{made:.1f} of {shots} shots")
            await anyio.sleep(_TICK)
    if job.error is not None and not isinstance(job.error, Cancelled):
        raise job.error  # a bug keeps its traceback, in the server's log
    return job.to_json()
