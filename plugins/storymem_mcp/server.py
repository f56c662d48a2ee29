"""The server: tools by name, with what each may do to the user's files."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations

from storymem import __version__
from storymem.errors import StoryMemError
from storymem_mcp.desk import Desk
from storymem_mcp.looking import Looking
from storymem_mcp.making import Making
from storymem_mcp.scripts import Scripts

_INSTRUCTIONS = """\
StoryMem makes films of many shots in which characters and places stay the same. Plan or save a script, lint it, render
it, look at the contact sheet, and redo single shots that are not good: only what saw the old shot is made again. Old
takes are kept; pin the better one. All paths are relative to the served folder."""

#: What a tool does to files: looks only, adds only, or changes or replaces what is there.
LOOKS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
ADDS = ToolAnnotations(read_only_hint=False, destructive_hint=False, open_world_hint=False)
CHANGES = ToolAnnotations(read_only_hint=False, destructive_hint=True, open_world_hint=False)


def build(desk: Desk) -> MCPServer:
    """Return a server over a desk; see ``docs/agents.md`` for its tools."""
    server = MCPServer("storymem", instructions=_INSTRUCTIONS, version=__version__, log_level="WARNING")
    scripts, making, looking = Scripts(desk), Making(desk), Looking(desk)
    looks = (scripts.read_script, scripts.lint, looking.status, looking.contact_sheet, looking.memory_trace)
    tools: list[tuple[Callable[..., Any], ToolAnnotations]] = [
        *((tool, LOOKS) for tool in (*looks, looking.frames, looking.takes, looking.evaluate)),
        *((tool, ADDS) for tool in (scripts.plan, making.render, making.stop, making.film, looking.export)),
        *((tool, CHANGES) for tool in (scripts.save_script, scripts.revise, making.redo, making.pin)),
    ]
    for tool, hints in tools:
        server.tool(annotations=hints, structured_output=False)(_expected(tool))
    return server


def serve(desk: Desk) -> None:
    """Serve on stdin and stdout until the client leaves; renders under way are stopped then, and can be resumed."""
    try:
        build(desk).run("stdio")
    finally:
        desk.jobs.close()


def _expected(tool: Callable[..., Any]) -> Callable[..., Any]:
    """Return the tool with expected errors as their own line; the SDK hides what it does not expect."""
    if inspect.iscoroutinefunction(tool):

        @functools.wraps(tool)
        async def call_async(*args: Any, **kwargs: Any) -> Any:
            try:
                return await tool(*args, **kwargs)
            except StoryMemError as error:
                raise ToolError(str(error)) from error

        return call_async

    @functools.wraps(tool)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return tool(*args, **kwargs)
        except StoryMemError as error:
            raise ToolError(str(error)) from error

    return call
