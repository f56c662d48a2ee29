"""Tools on scripts. Their docstrings are what the agent reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from storymem.interfaces import Brief
from storymem.script import services
from storymem.script.changes import diff_scripts, render_diff
from storymem.script.lint import lint as find
from storymem.script.loader import parse_script
from storymem.script.writing import check_free, check_suffix, to_data, write_script
from storymem.values.script import StoryScript
from storymem_mcp.desk import Desk


class Scripts:
    """Planning, reading and changing scripts."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def plan(self, idea: str, out: str = "story.json", shots: int = 8, style: str = "") -> dict[str, Any]:
        """Turn an idea or a written story into a script of so many shots, in a new file; return the script."""
        path = self._free(out, replace=False)
        desk = self._desk
        script = services.plan(Brief(idea, shots, style), desk.planner, {}, desk.host, _quiet)
        write_script(path, script)
        return {"script": out, **to_data(script)}

    def read_script(self, script: str) -> dict[str, Any]:
        """Return a script: title, entities, scenes of shots."""
        return dict(to_data(self._read(script)[1]))

    def save_script(self, script: str, content: dict[str, Any], replace: bool = False) -> dict[str, Any]:
        """Write a script of the form that read_script returns; check it first, and return what will not film well.

        ``replace`` overwrites a file that is there. Shots keep their takes as long as their ids and prompts stay.
        """
        path = self._free(script, replace)
        story = parse_script(content, path, self._desk.host)[1]
        write_script(path, story)
        return {"script": script, "findings": self._findings(story, path)}

    def lint(self, script: str) -> dict[str, Any]:
        """Say what in a script will not film well, and why."""
        path, story = self._read(script)
        return {"findings": self._findings(story, path)}

    def revise(self, script: str, request: str) -> dict[str, Any]:
        """Change a script as asked in plain words, and nothing else; return the difference. Needs an LLM planner."""
        path, before = self._read(script)
        desk = self._desk
        after = services.revise(before, request, desk.planner, {}, desk.host, _quiet)
        write_script(path, after)
        return {"script": script, "changes": render_diff(diff_scripts(before, after)) or "nothing changed"}

    def _read(self, script: str) -> tuple[Path, StoryScript]:
        path = self._desk.folder.path(script)
        return path, services.read_script(path, self._desk.host)[1]

    def _findings(self, story: StoryScript, path: Path) -> list[dict[str, Any]]:
        return [finding.to_json() for finding in find(story, self._desk.resolved.settings.budget, base=path.parent)]

    def _free(self, name: str, replace: bool) -> Path:
        path = self._desk.folder.path(name)
        check_suffix(path)
        check_free(path, force=replace)
        return path


def _quiet(line: str) -> None:
    """Take a planner's progress line: an agent gets the script in one answer."""
