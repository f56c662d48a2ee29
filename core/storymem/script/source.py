"""What callers give as a script: a script, its plain data, or a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from storymem.errors import ScriptError
from storymem.plugin import PluginHost
from storymem.script.loader import load_script, parse_script
from storymem.values.script import StoryScript

#: A script, its plain data in any known form, or the path of a file.
Script = StoryScript | Mapping[str, Any] | Path | str


def read_source(script: Script, host: PluginHost, base: Path | None = None) -> tuple[StoryScript, Path]:
    """Return a script, and the folder of its reference images: ``base``, that of its file, or the working folder.

    Raises:
        ScriptError: It cannot be read, or is JSON text where a path is expected.
    """
    if isinstance(script, StoryScript):
        return script, base or Path()
    if isinstance(script, Mapping):
        return parse_script(dict(script), Path("<script>"), host)[1], base or Path()
    if not isinstance(script, str | Path):
        raise ScriptError(f"script: expected a StoryScript, a dict or a path, got {type(script).__name__}")
    if isinstance(script, str) and (script.lstrip()[:1] in {"{", "["} or "\n" in script):
        raise ScriptError("script: this is the text of a script, not the path of one; give json.loads(text)")
    path = Path(script)
    return load_script(path, host), base or path.parent
