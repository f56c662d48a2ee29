"""What the commands plan, revise, lint and convert do, for programs: scripts in, scripts out, no printing.

Knows plugins by kind and name only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from storymem.errors import PluginError, ScriptError
from storymem.interfaces import Brief, ScriptFormat, ScriptPlanner
from storymem.plugin import Kind, PluginHost
from storymem.script import yaml_notation
from storymem.script.cut_fixes import fix_cuts
from storymem.script.edits import with_ids
from storymem.script.keeping import edited_yaml
from storymem.script.loader import parse_script
from storymem.script.parsing import read_data
from storymem.script.references import anchor_path, picture_name, reference_name, reference_path
from storymem.script.revision import ScriptReviser
from storymem.values.script import Anchor, Entity, StoryScript
from storymem.values.storyboard import Storyboard

MAX_BRIEF = 2_000_000  #: characters; a long novel
MAX_PLANNED_SHOTS = 2_000

Progress = Callable[[str], None]


def plan(brief: Brief, planner: str, settings: Mapping[str, Any], host: PluginHost, progress: Progress) -> StoryScript:
    """Return a planner's script for a brief.

    Raises:
        ScriptError: The brief is empty, too long, no Unicode text, or wants too many shots.
        PluginError: There is no such planner, or it is not installed.
        StoryMemError: The planner failed.
    """
    if not brief.text.strip():
        raise ScriptError("the brief is empty; say what the film is about")
    if len(brief.text) > MAX_BRIEF:
        raise ScriptError(f"the brief has {len(brief.text)} characters; at most {MAX_BRIEF}")
    for what, text in (("brief", brief.text), ("style", brief.style), ("language", brief.language)):
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ScriptError(f"the {what} is not Unicode text; it has bytes that are not UTF-8") from error
    if not 1 <= brief.shots <= MAX_PLANNED_SHOTS:
        raise ScriptError(f"{brief.shots} shots cannot be planned; ask for 1 to {MAX_PLANNED_SHOTS}")
    plugin = host.build(Kind.SCRIPT_PLANNER, planner, settings)
    assert isinstance(plugin, ScriptPlanner)  # the registry checked it
    try:
        return plugin.plan(brief, progress)
    finally:
        plugin.close()


def revise(
    script: StoryScript,
    request: str,
    planner: str,
    settings: Mapping[str, Any],
    host: PluginHost,
    progress: Progress,
) -> StoryScript:
    """Return ``script`` changed as ``request`` asks in plain words; every shot's id is written down.

    Raises:
        PluginError: The planner cannot revise.
        StoryMemError: The planner failed.
    """
    if not request.strip():
        raise ScriptError("the request is empty; say what to change")
    plugin = host.build(Kind.SCRIPT_PLANNER, planner, settings)
    if not isinstance(plugin, ScriptReviser):
        raise PluginError(f"planner {planner!r} cannot revise; choose another with --planner, or edit the file")
    try:
        return plugin.revise(with_ids(script), request, progress)
    finally:
        plugin.close()


def read_script(path: Path, host: PluginHost, settings: Mapping[str, Any] | None = None) -> tuple[str, StoryScript]:
    """Return the name of a file's form, and the script; see :func:`storymem.script.loader.parse_script`."""
    return parse_script(read_data(path), path, host, settings)


def convert(script: StoryScript, to: str, host: PluginHost) -> tuple[JsonValue, list[str]]:
    """Return the script's data in another form, and what that form cannot hold.

    Raises:
        ScriptError: The form can only be read.
    """
    target = host.build(Kind.SCRIPT_FORMAT, to, {})
    assert isinstance(target, ScriptFormat)  # the registry checked it
    return target.dump(script)


def edited(path: Path, text: str, data: tuple[JsonValue, JsonValue], script: StoryScript, host: PluginHost) -> str:
    """Return the text of a YAML script with changes made in it, and all else kept.

    Args:
        path: The file, for its form.
        text: Its content.
        data: The script's data in that form before and after.
        script: What the new text must read as.
        host: For the forms.

    Raises:
        ScriptError: The text cannot be edited without a loss.
    """
    changed = edited_yaml(text, *data, prepare=fix_cuts)
    if parse_script(yaml_notation.loads(changed), path, host)[1] != script:
        raise ScriptError("cannot be edited with its layout kept")
    return changed


def rebased(script: StoryScript, old: Path, new: Path) -> StoryScript:
    """Return the script with its reference images named from another folder.

    Args:
        script: Whose references are relative to ``old``.
        old: Folder of the script as it was read.
        new: Folder it will be written to; must hold the pictures, at any depth.

    Raises:
        ScriptError: A picture is missing, or does not lie below ``new``.
    """
    entities = tuple(_rebased_entity(entity, old, new) for entity in script.entities)
    moved = script.model_copy(update={"entities": entities})
    for shot in Storyboard(script):
        if any(anchor.image for anchor in shot.shot.anchors):
            anchors = tuple(_rebased_anchor(shot.id, anchor, old, new) for anchor in shot.shot.anchors)
            moved = moved.with_shot(shot.id, anchors=anchors)
    return moved


def read_cast(path: Path, folder: Path, host: PluginHost) -> tuple[Entity, ...]:
    """Return the entities of a file, for a script that will be written to ``folder``.

    Args:
        path: A script, or a table with ``entities`` alone.
        folder: Where the new script goes.
        host: For scripts of other forms.

    Raises:
        ScriptError: The file has no entities, or their pictures do not lie below ``folder``.
    """
    data = read_data(path)
    if isinstance(data, dict) and set(data) == {"entities"}:
        data = {**data, "title": "cast", "scenes": [{"shots": [{"prompt": "cast"}]}]}
    script = parse_script(data, path, host)[1]
    if not script.entities:
        raise ScriptError(f"{path}: has no entities; list them under the key entities")
    return rebased(script, path.parent, folder).entities


def _rebased_anchor(shot: str, anchor: Anchor, old: Path, new: Path) -> Anchor:
    if not anchor.image:
        return anchor
    name = picture_name(new, f"shot {shot}: anchor image", anchor_path(old, shot, anchor.image))
    return anchor.model_copy(update={"image": name})


def _rebased_entity(entity: Entity, old: Path, new: Path) -> Entity:
    pictures = (reference_path(old, entity.id, reference) for reference in entity.references)
    moved = tuple(reference_name(new, entity.id, picture) for picture in pictures)
    return entity.model_copy(update={"references": moved}) if moved else entity
