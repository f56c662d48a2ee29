"""Wan2GP's text files: one prompt a line, with window commands in brackets.

A line continues from the one before unless it says ``[/new_shot]`` (or ``/overlap=0``). Named memories
(``/store_mem``, ``/load_mem``, ``/drop_mem``) are entities: a shot shows those it stores and those it recalls, which
are the ones it loads, or else those active before. Lines that begin with ``#`` are comments; macros (``!``) are not
expanded.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, JsonValue

from storymem.interfaces import PluginSettings, ScriptFormat
from storymem.script.loader import validate_script
from storymem.values.script import Shot, StoryScript
from storymem_plugins.formats.commands import BRACKET, Window
from storymem_plugins.formats.losses import lost_by_shots, lost_by_story
from storymem_plugins.formats.reading import Node, lines_of

METADATA = "wan2gp"


class Wan2GPSettings(PluginSettings):
    """How text files are read.

    Attributes:
        fps: Frames a second, for durations in seconds; 16 is Wan's.
    """

    fps: Annotated[float, Field(gt=0, le=240)] = 16


class Wan2GP(ScriptFormat[Wan2GPSettings]):
    """Wan2GP's prompt files, with windows, durations and named memories."""

    def detect(self, data: JsonValue) -> bool:
        """Whether it is text with a window command."""
        return isinstance(data, str) and BRACKET.search(data) is not None

    def parse(self, data: JsonValue, source: Path) -> StoryScript:
        """Return the script, one scene; the file's name becomes the title."""
        shots: list[JsonValue] = []
        carried: dict[str, JsonValue] = {}
        active: list[str] = []
        known: dict[str, None] = {}
        window = Window()
        for line in lines_of(Node(source, data)):
            if line.text().startswith("!"):
                line.fail("macros are not expanded; write the lines they stand for")
            prompt = window.read(line, self.settings.fps)
            if not prompt:
                continue  # commands alone on a line belong to the next one
            recalled = active if window.load is None else window.load
            known |= dict.fromkeys([*recalled, *window.store])
            if window.carried:
                carried[f"1.{len(shots) + 1}"] = [*window.carried]
            shots.append(_shot(prompt, window, recalled, first=not shots))
            active = [n for n in dict.fromkeys([*recalled, *window.store]) if n not in window.drop]
            window = Window()
        native: JsonValue = {
            "title": source.stem[:200] or "untitled",
            "entities": [{"id": name} for name in known],
            "scenes": [{"shots": shots}],
            "metadata": {METADATA: {"commands": carried}} if carried else {},
        }
        return validate_script(native, source)

    def dump(self, script: StoryScript) -> tuple[JsonValue, list[str]]:
        """Return the text. Looks, the borders of scenes and what else Wan2GP has no command for do not fit."""
        extra = script.metadata.get(METADATA)
        kept = extra.get("commands") if isinstance(extra, dict) else None
        seen: set[str] = set()
        lines: list[str] = []
        for i, scene in enumerate(script.scenes):
            for j, shot in enumerate(scene.shots):
                more = kept.get(script.shot_id(i, j)) if isinstance(kept, dict) else None
                commands = [*_commands(shot, seen, first=not lines), *(more if isinstance(more, list) else [])]
                head = f"[{','.join(map(str, commands))}] " if commands else ""
                lines.append(head + " ".join(shot.prompt.split()))
                seen |= set(shot.entities)
        losses = [f"the title {script.title!r}, unless it is the file's name"]
        losses += [f"the borders of {len(script.scenes)} scenes"] if len(script.scenes) > 1 else []
        losses += [f"the look of {entity.id!r}" for entity in script.entities if entity.look]
        losses += [f"the overview {script.overview[:40]!r}"] if script.overview else []
        kept_parts = {"cut", "entities", "frames"}
        return "\n".join(lines) + "\n", [
            *losses,
            *lost_by_story(script, {METADATA}),
            *lost_by_shots(script, kept_parts),
        ]


def _shot(prompt: str, window: Window, recalled: list[str], *, first: bool) -> JsonValue:
    shot: dict[str, JsonValue] = {"prompt": prompt, "cut": window.cut or first}
    shot["entities"] = [*dict.fromkeys([*recalled, *window.store])]
    if window.frames is not None:
        shot["frames"] = window.frames
    return shot


def _commands(shot: Shot, seen: set[str], *, first: bool) -> list[str]:
    """Return the commands by which a shot reads as it is: what was seen before is loaded, what is new is stored."""
    new = [name for name in shot.entities if name not in seen]
    commands = [f"/duration={shot.frames}"] if shot.frames else []
    commands += ["/new_shot"] if shot.cut and not first else []
    if seen:
        commands.append(f"/load_mem={','.join(name for name in shot.entities if name in seen)}")
    return commands + ([f"/store_mem={','.join(new)}"] if new else [])
