"""The script that is edited in the page: ``story.json`` of the run folder, or what the run was rendered from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from storymem.cli.render import StoredRun, stored_session
from storymem.errors import ScriptError, os_error
from storymem.plugin import PluginHost
from storymem.script.loader import load_script, parse_script
from storymem.script.services import rebased
from storymem.script.writing import to_data, to_text, write_script
from storymem.store.runstore import RunStore
from storymem.values.script import StoryScript, TransitionChoice
from storymem.values.storyboard import Storyboard
from storymem_studio.library import RunEntry

REVISED = "revised.json"
_LONGEST = 8_000_000  #: characters


def stored_run(folder: Path) -> AbstractContextManager[StoredRun]:
    """Open a session with a run's own settings; raises where the user has not agreed to what it asks for."""
    return stored_session(folder, None, None, {})


def draft(entry: RunEntry, host: PluginHost) -> StoryScript:
    """Return the script of a run as it would be rendered next.

    Raises:
        ScriptError: It cannot be read.
        RunStoreError: The run cannot.
    """
    if entry.script.is_file():
        return load_script(entry.script, host)
    with RunStore(entry.folder, write=False) as store:
        story, base = store.meta("script"), store.meta("base")
    if story is None or base is None:
        raise ScriptError(f"{entry.folder}: was never rendered into, and has no {entry.script.name}")
    return rebased(StoryScript.model_validate_json(story), Path(base), entry.folder)


def draft_text(entry: RunEntry, story: StoryScript) -> str:
    """Return the text of the script as its author left it."""
    if not entry.script.is_file():
        return to_text(to_data(story), ".json")
    try:
        return entry.script.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ScriptError(f"{entry.script}: cannot be read: {error}") from error


def require_unchanged(entry: RunEntry, host: PluginHost, version: str) -> None:
    """Raise :class:`ScriptError` if the script is not the one that a form was made of: another tab has saved it."""
    text = draft_text(entry, draft(entry, host))
    if hashlib.sha256(text.encode()).hexdigest() != version:
        raise ScriptError("the script was changed elsewhere since this page was loaded; nothing was saved")


def parse_text(text: str, entry: RunEntry, host: PluginHost) -> StoryScript:
    """Return the script that a text holds; raises :class:`ScriptError` naming line or key."""
    if len(text) > _LONGEST:
        raise ScriptError(f"the script has {len(text)} characters; at most {_LONGEST}")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ScriptError(f"is not JSON: {error}") from error
    return parse_script(data, entry.script, host)[1]


def with_fields(story: StoryScript, fields: Mapping[str, str]) -> StoryScript:
    """Return the script with what the form says of the story and of each shot.

    Raises:
        ScriptError: Names the shot and what is wrong.
    """
    for shot in Storyboard(story):
        if f"prompt:{shot.id}" in fields:
            cut = f"cut:{shot.id}" in fields or shot.position == 0
            story = story.with_shot(shot.id, prompt=fields[f"prompt:{shot.id}"], cut=cut)
    return story.model_copy(update={"style": fields.get("style", story.style).strip()})


def with_transition(story: StoryScript, shot: str, name: str) -> StoryScript:
    """Return the script with another way into a shot; an empty name is the run's default."""
    return story.with_shot(shot, transition=TransitionChoice(name=name) if name else None)


def save(entry: RunEntry, story: StoryScript) -> None:
    """Write the script to the run folder."""
    write_script(entry.script, story)


def revised(entry: RunEntry, host: PluginHost) -> StoryScript | None:
    """Return what a planner made of the script and nobody has accepted yet; None if there is nothing."""
    path = entry.folder / REVISED
    return load_script(path, host) if path.is_file() else None


def drop_revised(entry: RunEntry) -> None:
    """Remove what a planner made of the script."""
    path = entry.folder / REVISED
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise os_error(f"{path}: cannot be removed", error, ScriptError) from error
